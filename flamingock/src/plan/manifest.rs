//! The manifest: a committed file with one line for each change, so that review shows which changes
//! were edited, renamed, reordered or removed.

use std::fmt::Write;

use super::pipeline::Pipeline;
use crate::change::definition::Repeat;
#[cfg(feature = "cli")]
use crate::change::order;
use crate::change::problem::Problem;

const HEADER: &str = "# The changes of this application, one a line. Review every difference: an\n# applied change must not be edited, renamed, reordered or dropped.\n";

/// Writes the manifest of a pipeline.
pub(crate) fn text(pipeline: &Pipeline) -> String {
    let mut text = HEADER.to_owned();
    for change in pipeline.changes() {
        let transaction = if change.body.transaction {
            "transaction"
        } else {
            "no-transaction"
        };
        let repeat = match change.repeat {
            Repeat::Once => "",
            Repeat::OnChange => " repeat=on-change",
        };
        let _ = writeln!(
            text,
            "{} {} {:?} target={} {transaction}{repeat} {}",
            change.stage, change.order, change.id, change.target, change.digest
        );
    }
    text
}

/// Compares a pipeline with the committed manifest.
pub(crate) fn check(pipeline: &Pipeline, committed: &str) -> Result<(), Vec<Problem>> {
    compare(&text(pipeline), committed).map_err(|message| vec![Problem::general(message)])
}

/// Compares two manifests, ignoring line endings, blank lines and comments.
pub(crate) fn compare(now: &str, committed: &str) -> Result<(), String> {
    let (now, committed) = (lines(now), lines(committed));
    if now == committed {
        return Ok(());
    }
    let gone = committed
        .iter()
        .filter(|line| !now.contains(line))
        .map(|line| ("-", line));
    let new = now
        .iter()
        .filter(|line| !committed.contains(line))
        .map(|line| ("+", line));
    let differences: Vec<String> = gone
        .chain(new)
        .map(|(sign, line)| format!("\n  {sign} {line}"))
        .collect();
    let what = if differences.is_empty() {
        "\n  the same changes in another order".to_owned()
    } else {
        differences.concat()
    };
    Err(format!(
        "the changes differ from the manifest (- is the manifest, + is this binary):{what}\nIf that is meant, write the manifest anew: run the test that calls `flamingock::testing::assert_manifest` with FLAMINGOCK_UPDATE_MANIFEST=1, and commit the file"
    ))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// The line of one change.
#[cfg(feature = "cli")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The number of the line in the file, from 1.
    pub(crate) number: u32,
    pub(crate) stage: String,
    pub(crate) order: String,
    pub(crate) id: String,
    pub(crate) target: String,
    pub(crate) transaction: bool,
    pub(crate) repeat: Repeat,
    pub(crate) digest: String,
}

#[cfg(feature = "cli")]
impl Line {
    /// Parses `stage order "id" target=name transaction [repeat=on-change] digest`. Stages, ids and
    /// targets may contain blanks.
    pub(crate) fn parse(number: u32, line: &str) -> Option<Line> {
        let (before, rest) = line.split_once(" \"")?;
        let (stage, order) = before.rsplit_once(' ')?;
        let (id, rest) = quoted(rest)?;
        let (rest, digest) = rest.rsplit_once(' ')?;
        let (rest, repeat) = match rest.strip_suffix(" repeat=on-change") {
            Some(rest) => (rest, Repeat::OnChange),
            None => (rest, Repeat::Once),
        };
        let (rest, transaction) = rest.rsplit_once(' ')?;
        let target = rest.strip_prefix(" target=")?;
        let transaction = match transaction {
            "transaction" => true,
            "no-transaction" => false,
            _ => return None,
        };
        Some(Line {
            number,
            stage: stage.to_owned(),
            order: order.to_owned(),
            id,
            target: target.to_owned(),
            transaction,
            repeat,
            digest: digest.to_owned(),
        })
    }
}

/// Parses a Rust string literal after its opening quote. Returns its value and the rest of the
/// text.
#[cfg(feature = "cli")]
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut id = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((id, rest.as_str())),
            '\\' => id.push(escaped(&mut rest)?),
            plain => id.push(plain),
        }
    }
}

#[cfg(feature = "cli")]
fn escaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        'u' => {
            let (digits, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            *rest = after.chars();
            Some(character)
        }
        itself @ ('"' | '\\' | '\'') => Some(itself),
        _ => None,
    }
}

/// Adds the line of a new change where [`text`] would write it.
#[cfg(feature = "cli")]
pub(crate) fn with_line(committed: &str, line: &str) -> String {
    let mut lines: Vec<&str> = committed.lines().collect();
    let parsed = |line: &&str| Line::parse(0, line.trim());
    let at = parsed(&line).map_or(lines.len(), |new| {
        let is_of_stage = |one: &Line| one.stage == new.stage;
        let is_after = |one: &Line| {
            one.repeat == Repeat::OnChange || order::compare(&one.order, &new.order).is_gt()
        };
        let after = |one: &&str| parsed(one).is_some_and(|one| is_of_stage(&one) && is_after(&one));
        let same = |one: &&str| parsed(one).is_some_and(|one| is_of_stage(&one));
        let before = lines.iter().position(after);
        before
            .or_else(|| lines.iter().rposition(same).map(|last| last + 1))
            .unwrap_or(lines.len())
    });
    lines.insert(at, line);
    format!("{}\n", lines.join("\n"))
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn new_line_stands_where_the_manifest_would_have_it() {
        let line = |stage: &str, order: &str, rest: &str| {
            format!("{stage} {order} \"{order}\" target=default transaction{rest} v1:ab")
        };
        let committed = [
            "# changes".to_owned(),
            line("default", "0001", ""),
            line("default", "0003", ""),
            line("default", "0002", " repeat=on-change"),
            line("views", "0001", ""),
        ];
        for (stage, order, at) in [
            ("default", "0004", 3),
            ("default", "0002", 2),
            ("views", "0002", 5),
            ("later", "0001", 5),
        ] {
            let new = line(stage, order, "");
            let mut expected = committed.to_vec();
            expected.insert(at, new.clone());
            let written = with_line(&format!("{}\n", committed.join("\n")), &new);
            assert_eq!(written, format!("{}\n", expected.join("\n")));
        }
    }
}
