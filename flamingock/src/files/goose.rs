//! The annotations of goose: comments that say which part of a file is for what.

use super::header::Mistake;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The line that it begins on.
    pub(super) line: u32,
    pub(super) text: &'a str,
}

/// What the annotations of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) up: Part<'a>,
    pub(super) down: Option<Part<'a>>,
    pub(super) transaction: bool,
}

/// The words behind `-- +goose`, which stand on a line of their own, in any case.
fn annotation(line: &str) -> Option<String> {
    let comment = line.strip_prefix("--")?;
    let rest = comment.trim_start();
    // A blank stands between the two.
    let words = rest
        .strip_prefix("+goose")
        .filter(|_| rest.len() < comment.len())?;
    words.starts_with(|c: char| c.is_whitespace()).then(|| {
        words
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase()
    })
}

/// Whether the file has the annotation that every file of goose has.
pub(super) fn is_annotated(text: &str) -> bool {
    text.lines()
        .any(|line| annotation(line).is_some_and(|words| words == "up"))
}

/// Takes a file apart.
pub(super) fn parts(text: &str) -> Result<Parts<'_>, Mistake> {
    let mut up: Option<(u32, usize)> = None;
    let mut down: Option<(u32, usize, usize)> = None;
    let mut transaction = true;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let start = at;
        at += line.len();
        let Some(words) = annotation(line) else {
            let content = line.trim_start_matches('\u{feff}').trim();
            if up.is_none() && !content.is_empty() && !content.starts_with("--") {
                return Err((
                    number,
                    "there is SQL before `-- +goose Up`, which nobody would run".to_owned(),
                ));
            }
            continue;
        };
        let mistake = |message: &str| Err((number, message.to_owned()));
        match words.as_str() {
            "up" if up.is_some() => return mistake("a file has one `-- +goose Up`"),
            "up" => up = Some((number + 1, at)),
            "down" if up.is_none() => {
                return mistake("`-- +goose Down` stands behind `-- +goose Up`");
            }
            "down" if down.is_some() => return mistake("a file has one `-- +goose Down`"),
            "down" => down = Some((number + 1, start, at)),
            "no transaction" => transaction = false,
            "statementbegin" | "statementend" | "envsub off" => {}
            "envsub on" => {
                return mistake(
                    "`-- +goose ENVSUB` would put the environment's values into the SQL: it is not read here, and the text would be run as it is",
                );
            }
            _ => return Err((number, format!("`-- +goose {words}` is not known"))),
        }
    }
    let Some((line, start)) = up else {
        return Err((
            1,
            "it has no `-- +goose Up`, as the other files have".to_owned(),
        ));
    };
    let end = down.map_or(text.len(), |(_, before, _)| before);
    Ok(Parts {
        up: Part {
            line,
            text: &text[start..end],
        },
        down: down.map(|(line, _, start)| Part {
            line,
            text: &text[start..],
        }),
        transaction,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_apart() {
        let text = "-- users\n-- +goose NO TRANSACTION\n--  +goose up\nSELECT 1;\n-- +goose StatementBegin\nSELECT 2;\n-- +goose StatementEnd\n-- +goose Down\nSELECT 3;\n";
        let parts = parts(text).unwrap();
        assert_eq!(parts.up.line, 4);
        assert_eq!(
            parts.up.text,
            "SELECT 1;\n-- +goose StatementBegin\nSELECT 2;\n-- +goose StatementEnd\n"
        );
        assert_eq!(
            parts.down,
            Some(Part {
                line: 9,
                text: "SELECT 3;\n"
            })
        );
        assert!(!parts.transaction);
    }

    #[test]
    fn each_mistake_is_reported_with_its_line() {
        for (text, line, expected) in [
            ("SELECT 1;\n-- +goose Up\n", 1, "there is SQL before"),
            ("SELECT 1;\n", 1, "there is SQL before"),
            ("-- nothing\n", 1, "it has no `-- +goose Up`"),
            ("-- +goose Up\n-- +goose Up\n", 2, "one `-- +goose Up`"),
            ("-- +goose Down\n-- +goose Up\n", 1, "stands behind"),
            (
                "-- +goose Up\n-- +goose ENVSUB ON\n",
                2,
                "the environment's values",
            ),
            (
                "-- +goose Up\n-- +goose Sideways\n",
                2,
                "`-- +goose sideways` is not known",
            ),
        ] {
            let (found, message) = parts(text).unwrap_err();
            assert_eq!(found, line, "{text}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
