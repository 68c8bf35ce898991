//! goose's annotations: comments that separate the parts of a file.

use super::mistake::Mistake;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The line on which it begins.
    pub(super) line: u32,
    pub(super) text: &'a str,
}

/// The parts of a file, by its annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) up: Part<'a>,
    pub(super) down: Option<Part<'a>>,
    pub(super) transaction: bool,
}

/// Parses a line by the rules of goose's parser: a `--` comment that contains `+goose` is an
/// annotation, in any case. An unknown one is refused.
fn annotation(line: &str) -> Option<Result<String, &'static str>> {
    let line = line.trim_end_matches(['\n', '\r']);
    if !line.trim_start().starts_with("--") || !line.contains("+goose") {
        return None;
    }
    if line.starts_with([' ', '\t']) {
        return Some(Err(
            "goose refuses an annotation behind blanks: move it to the beginning of the line",
        ));
    }
    let words = line.replace("--", "").replacen("+goose", "", 1);
    if words.contains("+goose") {
        return Some(Err("goose reads one annotation a line"));
    }
    Some(Ok(words.trim().to_lowercase()))
}

/// Removes the byte-order mark that some editors write.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Reports whether the file has annotations of goose.
pub(super) fn is_annotated(text: &str) -> bool {
    without_mark(text)
        .lines()
        .any(|line| annotation(line).is_some())
}

/// Splits a file by its annotations.
pub(super) fn parts(text: &str) -> Result<Parts<'_>, Mistake> {
    let mut up: Option<(u32, usize)> = None;
    let mut down: Option<(u32, usize, usize)> = None;
    let mut transaction = true;
    let text = without_mark(text);
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let start = at;
        at += line.len();
        let Some(read) = annotation(line) else {
            let content = line.trim();
            if up.is_none() && !content.is_empty() && !content.starts_with("--") {
                return Err((
                    number,
                    "there is SQL before `-- +goose Up`, which nobody would run".to_owned(),
                ));
            }
            continue;
        };
        let mistake = |message: &str| Err((number, message.to_owned()));
        let words = match read {
            Ok(words) => words,
            Err(message) => return mistake(message),
        };
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
