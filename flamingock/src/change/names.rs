//! The rules for the names of services, stages, target systems, changes and authors.
//!
//! The names appear in tables, logs, commands and the manifest, which has one line for each change.

use crate::util::visible::is_invisible;

/// The maximum length of a name in characters: what fits into a MySQL index next to the service.
pub(crate) const LONGEST_NAME: usize = 190;

/// How many characters of a name that is too long are shown.
const SHOWN: usize = 40;

/// Returns the problem with a name, if there is one. `what` says what the name is for.
pub(crate) fn problem(what: &str, name: &str) -> Option<String> {
    let long = name.len() > LONGEST_NAME && name.chars().count() > LONGEST_NAME;
    if long {
        let beginning: String = name.chars().take(SHOWN).collect();
        return Some(format!(
            "{what} {beginning:?}.. is longer than {LONGEST_NAME} characters: use a shorter one"
        ));
    }
    (!fits(name)).then(|| {
        format!(
            "{what} {name:?}: use 1 to {LONGEST_NAME} visible characters, with no blank at either end"
        )
    })
}

/// Returns the problem with an author's name, which is in no index and so may have any length.
pub(crate) fn problem_of_author(name: &str) -> Option<String> {
    (!fits(name))
        .then(|| format!("author {name:?}: use visible characters, with no blank at either end"))
}

fn fits(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.chars().any(is_invisible)
}

/// Returns the problem with the name of a stage or target system, which the manifest writes without
/// quotes.
pub(crate) fn problem_in_manifest(what: &str, name: &str) -> Option<String> {
    problem(what, name).or_else(|| {
        if name.starts_with('#') {
            Some(format!(
                "{what} {name:?}: a name that begins with `#` would be a comment in the manifest: use another first character"
            ))
        } else if name.contains('"') {
            Some(format!(
                "{what} {name:?}: the manifest keeps `\"` for ids: use another character"
            ))
        } else {
            None
        }
    })
}

/// The name of the target system, the stage and the service if none is set.
pub(crate) const DEFAULT: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_visible_bounded_and_without_blanks_at_their_ends() {
        let longest = "é".repeat(LONGEST_NAME);
        for good in [
            "orders",
            "the last stage",
            "a#b",
            "a/b:c=d",
            "日本",
            longest.as_str(),
        ] {
            assert_eq!(problem_in_manifest("stage", good), None, "{good}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        for bad in [
            "",
            " ",
            "a ",
            " a",
            "a\u{a0}",
            "a\nb",
            "a\0",
            "a\u{1b}[2K",
            "a\u{9b}",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{2028}b",
            long.as_str(),
        ] {
            let message = problem("service", bad).unwrap();
            assert!(!message.chars().any(is_invisible), "{message:?}");
            assert!(message.len() < 400, "{message}");
        }
        assert_eq!(problem_of_author(&long), None);
        assert!(problem_of_author("a\u{202e}").is_some());
        assert_eq!(problem("id", "#1 \"x\""), None);
        assert!(problem_in_manifest("stage", "#..").is_some());
        assert!(problem_in_manifest("target", "a \"b").is_some());
    }
}
