//! Parsing the name of a file in each format: the change it belongs to, its order and its role.

use super::format::Format;
use super::{atlas, dbmate, golang};
use crate::source::files::role::{Kind, Name, Role, direction, order, without_sql};

/// Parses the path of a file. Returns `None` if it does not fit the format.
pub(super) fn read(format: Format, path: &str) -> Option<Name> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match format {
        Format::Own => own(file),
        Format::Sqlx if folder.is_empty() => sqlx(file),
        Format::Goose if folder.is_empty() => goose(file),
        Format::Dbmate if folder.is_empty() => dbmate::name(file),
        Format::GolangMigrate if folder.is_empty() => golang::name(file),
        Format::Atlas if folder.is_empty() => atlas::name(file),
        // These tools read no subfolders.
        Format::Sqlx | Format::Goose | Format::Dbmate | Format::GolangMigrate | Format::Atlas => {
            None
        }
        Format::Refinery => refinery(file),
        Format::Diesel => diesel(folder, file),
        Format::Flyway => flyway(file),
    }
}

fn own(file: &str) -> Option<Name> {
    let (kind, stem) = Kind::of(file)?;
    let (stem, role) = match stem.strip_suffix(".rollback") {
        Some(stem) => (stem, Role::Rollback),
        None => (stem, Role::Apply),
    };
    let (order, id) = stem.split_once("__")?;
    let fits = !order.is_empty() && !id.is_empty();
    fits.then(|| Name {
        key: stem.to_owned(),
        id: id.to_owned(),
        order: order.to_owned(),
        role,
        kind,
        repeats: false,
    })
}

fn sqlx(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let (stem, role) = direction(stem).unwrap_or((stem, Role::Apply));
    // Up and down files belong together by their version, whatever their descriptions are.
    let (version, _) = stem.split_once('_')?;
    Some(Name {
        key: version.trim_start_matches('0').to_owned(),
        ..numbered(stem, role)?
    })
}

fn goose(file: &str) -> Option<Name> {
    numbered(file.strip_suffix(".sql")?, Role::Both)
}

/// Parses `0003_create_orders`.
fn numbered(stem: &str, role: Role) -> Option<Name> {
    let (version, _) = stem.split_once('_')?;
    Some(Name {
        key: stem.to_owned(),
        id: stem.to_owned(),
        order: order(version)?,
        role,
        kind: Kind::Sql,
        repeats: false,
    })
}

fn refinery(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let (prefix, name) = stem.split_once("__")?;
    let version = prefix.strip_prefix(['V', 'U'])?;
    (!name.is_empty()).then_some(())?;
    Some(Name {
        key: stem.to_owned(),
        id: stem.to_owned(),
        order: order(version)?,
        role: Role::Apply,
        kind: Kind::Sql,
        repeats: false,
    })
}

fn diesel(folder: &str, file: &str) -> Option<Name> {
    let role = match file {
        "up.sql" => Role::Apply,
        "down.sql" => Role::Rollback,
        "metadata.toml" => Role::Settings,
        _ => return None,
    };
    // The version is the part before the first `_`, without dashes.
    let (version, _) = folder.split_once('_').unwrap_or((folder, ""));
    let version = version.replace('-', "");
    let is_version =
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_version && !folder.contains('/')).then_some(())?;
    Some(Name {
        key: folder.to_owned(),
        id: folder.to_owned(),
        order: version,
        role,
        kind: Kind::Sql,
        repeats: false,
    })
}

fn flyway(file: &str) -> Option<Name> {
    let (file, is_settings) = match file.strip_suffix(".conf") {
        Some(file) => (file, true),
        None => (file, false),
    };
    let stem = without_sql(file)?;
    let (prefix, description) = stem.split_once("__").unwrap_or((stem, ""));
    let name = |key: String, order: String, role, repeats| Name {
        key,
        id: stem.to_owned(),
        order,
        role: if is_settings { Role::Settings } else { role },
        kind: Kind::Sql,
        repeats,
    };
    if prefix == "R" {
        (!description.is_empty()).then_some(())?;
        // Repeatable files run in the order of their names.
        let order: String = stem
            .chars()
            .map(|c| match c {
                c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') => c,
                _ => '-',
            })
            .collect();
        return Some(name(stem.to_owned(), order, Role::Apply, true));
    }
    let (letter, version) = prefix.split_at_checked(1)?;
    let order = order(version)?;
    match letter {
        // The file that reverts belongs to the version, whatever its description is.
        "V" => Some(name(order.clone(), order, Role::Apply, false)),
        "U" => Some(name(order.clone(), order, Role::Rollback, false)),
        _ => None,
    }
}

