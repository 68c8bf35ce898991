//! Recognizing SQL files that a folder's tool ignores because of their names.

use super::format::{self, Format};
use super::role::{has_direction, without_sql};

/// Reports whether the tool ignores a file because of its name. A file that the tool would run or
/// refuse is not ignored.
pub(super) fn over(format: Format, file: &str) -> bool {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    if without_sql(name).is_none() {
        return false;
    }
    let is_in_folder = !folder.is_empty();
    let begins_with_a_number = name.starts_with(|c: char| c.is_ascii_digit());
    match format {
        Format::Own => false,
        Format::Sqlx => is_in_folder || !name.contains('_') || !name.ends_with(".sql"),
        // They refuse files without a version.
        Format::Goose | Format::Atlas => is_in_folder,
        Format::Dbmate => is_in_folder || !begins_with_a_number || !name.ends_with(".sql"),
        Format::GolangMigrate => {
            is_in_folder || !begins_with_a_number || !name.contains('_') || !has_direction(name)
        }
        Format::Diesel => !is_in_folder || !matches!(name, "up.sql" | "down.sql"),
        Format::Flyway | Format::Refinery => {
            let rest = name.strip_prefix(['V', 'U', 'B']).unwrap_or_default();
            let has_version = rest.starts_with(|c: char| c.is_ascii_digit());
            !has_version && !name.starts_with("R__") && !format::is_callback(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tool_would_run_or_refuse_is_not_passed_over() {
        for (format, passed, not) in [
            (Format::Own, &[][..], &["seed.sql", "old/1_a.sql"][..]),
            (
                Format::Sqlx,
                &["old/1_a.sql", "seed.sql", "1_a.SQL"],
                &["seed_a.sql", "1_a.yaml"],
            ),
            (Format::Goose, &["old/1_a.sql"], &["seed.sql"]),
            (Format::Atlas, &["old/1_a.sql"], &["seed.sql"]),
            (
                Format::Dbmate,
                &["old/1_a.sql", "seed.sql", "1_a.SQL"],
                &["1a.sql", "a.toml"],
            ),
            (
                Format::GolangMigrate,
                &["old/1_a.up.sql", "1_a.sql", "1.up.sql", "a.up.sql"],
                &["1_a.up.SQL"],
            ),
            (
                Format::Diesel,
                &["seed.sql", "1_a/data.sql", "a/1_a/data.sql"],
                &["a/1_a/up.sql", "1_a/data.toml"],
            ),
            (
                Format::Flyway,
                &["seed.sql", "NTV1__a.sql", "old/x.sql"],
                &["V1_a.sql", "B1__a.sql", "R__.sql", "beforeMigrate.sql"],
            ),
            (Format::Refinery, &["seed.sql"], &["V1_a.sql", "U1.sql"]),
        ] {
            for file in passed {
                assert!(over(format, file), "{format:?}: {file}");
            }
            for file in not {
                assert!(!over(format, file), "{format:?}: {file}");
            }
        }
    }
}
