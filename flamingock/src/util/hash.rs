//! Hashes that are the same on every machine and in every version.

/// FNV-1a with 128 bits. It detects accidental differences, but does not protect against
/// intentional ones.
#[derive(Clone, Debug)]
pub(crate) struct Digest(u128);

impl Digest {
    pub(crate) fn new() -> Digest {
        Digest(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Adds a text with its length, so that adjacent texts cannot be confused.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u128::from(*byte);
            self.0 = self
                .0
                .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    pub(crate) fn finish(&self) -> String {
        format!("v1:{:032x}", self.0)
    }
}

/// A hash for thousands of short texts, which every run computes: it processes eight bytes at a
/// time.
#[derive(Clone, Debug)]
pub(crate) struct Summary(u128);

/// Odd, so that different states stay different, and dense, so that each bit affects many others.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

impl Summary {
    pub(crate) fn new() -> Summary {
        Summary(SPREAD)
    }

    /// Adds a text with its length, so that adjacent texts cannot be confused.
    pub(crate) fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        let (words, rest) = text.as_bytes().as_chunks();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn word(&mut self, word: u64) {
        let product = (self.0 ^ u128::from(word)).wrapping_mul(SPREAD);
        // A product only carries to higher bits.
        self.0 = product ^ (product >> 64);
    }

    pub(crate) fn finish(&self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn summary(texts: &[&str]) -> String {
        let mut summary = Summary::new();
        for text in texts {
            summary.text(text);
        }
        summary.finish()
    }

    #[test]
    fn a_summary_is_stable() {
        // Versions of a program that run at the same time compare this value.
        assert_eq!(
            summary(&["schema", "0001", "create-orders"]),
            "f33a496e26a85ea0b3c7bfe673e56615"
        );
    }

    #[test]
    fn whatever_differs_gives_another_summary() {
        let long = "a text of more than eight bytes";
        let cases: [&[&str]; 9] = [
            &[],
            &[""],
            &["", ""],
            &["ab", "c"],
            &["a", "bc"],
            &["c", "ab"],
            &["ab\0", "c"],
            &[long],
            &[&long[1..]],
        ];
        let mut seen = HashSet::new();
        for texts in cases {
            assert!(seen.insert(summary(texts)), "{texts:?}");
        }
        // One byte at each place, and the same byte at two places.
        for place in 0..long.len() {
            let mut bytes = long.as_bytes().to_vec();
            bytes[place] ^= 1;
            let one = String::from_utf8(bytes.clone()).unwrap();
            assert!(seen.insert(summary(&[&one])), "{one}");
            for other in place + 1..long.len() {
                let mut bytes = bytes.clone();
                bytes[other] ^= 1;
                let two = String::from_utf8(bytes).unwrap();
                assert!(seen.insert(summary(&[&two])), "{two}");
            }
        }
    }
}
