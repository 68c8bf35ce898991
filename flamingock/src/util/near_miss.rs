//! Near misses: the key, id or name that was probably meant.
//!
//! `flamingock-macros` has the same function: a crate of macros can export only macros, and cannot
//! depend on the crate that uses it.

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

/// Returns a suggestion to append to an error message, such as `. Did you mean "create-users"?`, or
/// an empty text.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    near_miss(word, &candidates)
        .map_or_else(String::new, |meant| format!(". Did you mean {meant:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slips_are_suggested() {
        let keys = ["id", "order", "author", "stage", "timeout"];
        for (word, expected) in [
            ("auther", Some("author")),
            ("Order", Some("order")),
            ("timeuot", Some("timeout")),
            ("run_always", None),
        ] {
            assert_eq!(near_miss(word, &keys), expected, "{word}");
        }
        assert_eq!(near_miss("id", &[]), None);
        assert_eq!(did_you_mean("auther", keys), ". Did you mean \"author\"?");
        assert_eq!(did_you_mean("run_always", keys), "");
    }
}
