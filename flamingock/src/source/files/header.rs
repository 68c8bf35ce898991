//! The comments at the head of a file: the keys of its change, and its description.

use crate::source::files::mistake::Mistake;
use std::time::Duration;

use super::comment::comment;
use crate::change::definition::{Phase, Recovery, Repeat};

/// The keys of `#[change]` that a file can set. `None` stands for a key that it does not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: Option<String>,
    pub(super) order: Option<String>,
    pub(super) author: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) target: Option<String>,
    pub(super) transaction: Option<bool>,
    pub(super) recovery: Option<Recovery>,
    pub(super) repeat: Option<Repeat>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) timeout: Option<Duration>,
    pub(super) lock_timeout: Option<Duration>,
    pub(super) statement_timeout: Option<Duration>,
    pub(super) phase: Option<Phase>,
    pub(super) requires: Option<String>,
    /// The other comments at the head, without those that a tool interprets.
    pub(super) description: String,
    /// The line of the first `flamingock:` comment, or otherwise of the first line that is no
    /// comment.
    pub(super) line: u32,
}

pub(super) const KEYS: [&str; 14] = [
    "id",
    "order",
    "author",
    "stage",
    "target",
    "transaction",
    "recovery",
    "repeat",
    "tags",
    "timeout",
    "lock_timeout",
    "statement_timeout",
    "phase",
    "requires",
];

/// The mistake for a comment that names `flamingock:` but cannot be parsed.
const MISSPELT: &str = "a comment that names `flamingock:` and is not read as one: write `-- flamingock: key=value`, in small letters, with a colon and nothing before it";

/// The mistake for keys that would otherwise be ignored silently.
const BEHIND: &str = "`-- flamingock:` counts at the head of the file only: move it above everything that is no `--` comment";

impl Header {
    /// Reads the comments with which a file begins.
    pub(super) fn read(text: &str) -> (Header, Vec<Mistake>) {
        let mut header = Header::default();
        let mut mistakes = Vec::new();
        let mut given = Vec::new();
        let mut description: Vec<&str> = Vec::new();
        let mut first_other = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start_matches('\u{feff}').trim();
            let Some(comment) = line.strip_prefix("--").map(str::trim) else {
                if comment(line).is_some_and(names_us) {
                    mistakes.push((number, MISSPELT.to_owned()));
                }
                if !line.is_empty() {
                    first_other.get_or_insert(number);
                }
                continue;
            };
            let keys = comment.strip_prefix("flamingock:");
            if keys.is_none() && names_us(comment) {
                mistakes.push((number, MISSPELT.to_owned()));
                continue;
            }
            if first_other.is_some() {
                if keys.is_some() {
                    mistakes.push((number, BEHIND.to_owned()));
                }
                continue;
            }
            if let Some(pairs) = keys {
                if header.line == 0 {
                    header.line = number;
                }
                for pair in parts(pairs) {
                    if let Err(mistake) = header.set(pair, &mut given) {
                        mistakes.push((number, mistake));
                    }
                }
            } else if !comment.starts_with("+goose") && !comment.starts_with("no-transaction") {
                description.push(comment);
            }
        }
        if header.line == 0 {
            header.line = first_other.unwrap_or(1);
        }
        header.description = description.join("\n").trim().to_owned();
        (header, mistakes)
    }

    /// Reports whether the header sets no key except `transaction`.
    pub(super) fn only_transaction(&self) -> bool {
        let rest = Header {
            transaction: None,
            description: String::new(),
            line: 0,
            ..self.clone()
        };
        rest == Header::default()
    }

    fn set(&mut self, pair: &str, given: &mut Vec<&'static str>) -> Result<(), String> {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!(
                "`{pair}` is no key with a value: write `-- flamingock: transaction=false, recovery=retry`"
            ));
        };
        let (key, value) = (key.trim(), unquoted(value.trim()));
        let Some(key) = KEYS.iter().copied().find(|known| *known == key) else {
            return Err(unknown(key));
        };
        if given.contains(&key) {
            return Err(format!("`{key}` is given twice: keep one of them"));
        }
        given.push(key);
        self.put(key, value, example(key))
    }

    /// Sets a known key. The error for an invalid value shows `example`.
    pub(super) fn put(
        &mut self,
        key: &'static str,
        value: &str,
        example: &str,
    ) -> Result<(), String> {
        if value.is_empty() {
            return Err(format!("`{key}` cannot be empty: `{example}`"));
        }
        let wrong = || format!("`{key}` is not {value:?}: `{example}`");
        match key {
            "id" => self.id = Some(value.to_owned()),
            "order" => self.order = Some(value.to_owned()),
            "author" => self.author = Some(value.to_owned()),
            "stage" => self.stage = Some(value.to_owned()),
            "target" => self.target = Some(value.to_owned()),
            "transaction" => self.transaction = Some(value.parse().map_err(|_| wrong())?),
            "recovery" => {
                self.recovery = Some(match value {
                    "manual" => Recovery::Manual,
                    "retry" => Recovery::Retry,
                    _ => return Err(wrong()),
                });
            }
            "repeat" => {
                self.repeat = Some(match value {
                    "on-change" => Repeat::OnChange,
                    _ => return Err(wrong()),
                });
            }
            "tags" => self.tags = Some(tags(value).ok_or_else(wrong)?),
            "timeout" => self.timeout = Some(duration(value).ok_or_else(wrong)?),
            "lock_timeout" => self.lock_timeout = Some(duration(value).ok_or_else(wrong)?),
            "statement_timeout" => {
                self.statement_timeout = Some(duration(value).ok_or_else(wrong)?);
            }
            "phase" => {
                self.phase = Some(match value {
                    "startup" => Phase::Startup,
                    "background" => Phase::Background,
                    _ => return Err(wrong()),
                });
            }
            _ => self.requires = Some(value.to_owned()),
        }
        Ok(())
    }
}

