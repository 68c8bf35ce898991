//! The comparable part of a database dump.

/// The lines of a dump that describe the database, with values that differ between runs masked:
/// times, and random identifiers.
#[must_use]
pub fn said(dump: &str) -> Vec<String> {
    let lines = dump.lines().filter(|line| {
        let is_command = line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        !line.trim().is_empty() && !line.starts_with("--") && !is_command
    });
    let mut lines: Vec<String> = lines.map(masked).collect();
    // PostgreSQL stores rows in an order that depends on the ends of transactions.
    let mut from = None;
    for at in 0..lines.len() {
        match from {
            None if lines[at].starts_with("COPY ") => from = Some(at + 1),
            Some(first) if lines[at] == "\\." => {
                lines[first..at].sort();
                from = None;
            }
            _ => {}
        }
    }
    lines
}

fn masked(line: &str) -> String {
    const TIME: &[u8] = b"dddd-dd-dd?dd:dd:dd";
    const IDENTIFIER: &[u8] = b"hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    let bytes = line.as_bytes();
    let mut masked = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if is_like(rest, TIME) {
            masked.extend(b"<time>");
            at += TIME.len();
            let fraction = bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
            at += fraction.count();
        } else if is_like(rest, IDENTIFIER) {
            masked.extend(b"<identifier>");
            at += IDENTIFIER.len();
        } else {
            masked.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Whether a text begins with a pattern: `d` is a digit, `h` a hexadecimal one, `?` anything.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    text.len() >= pattern.len()
        && text
            .iter()
            .zip(pattern)
            .all(|(byte, expected)| match expected {
                b'd' => byte.is_ascii_digit(),
                b'h' => byte.is_ascii_hexdigit(),
                b'?' => true,
                expected => byte == expected,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_postgres_are_sorted() {
        let dump = "b\na\nCOPY t (x) FROM stdin;\n2\n1\n\\.\nd\nc\n";
        let expected = [
            "b",
            "a",
            "COPY t (x) FROM stdin;",
            "1",
            "2",
            "\\.",
            "d",
            "c",
        ];
        assert_eq!(said(dump), expected);
    }

    #[test]
    fn times_and_identifiers_are_masked() {
        let dump = "-- a\n\nINSERT '2020-01-02 03:04:05.678+00', 'a-1', 'é 550e8400-e29b-41d4-a716-446655440000';\n";
        assert_eq!(said(dump), ["INSERT '<time>+00', 'a-1', 'é <identifier>';"]);
    }
}
