//! Near misses: the key, id or name that was probably meant.
//!
//! `flamingock-macros` has the same two functions. A macro crate can export only macros, and cannot
//! depend on the crate that uses it; and a published package contains only its own files. A test
//! compares the two copies.

/// The candidate closest to `word`, if it is close enough to be a slip of the finger.
pub(crate) fn near_miss<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let (distance, best) = candidates
        .iter()
        .map(|candidate| (distance(&word.to_lowercase(), candidate), *candidate))
        .min()?;
    // A third of the letters may be wrong, or one of a very short word.
    (distance <= (word.chars().count() / 3).max(1)).then_some(best)
}

/// How many letters must be inserted, deleted, replaced or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let mut cost = (last[j] + usize::from(l != r))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && left[i - 1] == *r && right[j - 1] == *l {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(left.len())
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
