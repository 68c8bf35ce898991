//! Recognizing folders of unsupported tools, to refuse them by name.

/// Returns the index of a file that identifies an unsupported tool, and the reason to refuse it.
pub(super) fn folder(files: &[(&'static str, &'static str)]) -> Option<(usize, String)> {
    files.iter().enumerate().find_map(|(index, (path, text))| {
        let (tool, remedy) = tool(path, text, files)?;
        Some((
            index,
            format!("it is a file of {tool}, whose folders are not read here: {remedy}"),
        ))
    })
}

fn tool(
    path: &str,
    text: &str,
    files: &[(&'static str, &'static str)],
) -> Option<(&'static str, &'static str)> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let has = |wanted: &str| files.iter().any(|(path, _)| *path == wanted);
    match name {
        "migration.sql" if path.contains('/') => Some((
            "Prisma",
            "copy each `20240131120000_create_orders/migration.sql` to `20240131120000_create_orders.sql` of a folder of its own, and write `include_files!(\"..\", format = \"sqlx\")`",
        )),
        "_journal.json" => Some((
            "drizzle",
            "copy its files of SQL to a folder of their own without the lines `--> statement-breakpoint`, and write `include_files!(\"..\", format = \"sqlx\")`",
        )),
        "structure.sql" => Some((
            "Rails",
            "it is a dump of the schema and no change. Keep the changes in a folder of their own, `0001__initial_schema.sql` among them if the dump is to be the first one",
        )),
        "tern.conf" => Some(("tern", TERN)),
        _ if name.ends_with(".sql") && text.contains("INTO \"schema_migrations\" (version)") => {
            Some((
                "Rails",
                "it is a dump of the schema with the versions of Rails, and no change. Remove the lines that write to `schema_migrations`, and name it `0001__initial_schema.sql`",
            ))
        }
        _ if name.ends_with(".sql") && has("dbconfig.yml") && text.contains("+migrate") => {
            Some(("sql-migrate", SPLIT))
        }
        _ => None,
    }
}

const TERN: &str = "split each file at `---- create above / drop below ----` into `0003__create_orders.sql` and `0003__create_orders.rollback.sql`, write the values of its templates, and move `tern.conf` out of the folder";

const SPLIT: &str = "split each file into `0003__create_orders.sql` and `0003__create_orders.rollback.sql`, and remove the marks";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_other_tools_are_known_by_their_files() {
        type Case = (&'static [(&'static str, &'static str)], &'static str);
        let cases: [Case; 6] = [
            (
                &[
                    ("20240101_a/migration.sql", "a;"),
                    ("migration_lock.toml", ""),
                ],
                "Prisma",
            ),
            (
                &[("0000_a.sql", "a;"), ("meta/_journal.json", "")],
                "drizzle",
            ),
            (&[("structure.sql", "a;")], "Rails"),
            (
                &[(
                    "dump.sql",
                    "INSERT INTO \"schema_migrations\" (version) VALUES ('1');",
                )],
                "Rails",
            ),
            (&[("001_a.sql", "a;"), ("tern.conf", "")], "tern"),
            (
                &[("1.sql", "-- +migrate Up"), ("dbconfig.yml", "")],
                "sql-migrate",
            ),
        ];
        for (files, expected) in cases {
            let (_, message) = folder(files).unwrap();
            assert!(message.contains(expected), "{message}");
        }
        assert_eq!(folder(&[("1_a.sql", "a;"), ("2_b/up.sql", "")]), None);
    }
}
