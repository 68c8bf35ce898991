//! dbmate's marks: comments that separate the part of a file that is applied from the part that
//! reverts it.

use super::comment::comment;
use super::goose::Part;
use super::mistake::Mistake;
use super::role::{Kind, Name, Role};

/// The parts of a file, by its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) up: Part<'static>,
    pub(super) transaction: bool,
    pub(super) down: Part<'static>,
    pub(super) down_transaction: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// A mark with the options after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark<'a> {
    direction: Direction,
    options: &'a str,
}

/// Parses a line by dbmate's rule: `--` at its beginning, blanks, and the mark.
fn mark(line: &str) -> Option<Mark<'_>> {
    let words = line.strip_prefix("--")?.trim_start();
    let words = words.strip_prefix("migrate:")?;
    let (direction, options) = if let Some(options) = words.strip_prefix("up") {
        (Direction::Up, options)
    } else {
        (Direction::Down, words.strip_prefix("down")?)
    };
    let ends = options.is_empty() || options.starts_with(char::is_whitespace);
    ends.then(|| Mark {
        direction,
        options: options.trim(),
    })
}

/// Reports whether the file has marks of dbmate.
pub(super) fn is_marked(text: &str) -> bool {
    without_mark(text).lines().any(|line| mark(line).is_some())
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns whether a part runs in a transaction, by the options of its mark.
fn transaction(options: &str) -> Result<bool, String> {
    let mut transaction = true;
    for option in options.split_whitespace() {
        match option {
            "transaction:true" => transaction = true,
            "transaction:false" => transaction = false,
            other => {
                return Err(format!(
                    "`{other}` behind a mark of dbmate is not known: `transaction:false` is, and dbmate would pass over the rest"
                ));
            }
        }
    }
    Ok(transaction)
}

/// Splits a file. A file may have several parts to apply, each with a part that reverts it: the
/// former run in order, the latter in reverse order.
pub(super) fn parts(text: &'static str) -> Result<Parts, Mistake> {
    let mut ups: Vec<Section> = Vec::new();
    let mut downs: Vec<Section> = Vec::new();
    let text = without_mark(text);
    let mut at = 0;
    let mut last = None;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let start = at;
        at += line.len();
        let Some(mark) = mark(line.trim_end()) else {
            check(number, line, last.is_some())?;
            continue;
        };
        let wrong = |message: &str| Err((number, message.to_owned()));
        if mark.direction == Direction::Down {
            match last {
                None => return wrong("`-- migrate:down` stands behind `-- migrate:up`"),
                Some(Direction::Down) => {
                    return wrong("each `-- migrate:down` has its own `-- migrate:up`");
                }
                Some(Direction::Up) => {}
            }
        } else if last == Some(Direction::Up) {
            return wrong("the `-- migrate:up` before it has no `-- migrate:down`");
        }
        if let Some(section) = ups
            .iter_mut()
            .chain(&mut downs)
            .max_by_key(|section| section.start)
        {
            section.end = start;
        }
        let transaction = transaction(mark.options).map_err(|message| (number, message))?;
        let section = Section {
            line: number + 1,
            start: at,
            end: text.len(),
            transaction,
        };
        match mark.direction {
            Direction::Up => ups.push(section),
            Direction::Down => downs.push(section),
        }
        last = Some(mark.direction);
    }
    match last {
        None => {
            return Err((
                1,
                "it has no `-- migrate:up`, as the other files have".to_owned(),
            ));
        }
        Some(Direction::Up) => {
            let rule = "dbmate refuses a file without `-- migrate:down`: add it, with nothing behind it if there is nothing to revert";
            return Err((ups.last().map_or(1, |up| up.line - 1), rule.to_owned()));
        }
        Some(Direction::Down) => {}
    }
    let (up, transaction) = joined(text, &ups)?;
    downs.reverse();
    let (down, down_transaction) = joined(text, &downs)?;
    Ok(Parts {
        up,
        transaction,
        down,
        down_transaction,
    })
}

/// Checks a line that is no mark: no SQL may come before the first mark, and no comment may be a
/// misspelled mark.
fn check(number: u32, line: &str, is_inside: bool) -> Result<(), Mistake> {
    let content = line.trim();
    let comment = comment(content).map(str::to_lowercase);
    if comment
        .is_some_and(|comment| comment.contains("migrate:up") || comment.contains("migrate:down"))
    {
        return Err((
            number,
            format!(
                "`{content}` is no mark to dbmate, which reads `-- migrate:up` and `-- migrate:down` at the beginning of a line: write it so, or reword the comment"
            ),
        ));
    }
    if !is_inside && !content.is_empty() && !content.starts_with("--") {
        let rule = "dbmate refuses SQL before `-- migrate:up`";
        return Err((number, rule.to_owned()));
    }
    Ok(())
}