/// Reports whether a comment begins with `flamingock` and a colon, in any spelling.
fn names_us(comment: &str) -> bool {
    let comment = comment.trim_start_matches(|c: char| !c.is_alphanumeric());
    let name = "flamingock";
    comment
        .split_at_checked(name.len())
        .is_some_and(|(begin, rest)| {
            begin.eq_ignore_ascii_case(name) && rest.trim_start().starts_with([':', '='])
        })
}

/// Splits at the commas that are outside quotes and brackets.
fn parts(pairs: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut depth) = (0, false, 0_usize);
    for (at, c) in pairs.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(pairs[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(pairs[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value)
}

/// Parses `[dev, demo]`, or a single tag.
fn tags(value: &str) -> Option<Vec<String>> {
    let inner = value
        .strip_prefix('[')
        .and_then(|value| value.strip_suffix(']'));
    let tags: Vec<String> = parts(inner.unwrap_or(value))
        .into_iter()
        .map(|tag| unquoted(tag).to_owned())
        .collect();
    let fits = |tag: &String| !tag.is_empty() && tag.trim() == tag;
    (!tags.is_empty() && tags.iter().all(fits)).then_some(tags)
}

fn duration(value: &str) -> Option<Duration> {
    let duration = humantime::parse_duration(value).ok()?;
    (!duration.is_zero()).then_some(duration)
}

fn unknown(key: &str) -> String {
    if key == "register" {
        return "`register` holds for a whole folder: write `include_files!(\"changes\", register = false)`".to_owned();
    }
    match crate::util::near_miss::near_miss(key, &KEYS) {
        Some(meant) => format!("unknown key `{key}`, did you mean `{meant}`?"),
        None => format!("unknown key `{key}`: a file knows `{}`", KEYS.join("`, `")),
    }
}

/// Returns an example of a key.
pub(super) fn example(key: &str) -> &'static str {
    match key {
        "id" => "id=create-users",
        "order" => "order=0001",
        "author" => "author=ada",
        "stage" => "stage=schema",
        "target" => "target=billing",
        "transaction" => "transaction=false",
        "recovery" => "recovery=retry",
        "repeat" => "repeat=on-change",
        "tags" => "tags=[dev, demo]",
        "timeout" => "timeout=30s",
        "lock_timeout" => "lock_timeout=3s",
        "statement_timeout" => "statement_timeout=1m 30s",
        "phase" => "phase=background",
        _ => "requires=fill-emails",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "\u{feff}-- Orders are kept.\r\n\n-- flamingock: id=create-orders, order=\"0003\", author=ada\n-- for years\n-- flamingock: stage = schema, target=billing, transaction=false, recovery=retry,\n--flamingock: repeat=on-change, tags=[dev, \"a,b\"], timeout=1m 30s, lock_timeout=3s, statement_timeout=10s, phase=background, requires=fill\nCREATE TABLE a (b int); -- flamingock: id=no\n";
        let (header, mistakes) = Header::read(text);
        assert_eq!(mistakes, []);
        let expected = Header {
            id: Some("create-orders".to_owned()),
            order: Some("0003".to_owned()),
            author: Some("ada".to_owned()),
            stage: Some("schema".to_owned()),
            target: Some("billing".to_owned()),
            transaction: Some(false),
            recovery: Some(Recovery::Retry),
            repeat: Some(Repeat::OnChange),
            tags: Some(vec!["dev".to_owned(), "a,b".to_owned()]),
            timeout: Some(Duration::from_secs(90)),
            lock_timeout: Some(Duration::from_secs(3)),
            statement_timeout: Some(Duration::from_secs(10)),
            phase: Some(Phase::Background),
            requires: Some("fill".to_owned()),
            description: "Orders are kept.\nfor years".to_owned(),
            line: 3,
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn each_mistake_is_reported_with_its_line() {
        for (text, line, expected) in [
            (
                "-- flamingock: targett=a",
                1,
                "unknown key `targett`, did you mean `target`?",
            ),
            (
                "\n-- x\n-- flamingock: id",
                3,
                "`id` is no key with a value: write `-- flamingock: transaction=false, recovery=retry`",
            ),
            (
                "-- flamingock: id=a, id=b",
                1,
                "`id` is given twice: keep one of them",
            ),
            (
                "-- flamingock: stage=",
                1,
                "`stage` cannot be empty: `stage=schema`",
            ),
            (
                "-- flamingock: transaction=no",
                1,
                "`transaction` is not \"no\": `transaction=false`",
            ),
            (
                "-- flamingock: timeout=0s",
                1,
                "`timeout` is not \"0s\": `timeout=30s`",
            ),
            ("/* a licence */\n-- flamingock: target=billing", 2, BEHIND),
            ("SELECT 1;\n\n  --flamingock: stage=schema", 3, BEHIND),
            ("-- Flamingock: transaction=false", 1, MISSPELT),
            ("-- x\n--- flamingock : transaction=false", 2, MISSPELT),
            ("# flamingock: transaction=false", 1, MISSPELT),
            ("/* flamingock: transaction=false */", 1, MISSPELT),
            ("SELECT 1;\n-- FLAMINGOCK: id=a", 2, MISSPELT),
            (
                "-- flamingock: repeat=always",
                1,
                "`repeat` is not \"always\": `repeat=on-change`",
            ),
            (
                "-- flamingock: register=false",
                1,
                "`register` holds for a whole folder: write `include_files!(\"changes\", register = false)`",
            ),
        ] {
            let (_, mistakes) = Header::read(text);
            assert_eq!(mistakes, [(line, expected.to_owned())], "{text}");
        }
    }
}
