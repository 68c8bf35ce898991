//! The near miss: the name that was probably meant.
//!
//! `flamingock` has the same two functions. A crate of macros can neither export functions nor
//! import from the crate that uses it, and a published package has its own files only. A test
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        for (left, right, expected) in [
            ("", "", 0),
            ("id", "id", 0),
            ("auther", "author", 1),
            ("oder", "order", 1),
            ("orrder", "order", 1),
            ("odrer", "order", 1),
            ("", "tags", 4),
            ("tags", "", 4),
            ("stage", "target", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} / {right}");
        }
    }

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