/// The lines between one mark and the next.
#[derive(Clone, Copy, Debug)]
struct Section {
    line: u32,
    start: usize,
    end: usize,
    transaction: bool,
}

/// Joins the sections in this order.
fn joined(text: &'static str, sections: &[Section]) -> Result<(Part<'static>, bool), Mistake> {
    let Some(first) = sections.first() else {
        return Ok((Part { line: 1, text: "" }, true));
    };
    let odd = sections
        .iter()
        .find(|section| section.transaction != first.transaction);
    if let Some(odd) = odd {
        let rule = "one part of the file runs in a transaction and another one outside of it: make them files of their own";
        return Err((odd.line - 1, rule.to_owned()));
    }
    let part = |section: &Section| &text[section.start..section.end];
    let text = match sections {
        [one] => part(one),
        several => {
            let mut joined = String::new();
            let mut line = first.line;
            for section in several {
                // Keeps the line numbers of the file in errors, if the sections are in its order.
                while line < section.line {
                    joined.push('\n');
                    line += 1;
                }
                joined.push_str(part(section));
                line += u32::try_from(part(section).matches('\n').count()).unwrap_or_default();
            }
            joined.leak()
        }
    };
    Ok((
        Part {
            line: first.line,
            text,
        },
        first.transaction,
    ))
}

/// Parses `20240131120000_create_orders.sql`: digits, any text, and `.sql`.
pub(super) fn name(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let digits = stem.len() - stem.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let version = &stem[..digits];
    (!version.is_empty()).then(|| Name {
        key: stem.to_owned(),
        id: stem.to_owned(),
        order: version.to_owned(),
        role: Role::Both,
        kind: Kind::Sql,
        repeats: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_apart() {
        let text =
            "-- users\n-- migrate:up transaction:false\nSELECT 1;\n\n--  migrate:down\nSELECT 2;\n";
        let parts = parts(text).unwrap();
        assert_eq!((parts.up.line, parts.up.text), (3, "SELECT 1;\n\n"));
        assert_eq!((parts.down.line, parts.down.text), (6, "SELECT 2;\n"));
        assert!(!parts.transaction && parts.down_transaction);
    }

    #[test]
    fn several_parts_run_in_their_order_and_are_reverted_in_the_reverse_order() {
        let text =
            "-- migrate:up\na;\n-- migrate:down\nb;\n-- migrate:up\nc;\n-- migrate:down\nd;\n";
        let parts = parts(text).unwrap();
        assert_eq!((parts.up.line, parts.up.text), (2, "a;\n\n\n\nc;\n"));
        assert_eq!((parts.down.line, parts.down.text), (8, "d;\nb;\n"));
    }

    #[test]
    fn each_mistake_is_reported_with_its_line() {
        for (text, line, expected) in [
            ("-- nothing\n", 1, "it has no `-- migrate:up`"),
            ("SELECT 1;\n-- migrate:up\n", 1, "refuses SQL before"),
            ("-- migrate:down\n-- migrate:up\n", 1, "stands behind"),
            ("-- migrate:up\nSELECT 1;\n", 1, "without `-- migrate:down`"),
            (
                "-- migrate:up\n  -- migrate:down\n",
                2,
                "is no mark to dbmate",
            ),
            (
                "-- migrate:up\n-- migrate:downs\n",
                2,
                "is no mark to dbmate",
            ),
            (
                "-- migrate:up\n-- migrate:down\n-- migrate:down\n",
                3,
                "has its own",
            ),
            (
                "-- migrate:up\n-- migrate:up\n-- migrate:down\n",
                2,
                "has no `-- migrate:down`",
            ),
            (
                "-- migrate:up transaction=false\n-- migrate:down\n",
                1,
                "`transaction=false` behind",
            ),
            (
                "-- migrate:up\n-- migrate:down\n-- migrate:up transaction:false\n-- migrate:down\n",
                3,
                "make them files of their own",
            ),
        ] {
            let (found, message) = parts(text).unwrap_err();
            assert_eq!(found, line, "{text}: {message}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
