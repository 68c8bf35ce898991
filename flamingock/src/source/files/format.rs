//! The format of a folder: that of a tool, or Flamingock's own.

use super::role::{Role, direction, without_sql};
use super::{alone, atlas, dbmate, goose};
use crate::change::client::Client;

/// The naming scheme of a folder's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `0003__create_orders.sql`, `0003__create_orders.rollback.sql`
    Own,
    /// `0003_create_orders.sql`, or `.up.sql` and `.down.sql`
    Sqlx,
    /// `V3__create_orders.sql`, `U4__create_index.sql`
    Refinery,
    /// `2024-01-01-000000_create_orders/up.sql`, `down.sql`, `metadata.toml`
    Diesel,
    /// `00003_create_orders.sql`, with `-- +goose Up` and `-- +goose Down`
    Goose,
    /// `V3__create_orders.sql`, `U3__create_orders.sql`, `R__orders_view.sql`, `V3__x.sql.conf`
    Flyway,
    /// `20240131120000_create_orders.sql`, with `-- migrate:up` and `-- migrate:down`
    Dbmate,
    /// `3_create_orders.up.sql` and `3_create_orders.down.sql`
    GolangMigrate,
    /// `20240131120000_create_orders.sql`, next to `atlas.sum`
    Atlas,
}

/// The part of the format that is visible in a file's name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Own,
    /// sqlx, goose, dbmate, golang-migrate or Atlas.
    Numbered,
    /// refinery or Flyway.
    Lettered,
    Diesel,
}

impl Format {
    pub(super) const ALL: [Format; 9] = [
        Format::Own,
        Format::Sqlx,
        Format::Refinery,
        Format::Diesel,
        Format::Goose,
        Format::Flyway,
        Format::Dbmate,
        Format::GolangMigrate,
        Format::Atlas,
    ];

    pub(super) fn named(name: &str) -> Option<Format> {
        Some(match name {
            "flamingock" => Format::Own,
            "sqlx" => Format::Sqlx,
            "refinery" => Format::Refinery,
            "diesel" => Format::Diesel,
            "goose" => Format::Goose,
            "flyway" => Format::Flyway,
            "dbmate" => Format::Dbmate,
            "golang-migrate" => Format::GolangMigrate,
            "atlas" => Format::Atlas,
            _ => return None,
        })
    }

