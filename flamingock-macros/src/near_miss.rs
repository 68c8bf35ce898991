//! Near misses: the name that was probably meant.
//!
//! `flamingock` has the same function: a crate of macros can neither export functions nor import
//! from the crate that uses it.

/// Returns the candidate closest to `word`, if a third of the letters or fewer are wrong, or one of
/// a very short word.
pub(crate) fn near_miss<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let (distance, best) = candidates
        .iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), *candidate))
        .min()?;
    (distance <= (word.chars().count() / 3).max(1)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_misses_are_suggested() {
        let keys = [
            "id",
            "order",
            "author",
            "stage",
            "timeout",
            "statement_timeout",
        ];
        for (word, expected) in [
            ("auther", Some("author")),
            ("Order", Some("order")),
            ("stag", Some("stage")),
            ("timeuot", Some("timeout")),
            ("statment_timeout", Some("statement_timeout")),
            ("ids", Some("id")),
            ("run_always", None),
            ("x", None),
        ] {
            assert_eq!(near_miss(word, &keys), expected, "{word}");
        }
        assert_eq!(near_miss("id", &[]), None);
    }
}
