//! Nouns with counts.

use std::fmt::Display;

/// Returns the count with its noun: "1 change", "2 changes".
pub(crate) fn plural<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn only_one_is_singular() {
        let counted = [0_usize, 1, 2].map(|count| plural(count, "change"));
        assert_eq!(counted, ["0 changes", "1 change", "2 changes"]);
    }
}
