//! Atlas's directives: comments at the head of a file in its plain folder format.

use super::mistake::Mistake;
use super::role::{Kind, Name, Role};

/// The file of sums that Atlas writes next to the others.
pub(super) const SUM: &str = "atlas.sum";

/// Parses the name of a file: any `.sql` file, whose version is the part before the first `_`.
pub(super) fn name(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let version = stem.split_once('_').map_or(stem, |(version, _)| version);
    let is_version =
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_version.then(|| Name {
        key: stem.to_owned(),
        id: stem.to_owned(),
        order: version.to_owned(),
        role: Role::Apply,
        kind: Kind::Sql,
        repeats: false,
    })
}

/// Returns the name of a directive and its value.
fn directive(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if !line.starts_with(['-', '#', '/', '*']) {
        return None;
    }
    let (_, words) = line.split_once("atlas:")?;
    let words = words.trim_end_matches("*/").trim();
    Some(
        words
            .split_once(char::is_whitespace)
            .map_or((words, ""), |(name, rest)| (name, rest.trim())),
    )
}

/// Returns whether the file runs in a transaction, if its directives say so. Unsupported directives
/// that would change what the file does are mistakes.
pub(super) fn transaction(text: &str) -> Result<Option<bool>, Mistake> {
    let mut transaction = None;
    let mut is_at_head = true;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start_matches('\u{feff}');
        is_at_head &= line.starts_with("--") || line.starts_with('#');
        let Some((name, value)) = directive(line) else {
            continue;
        };
        let refused = |message: String| Err((number, message));
        match (name, value) {
            ("txmode", _) if !is_at_head => {
                return refused(
                    "`atlas:txmode` counts in the first lines of the file only: move it there"
                        .to_owned(),
                );
            }
            ("txmode", _) if transaction.is_some() => {
                return refused("`atlas:txmode` is given twice, which Atlas refuses".to_owned());
            }
            ("txmode", "none") => transaction = Some(false),
            ("txmode", "file") => transaction = Some(true),
            ("txmode", other) => {
                return refused(format!(
                    "`atlas:txmode {other}` is refused by Atlas in a file: `none` and `file` are known"
                ));
            }
            // Directives for other commands than the one that applies files.
            ("nolint" | "sum" | "import", _) => {}
            ("checkpoint", _) => {
                return refused("a checkpoint of Atlas takes the place of the files before it on an empty database, and is passed over on others: that is not known here. Remove it and keep the files; or keep it without this line, remove the files before it, and adopt where they are applied".to_owned());
            }
            ("delimiter", _) => {
                return refused("`atlas:delimiter` is not read here: write `;` behind each statement, or `DELIMITER` on MySQL and MariaDB".to_owned());
            }
            ("txtar", _) => {
                return refused("`atlas:txtar` keeps several files in one: write the part `migration.sql` as a file of its own".to_owned());
            }
            (other, _) => {
                return refused(format!(
                    "`atlas:{other}` is not known here, and would be passed over: remove it if the file means the same without it"
                ));
            }
        }
    }
    Ok(transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transaction_is_read_at_the_head() {
        for (text, expected) in [
            (
                "-- atlas:txmode none\n\nCREATE TABLE a (b int);\n",
                Some(false),
            ),
            ("-- why\n-- atlas:txmode file\n", Some(true)),
            ("-- atlas:nolint\nDROP TABLE a;\n", None),
            ("SELECT 'atlas:txmode none';\n", None),
        ] {
            assert_eq!(transaction(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn directives_that_are_not_known_are_refused_with_their_line() {
        for (text, line, expected) in [
            ("-- atlas:txmode all\n", 1, "is refused by Atlas in a file"),
            ("\nSELECT 1;\n-- atlas:txmode none\n", 3, "move it there"),
            (
                "-- atlas:txmode none\n-- atlas:txmode none\n",
                2,
                "given twice",
            ),
            (
                "-- atlas:checkpoint\n",
                1,
                "takes the place of the files before it",
            ),
            ("-- atlas:delimiter \\n\\n\n", 1, "not read here"),
            ("-- atlas:txtar\n", 1, "several files in one"),
            ("-- atlas:unheard of\n", 1, "`atlas:unheard` is not known"),
        ] {
            let (found, message) = transaction(text).unwrap_err();
            assert_eq!(found, line, "{text}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
