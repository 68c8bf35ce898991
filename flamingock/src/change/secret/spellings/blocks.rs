//! Encodings of bytes in which the characters of the value are not visible.

/// An encoded value.
pub(super) struct Block {
    pub(super) text: String,
    /// Whether it is cut from a longer encoding: the letters next to it then also encode a part of
    /// the value.
    pub(super) is_part: bool,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns the value in base64, for each offset at which it can begin in the encoded bytes (as in
/// `user:password`), and its bytes as numbers.
pub(super) fn blocks(value: &[u8]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for alphabet in [STANDARD, URL] {
        for before in 0..3 {
            let text = base64_part(value, before, alphabet);
            if !blocks.iter().any(|known| known.text == text) {
                blocks.push(Block {
                    text,
                    is_part: true,
                });
            }
        }
    }
    let list = |separator: &str, number: fn(u8) -> String| {
        let numbers: Vec<String> = value.iter().map(|byte| number(*byte)).collect();
        Block {
            text: numbers.join(separator),
            is_part: false,
        }
    };
    let lower = |byte| format!("{byte:02x}");
    let upper = |byte| format!("{byte:02X}");
    for separator in ["", ":", " "] {
        blocks.push(list(separator, lower));
        blocks.push(list(separator, upper));
    }
    blocks.push(list(", ", |byte| format!("0x{byte:02x}")));
    blocks.push(list(", ", |byte| byte.to_string()));
    blocks.push(list(",", |byte| byte.to_string()));
    blocks
}

/// Returns the base64 letters that these bytes alone determine, after `before` unknown bytes.
fn base64_part(value: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let bytes = std::iter::repeat_n(0, before).chain(value.iter().copied());
    let bits: Vec<u8> = bytes
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let letters = bits.chunks_exact(6).map(|six| {
        let index = six
            .iter()
            .fold(0, |index, bit| index << 1 | usize::from(*bit));
        char::from(alphabet[index])
    });
    letters.skip((before * 8).div_ceil(6)).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn a_part_of_base64_is_what_the_value_decides() {
        // "hunter2!" alone, and after one, two and five bytes.
        for (before, whole) in [
            (0, "aHVudGVyMiE="),
            (1, "Omh1bnRlcjIh"),
            (2, "YTpodW50ZXIyIQ=="),
        ] {
            let part = base64_part(b"hunter2!", before, STANDARD);
            assert!(
                whole.contains(&part) && part.len() >= 9,
                "{part} of {whole}"
            );
        }
        let texts: String = blocks(b"ab")
            .into_iter()
            .fold(String::new(), |mut all, block| {
                let _ = write!(all, "{};", block.text);
                all
            });
        assert!(
            texts.contains("6162;") && texts.contains("97, 98;"),
            "{texts}"
        );
    }
}
