//! The digest of a file's text.

use crate::util::hash::Digest;

/// Computes the digest of a file's text. The byte-order mark, line endings, trailing blanks and
/// trailing empty lines do not count, because editors and version control change them. A line that
/// only sets the id does not count either: with it, a renamed file keeps its identity, and is
/// otherwise unchanged.
pub(super) fn of(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim_end);
    let lines: Vec<&str> = lines.filter(|line| !names_the_id_alone(line)).collect();
    let joined = lines.join("\n");
    let mut digest = Digest::new();
    digest.text(joined.trim_end());
    digest.finish()
}

/// Recognizes `-- flamingock: id=create_orders`.
fn names_the_id_alone(line: &str) -> bool {
    let comment = line.trim_start().strip_prefix("--").map(str::trim_start);
    let keys = comment.and_then(|comment| comment.strip_prefix("flamingock:"));
    let pair = keys.and_then(|keys| keys.split_once('='));
    pair.is_some_and(|(key, value)| key.trim() == "id" && !value.contains([',', '=']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_change_does_not_count() {
        let base = of("CREATE TABLE a (\n  b int\n);\n");
        for same in [
            "CREATE TABLE a (\r\n  b int\r\n);\r\n",
            "\u{feff}CREATE TABLE a (\n  b int\n);\n",
            "CREATE TABLE a (  \n  b int\t\n);",
            "CREATE TABLE a (\n  b int\n);\n\n  \n",
            "-- flamingock: id=create_a\nCREATE TABLE a (\n  b int\n);\n",
        ] {
            assert_eq!(of(same), base, "{same:?}");
        }
        for other in [
            "CREATE TABLE a (\n b int\n);\n",
            "CREATE TABLE a (\n\n  b int\n);\n",
            "CREATE TABLE a (  b int\n);\n",
            "create table a (\n  b int\n);\n",
            "\nCREATE TABLE a (\n  b int\n);\n",
            "-- flamingock: id=a, target=b\nCREATE TABLE a (\n  b int\n);\n",
            "-- id=a\nCREATE TABLE a (\n  b int\n);\n",
        ] {
            assert_ne!(of(other), base, "{other:?}");
        }
    }

    #[test]
    fn text_is_stable() {
        // Digests are stored in audit tables and committed manifests, so this value must never
        // change.
        assert_eq!(of("SELECT 1;\n"), "v1:010a41e59291231f830053ccde5e91d4");
    }
}