/// Returns the order of a version that its tool compares as text: `20240103000000` comes before
/// `202401030000000001`, and both before `20240201000000`. Orders compare digits as numbers, so the
/// characters beyond the length of the folder's shortest version are compared one by one.
pub(super) fn text_order(version: &str, shortest: usize) -> String {
    let (head, rest) = version.split_at(shortest.min(version.len()));
    let is_number = head.bytes().all(|byte| byte.is_ascii_digit());
    let (head, rest) = if is_number {
        (format!("{head:0>3}"), rest)
    } else {
        ("text".to_owned(), version)
    };
    rest.chars().fold(head, |mut order, character| {
        order.push('.');
        order.push(character);
        order
    })
}

/// Returns the order for a tool that sorts the names of its files: `10_b.sql` comes before
/// `1_a.sql`, and `1.sql` before both.
pub(super) fn file_order(name: &Name, shortest: usize, longest: usize) -> String {
    let version = name.order.as_str();
    let order = text_order(version, shortest);
    let next = name
        .id
        .strip_prefix(version)
        .and_then(|rest| rest.chars().next());
    match next {
        Some(next) if version.len() < longest && next > '9' => format!("{order}.end"),
        _ => order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_id_order_and_role() {
        use Role::{Apply, Both, Rollback, Settings};
        let cases = [
            (
                Format::Own,
                "0003__create_orders.sql",
                "create_orders",
                "0003",
                Apply,
            ),
            (
                Format::Own,
                "0003__create_orders.rollback.sql",
                "create_orders",
                "0003",
                Rollback,
            ),
            (
                Format::Own,
                "billing/2024-01__a__b.sql",
                "a__b",
                "2024-01",
                Apply,
            ),
            (
                Format::Sqlx,
                "1_create_users.sql",
                "1_create_users",
                "001",
                Apply,
            ),
            (
                Format::Sqlx,
                "20240101_a.up.sql",
                "20240101_a",
                "20240101",
                Apply,
            ),
            (
                Format::Sqlx,
                "20240101_a.down.sql",
                "20240101_a",
                "20240101",
                Rollback,
            ),
            (Format::Refinery, "V1__a.sql", "V1__a", "001", Apply),
            (Format::Refinery, "U12__a.sql", "U12__a", "012", Apply),
            (
                Format::Diesel,
                "2024-01-01-000000_a/up.sql",
                "2024-01-01-000000_a",
                "20240101000000",
                Apply,
            ),
            (
                Format::Diesel,
                "2024-01-01-000000/down.sql",
                "2024-01-01-000000",
                "20240101000000",
                Rollback,
            ),
            (
                Format::Diesel,
                "2024-01-01-000000_a/metadata.toml",
                "2024-01-01-000000_a",
                "20240101000000",
                Settings,
            ),
            (Format::Goose, "00001_a.sql", "00001_a", "00001", Both),
            (Format::Flyway, "V1__a.sql", "V1__a", "001", Apply),
            (
                Format::Flyway,
                "V1.10.0__a.sql",
                "V1.10.0__a",
                "1.10",
                Apply,
            ),
            (Format::Flyway, "V1_1__a.SQL", "V1_1__a", "01.1", Apply),
            (Format::Flyway, "V2.sql", "V2", "002", Apply),
            (Format::Flyway, "V2__.sql", "V2__", "002", Apply),
            (Format::Flyway, "U1__b.sql", "U1__b", "001", Rollback),
            (
                Format::Flyway,
                "R__orders view.sql",
                "R__orders view",
                "R__orders-view",
                Apply,
            ),
            (Format::Flyway, "V1__a.sql.conf", "V1__a", "001", Settings),
            (
                Format::Dbmate,
                "20240101_a.sql",
                "20240101_a",
                "20240101",
                Both,
            ),
            (Format::Dbmate, "001-a.sql", "001-a", "001", Both),
            (Format::GolangMigrate, "1_a.up.sql", "1_a", "001", Apply),
            (
                Format::GolangMigrate,
                "0001_.down.sql",
                "0001_",
                "0001",
                Rollback,
            ),
            (Format::Atlas, "20240101.sql", "20240101", "20240101", Apply),
        ];
        for (format, path, id, order, role) in cases {
            let name = read(format, path).unwrap();
            assert_eq!(
                (name.id.as_str(), name.order.as_str(), name.role),
                (id, order, role),
                "{path}"
            );
            assert_eq!(crate::change::order::problem(order), None, "{path}");
            assert_eq!(name.repeats, path.starts_with("R__"), "{path}");
        }
    }

    #[test]
    fn other_names_do_not_fit() {
        for (format, path) in [
            (Format::Own, "0001_a.sql"),
            (Format::Own, "__a.sql"),
            (Format::Own, "0001__.sql"),
            (Format::Sqlx, "old/0001_a.sql"),
            (Format::Sqlx, "seed_a.sql"),
            (Format::Refinery, "R__a.sql"),
            (Format::Refinery, "V1__.sql"),
            (Format::Diesel, "up.sql"),
            (Format::Diesel, "a/b_c/up.sql"),
            (Format::Diesel, "2024_a/other.sql"),
            (Format::Goose, "a.sql"),
            (Format::Flyway, "B1__a.sql"),
            (Format::Flyway, "R__.sql"),
            (Format::Flyway, "Vx.sql"),
            (Format::Diesel, "a b_c/up.sql"),
            (Format::Flyway, "beforeMigrate.sql"),
            (Format::Dbmate, "a.sql"),
            (Format::Dbmate, "old/1_a.sql"),
            (Format::GolangMigrate, "1_a.sql"),
            (Format::GolangMigrate, "a_1.up.sql"),
            (Format::Atlas, "a-b.sql"),
        ] {
            assert_eq!(read(format, path), None, "{path}");
        }
    }

    #[test]
    fn diesel_versions_run_in_the_order_of_their_texts() {
        let folders: [&[&str]; 4] = [
            &[
                "20240102000000",
                "202401030000000000",
                "202401030000000001",
                "20240201000000",
            ],
            &["1", "10", "101", "2", "20", "3"],
            &["001", "002", "010"],
            &["2024a", "2024b", "a", "a1", "a10", "a2"],
        ];
        for versions in folders {
            let shortest = versions.iter().map(|version| version.len()).min().unwrap();
            let orders: Vec<String> = versions
                .iter()
                .map(|version| text_order(version, shortest))
                .collect();
            for order in &orders {
                assert_eq!(crate::change::order::problem(order), None, "{order}");
            }
            for pair in orders.windows(2) {
                let ordering = crate::change::order::compare(&pair[0], &pair[1]);
                assert_eq!(ordering, std::cmp::Ordering::Less, "{pair:?}");
            }
        }
    }

    #[test]
    fn files_run_in_the_order_of_their_names() {
        let folders: [&[&str]; 3] = [
            &["001_a", "002_b", "010_c"],
            &["10_b", "1_a", "20_d", "2_c"],
            &["1", "10", "2"],
        ];
        for names in folders {
            let names: Vec<Name> = names
                .iter()
                .map(|name| read(Format::Dbmate, &format!("{name}.sql")).unwrap())
                .collect();
            let lengths = || names.iter().map(|name| name.order.len());
            let (shortest, longest) = (lengths().min().unwrap(), lengths().max().unwrap());
            let orders: Vec<String> = names
                .iter()
                .map(|name| file_order(name, shortest, longest))
                .collect();
            for order in &orders {
                assert_eq!(crate::change::order::problem(order), None, "{order}");
            }
            for pair in orders.windows(2) {
                let ordering = crate::change::order::compare(&pair[0], &pair[1]);
                assert_eq!(ordering, std::cmp::Ordering::Less, "{pair:?}");
            }
        }
    }

    #[test]
    fn what_belongs_together_has_one_key() {
        for (format, one, other) in [
            (Format::Own, "0003__a.sql", "0003__a.rollback.sql"),
            (Format::Sqlx, "1_a.up.sql", "0001_drop_a.down.sql"),
            (Format::Diesel, "1_a/up.sql", "1_a/down.sql"),
            (Format::Flyway, "V1.0__a.sql", "U1__undo_a.sql"),
            (Format::Flyway, "V1__a.sql", "V1__a.sql.conf"),
            (Format::GolangMigrate, "1_a.up.sql", "01_b.down.sql"),
        ] {
            let key = |path| read(format, path).unwrap().key;
            assert_eq!(key(one), key(other), "{one} {other}");
        }
    }
}
