//! Shortening a statement for an error.

/// The maximum number of characters.
const LIMIT: usize = 80;

/// Returns the beginning of a statement in one line. Each run of blanks becomes a single one, and
/// everything after 80 characters is replaced by `...`.
pub fn shorten(statement: &str) -> String {
    let mut short = String::new();
    let mut count = 0;
    let mut blank = false;
    for c in statement.chars() {
        if c.is_whitespace() || c.is_control() {
            blank = count > 0;
            continue;
        }
        if count + usize::from(blank) >= LIMIT {
            short.push_str("...");
            break;
        }
        if blank {
            short.push(' ');
            count += 1;
            blank = false;
        }
        short.push(c);
        count += 1;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_statement_is_shown_on_one_line_and_cut() {
        let long = "x".repeat(81);
        let full = "x".repeat(80);
        let cases = [
            ("", String::new()),
            ("  SELECT\n\t1 ", "SELECT 1".to_owned()),
            ("SELECT\r\n'\0'", "SELECT ' '".to_owned()),
            (full.as_str(), full.clone()),
            (long.as_str(), format!("{full}...")),
            ("ä ö", "ä ö".to_owned()),
        ];
        for (statement, expected) in cases {
            assert_eq!(shorten(statement), expected, "{statement:?}");
        }
    }

    #[test]
    fn a_blank_that_would_be_the_last_character_is_left_out() {
        let statement = format!("{} y", "x".repeat(79));
        assert_eq!(shorten(&statement), format!("{}...", "x".repeat(79)));
    }
}