    /// Returns the description of the format for errors.
    pub(super) fn words(self) -> &'static str {
        match self {
            Format::Own => "Flamingock's own names",
            Format::Sqlx => "the names of sqlx",
            Format::Refinery => "the names of refinery",
            Format::Diesel => "the names of diesel",
            Format::Goose => "the names of goose",
            Format::Flyway => "the names of Flyway",
            Format::Dbmate => "the names of dbmate",
            Format::GolangMigrate => "the names of golang-migrate",
            Format::Atlas => "the names of Atlas",
        }
    }

    /// Returns the client whose session options its files run with.
    pub(super) fn client(self) -> Client {
        match self {
            Format::Own | Format::Refinery => Client::Server,
            Format::Sqlx => Client::Pool,
            Format::Diesel => Client::Diesel,
            Format::Goose => Client::Go,
            Format::Flyway => Client::Jdbc,
            Format::Dbmate | Format::GolangMigrate | Format::Atlas => Client::LibPq,
        }
    }

    /// Reports whether the tool accepts a file that reverts a version without a file that applies
    /// it.
    pub(super) fn has_downs_alone(self) -> bool {
        match self {
            Format::Sqlx | Format::Flyway | Format::GolangMigrate => true,
            Format::Own
            | Format::Refinery
            | Format::Diesel
            | Format::Goose
            | Format::Dbmate
            | Format::Atlas => false,
        }
    }

    /// Returns how a file of this format declares that it runs without a transaction.
    pub(super) fn without_transaction(self) -> &'static str {
        match self {
            Format::Own | Format::Refinery | Format::GolangMigrate => {
                "write `-- flamingock: transaction=false` at its head"
            }
            Format::Sqlx => "write `-- no-transaction` as its first line",
            Format::Diesel => "write `run_in_transaction = false` in its metadata.toml",
            Format::Goose => "write `-- +goose NO TRANSACTION` at its head",
            Format::Flyway => "write `executeInTransaction=false` in its .conf",
            Format::Dbmate => {
                "write `transaction:false` behind its `-- migrate:up` or `-- migrate:down`"
            }
            Format::Atlas => "write `-- atlas:txmode none` as its first line",
        }
    }

    /// Returns examples of its file names.
    pub(super) fn example(self) -> &'static str {
        match self {
            Format::Own => {
                "`0003__create_orders.sql` and, beside it, `0003__create_orders.rollback.sql`"
            }
            Format::Sqlx => {
                "`0003_create_orders.sql`, or `0003_create_orders.up.sql` and `0003_create_orders.down.sql`"
            }
            Format::Refinery => "`V3__create_orders.sql` or `U3__create_orders.sql`",
            Format::Diesel => {
                "`2024-01-01-000000_create_orders/up.sql`, beside it `down.sql` and `metadata.toml`"
            }
            Format::Goose => "`00003_create_orders.sql`",
            Format::Flyway => {
                "`V3__create_orders.sql`, `U3__create_orders.sql` or `R__orders_view.sql`"
            }
            Format::Dbmate => "`20240131120000_create_orders.sql` with `-- migrate:up`",
            Format::GolangMigrate => {
                "`3_create_orders.up.sql` and, beside it, `3_create_orders.down.sql`"
            }
            Format::Atlas => "`20240131120000_create_orders.sql` beside `atlas.sum`",
        }
    }

    /// Finds the format that fits all files. A mistake refers to one file.
    pub(super) fn find(files: &[(&'static str, &'static str)]) -> Result<Format, (usize, String)> {
        let has_sum = files.iter().any(|(path, _)| *path == atlas::SUM);
        let mut first: Option<(usize, Shape)> = None;
        for (index, (path, _)) in files.iter().enumerate() {
            let Some(shape) = shape(path) else {
                continue;
            };
            match first {
                None => first = Some((index, shape)),
                Some((before, other)) if other != shape => {
                    return Err((
                        index,
                        format!(
                            "it has {}, and `{}` has {}: a folder is named in one way. Move the files of one kind to a folder of their own, or say the format: `include_files!(\"..\", format = \"sqlx\")`",
                            words(shape),
                            files[before].0,
                            words(other)
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(match first {
            None | Some((_, Shape::Own)) if has_sum => Format::Atlas,
            None if files.iter().any(|(_, text)| dbmate::is_marked(text)) => Format::Dbmate,
            None | Some((_, Shape::Own)) => Format::Own,
            Some((_, Shape::Diesel)) => Format::Diesel,
            Some((_, Shape::Numbered)) => {
                if files.iter().any(|(_, text)| goose::is_annotated(text)) {
                    Format::Goose
                } else if files.iter().any(|(_, text)| dbmate::is_marked(text)) {
                    Format::Dbmate
                } else if has_sum && !files.iter().any(|(path, _)| has_direction(path)) {
                    Format::Atlas
                } else {
                    Format::Sqlx
                }
            }
            Some((_, Shape::Lettered)) => {
                let by_name = files.iter().any(|(path, _)| only_flyway(path, files));
                if by_name || files.iter().any(|(_, text)| alone::tells_flyway(text)) {
                    Format::Flyway
                } else {
                    Format::Refinery
                }
            }
        })
    }
}

/// Reports whether both sqlx and golang-migrate could have written the folder, because the name of
/// each file says whether it is applied or reverts.
pub(super) fn fits_two(format: Format, files: &[(&'static str, &'static str)]) -> bool {
    let mut numbered = files
        .iter()
        .filter(|(path, _)| shape(path) == Some(Shape::Numbered));
    format == Format::Sqlx
        && files.iter().any(|(path, _)| applies(path))
        && numbered.all(|(path, _)| has_direction(path))
}

/// Recognizes `.up.sql` and `.down.sql`.
fn has_direction(path: &str) -> bool {
    path.strip_suffix(".sql").and_then(direction).is_some()
}

/// Recognizes `.up.sql`.
pub(super) fn applies(path: &str) -> bool {
    let said = path.strip_suffix(".sql").and_then(direction);
    said.is_some_and(|(_, role)| role == Role::Apply)
}

fn words(shape: Shape) -> &'static str {
    match shape {
        Shape::Own => Format::Own.words(),
        Shape::Numbered => "the names of sqlx, goose, dbmate, golang-migrate and Atlas",
        Shape::Lettered => "the names of refinery and Flyway",
        Shape::Diesel => Format::Diesel.words(),
    }
}

/// Returns the shape of a path, if it has one.
fn shape(path: &str) -> Option<Shape> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if matches!(name, "up.sql" | "down.sql" | "metadata.toml") && !folder.is_empty() {
        return Some(Shape::Diesel);
    }
    let stem = without_sql(name.strip_suffix(".conf").unwrap_or(name))?;
    if lettered(stem) || is_callback(name) {
        return Some(Shape::Lettered);
    }
    let digits = stem.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered =
        digits.len() < stem.len() && digits.starts_with('_') && !digits.starts_with("__");
    if is_numbered {
        Some(Shape::Numbered)
    } else if stem.contains("__") {
        Some(Shape::Own)
    } else {
        None
    }
}

/// Recognizes `V1__x`, `V1.2__x`, `V1`, `U1__x`, `R__x`.
fn lettered(stem: &str) -> bool {
    let prefix = stem.split_once("__").map_or(stem, |(prefix, _)| prefix);
    let version = prefix.strip_prefix(['V', 'U', 'B']);
    prefix == "R" && prefix != stem
        || version.is_some_and(|version| {
            version.starts_with(|c: char| c.is_ascii_digit())
                && version
                    .chars()
                    .all(|c| c.is_ascii_digit() || c == '.' || c == '_')
        })
}

/// Recognizes features that refinery does not have: repeatable files, settings of a file, versions
/// of several numbers, files without a description, `.SQL`, and a `U` that reverts the `V` of the
/// same version.
fn only_flyway(path: &str, files: &[(&'static str, &'static str)]) -> bool {
    let name = file_name(path);
    if is_callback(name) || name.starts_with('B') && without_sql(name).is_some_and(lettered) {
        return true;
    }
    let Some((prefix, description)) = name.split_once("__") else {
        return without_sql(name).is_some_and(lettered);
    };
    if !name.ends_with(".sql") || description.starts_with('.') {
        return true;
    }
    if prefix == "R" || name.ends_with(".conf") || prefix.contains(['.', '_']) {
        return true;
    }
    let Some(version) = prefix.strip_prefix('U') else {
        return false;
    };
    files.iter().any(|(other, _)| {
        let prefix = file_name(other).split_once("__").map(|(prefix, _)| prefix);
        prefix.and_then(|prefix| prefix.strip_prefix('V')) == Some(version)
    })
}

/// Recognizes `beforeMigrate.sql`, `afterEachMigrate__views.sql`.
pub(super) fn is_callback(name: &str) -> bool {
    const EVENTS: [&str; 9] = [
        "Migrate",
        "Each",
        "Validate",
        "Baseline",
        "Repair",
        "Clean",
        "Info",
        "Undo",
        "Versioned",
    ];
    let event = name
        .strip_prefix("before")
        .or_else(|| name.strip_prefix("after"));
    let is_event = event.is_some_and(|event| EVENTS.iter().any(|known| event.starts_with(known)));
    without_sql(name).is_some() && (is_event || name.starts_with("createSchema"))
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_found_by_the_names() {
        let goose = "-- +goose Up\nSELECT 1;\n";
        let cases: [(&[(&str, &str)], Format); 24] = [
            (
                &[("0001__a.sql", ""), ("0001__a.rollback.sql", "")],
                Format::Own,
            ),
            (&[("V100a__a.sql", "")], Format::Own),
            (&[], Format::Own),
            (&[("1_a.sql", ""), ("0002_b.up.sql", "")], Format::Sqlx),
            (&[("00001_a.sql", goose)], Format::Goose),
            (&[("V1__a.sql", ""), ("V2__b.sql", "")], Format::Refinery),
            (&[("V1__a.sql", ""), ("U2__b.sql", "")], Format::Refinery),
            (&[("V1__a.sql", ""), ("U1__a.sql", "")], Format::Flyway),
            (
                &[("V1__a.sql", "CREATE INDEX CONCURRENTLY a ON b (c);")],
                Format::Flyway,
            ),
            (
                &[(
                    "V1__a.sql",
                    "SELECT 1; CREATE INDEX CONCURRENTLY a ON b (c);",
                )],
                Format::Refinery,
            ),
            (&[("V1.1__a.sql", "")], Format::Flyway),
            (&[("V1_1__a.sql", "")], Format::Flyway),
            (&[("V1.sql", "")], Format::Flyway),
            (&[("V1__a.SQL", "")], Format::Flyway),
            (&[("1_a.sql", "\u{feff}-- +goose Up\n")], Format::Goose),
            (&[("1_a.sql", "--+goose Down\n")], Format::Goose),
            (&[("V1__a.sql", ""), ("R__b.sql", "")], Format::Flyway),
            (&[("2024-01-01-000000_a/up.sql", "")], Format::Diesel),
            (&[("1_a.sql", "-- migrate:up\n")], Format::Dbmate),
            (&[("1-a.sql", "-- migrate:up\n")], Format::Dbmate),
            (&[("1_a.sql", ""), ("atlas.sum", "")], Format::Atlas),
            (&[("1.sql", ""), ("atlas.sum", "")], Format::Atlas),
            (&[("1_a.up.sql", ""), ("atlas.sum", "")], Format::Sqlx),
            (
                &[("V1__a.sql", ""), ("V2__b.sql", ""), ("atlas.sum", "")],
                Format::Refinery,
            ),
        ];
        for (files, expected) in cases {
            let files: Vec<(&'static str, &'static str)> = files.to_vec();
            assert_eq!(Format::find(&files), Ok(expected), "{files:?}");
        }
    }

    #[test]
    fn a_mixture_names_two_files() {
        let (index, message) =
            Format::find(&[("0001__a.sql", ""), ("x.sql", ""), ("0002_b.sql", "")]).unwrap_err();
        assert_eq!(index, 2);
        assert!(message.contains("`0001__a.sql`"), "{message}");
    }

    #[test]
    fn names_with_a_direction_alone_fit_two_tools() {
        for (files, expected) in [
            (&[("1_a.up.sql", ""), ("1_a.down.sql", "")][..], true),
            (&[("1_a.up.sql", ""), ("2_b.sql", "")], false),
            (&[("1_a.sql", "")], false),
        ] {
            let format = Format::find(files).unwrap();
            assert_eq!(fits_two(format, files), expected, "{files:?}");
        }
    }
}
