//! The keys of `#[change]` in YAML and TOML files.

use crate::change::argument::{Need, connections};
use crate::source::files::header;
use crate::source::files::header::Header;
use crate::source::files::mistake::Mistake;
use crate::source::files::role::Kind;
use crate::source::template::tree::{Entry, Value};

/// Reads the known keys, and ignores the others.
pub(super) fn header(entries: &[Entry], kind: Kind, mistakes: &mut Vec<Mistake>) -> Header {
    let mut header = Header {
        line: 1,
        ..Header::default()
    };
    for entry in entries {
        let Some(key) = header::KEYS.iter().copied().find(|key| entry.key == *key) else {
            continue;
        };
        if let Err(rule) = set(&mut header, key, &entry.node.value, kind) {
            mistakes.push((entry.node.line, rule));
        }
    }
    header
}

fn set(header: &mut Header, key: &'static str, value: &Value, kind: Kind) -> Result<(), String> {
    let example = example(key, kind);
    let wrong = |shape: &str| Err(format!("`{key}` {shape}: `{example}`"));
    match (key, value) {
        ("transaction", Value::Bool(wanted)) => header.transaction = Some(*wanted),
        ("transaction", _) => return wrong("is true or false, without quotes"),
        ("tags", Value::List(nodes)) => {
            let tags = nodes.iter().map(|node| match &node.value {
                Value::Text(text) if is_name(&text.text) => Some(text.text.clone()),
                Value::Text(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Secret(_)
                | Value::List(_)
                | Value::Map(_) => None,
            });
            match tags.collect::<Option<Vec<String>>>() {
                Some(tags) if !tags.is_empty() => header.tags = Some(tags),
                _ => return wrong("is a list of names"),
            }
        }
        ("tags", _) => return wrong("is a list of names"),
        (_, Value::Text(text)) if text.text.contains("${") => {
            return wrong("stands for itself: placeholders are for payloads");
        }
        (_, Value::Text(text)) => header.put(key, &text.text, &example)?,
        (_, Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => {
            return wrong("is text, and this is not: put it in quotes");
        }
        (_, Value::Null | Value::Secret(_) | Value::List(_) | Value::Map(_)) => {
            return wrong("is text");
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.trim() == text
}

/// Returns an example of a key in the syntax of such a file.
fn example(key: &str, kind: Kind) -> String {
    let example = header::example(key);
    let (key, value) = example.split_once('=').unwrap_or((example, ""));
    let bare = matches!(key, "transaction");
    let value = match key {
        "tags" => "[\"dev\", \"demo\"]".to_owned(),
        _ if bare => value.to_owned(),
        _ => format!("\"{value}\""),
    };
    match kind {
        Kind::Toml => format!("{key} = {value}"),
        Kind::Yaml | Kind::Sql => format!("{key}: {value}"),
    }
}

/// Returns the text of the comments at the head of the file.
pub(super) fn description(text: &str) -> String {
    let mut description: Vec<&str> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches('\u{feff}').trim();
        match line.strip_prefix('#') {
            Some(comment) => description.push(comment.trim()),
            None if line.is_empty() || line == "---" => {}
            None => break,
        }
    }
    description.join("\n").trim().to_owned()
}

/// Checks the keys that need a template with a connection.
pub(super) fn check_connection(
    header: &Header,
    needs: &[Need],
    template: &str,
    mistakes: &mut Vec<Mistake>,
) {
    let line = header.line;
    if connections(needs) == 0 {
        let without = |key: &str| {
            format!(
                "the template `{template}` takes no connection, so `{key}` has nothing to work on: leave it out"
            )
        };
        if header.transaction == Some(true) {
            mistakes.push((line, without("transaction")));
        }
        if header.lock_timeout.is_some() {
            mistakes.push((line, without("lock_timeout")));
        }
        if header.statement_timeout.is_some() {
            mistakes.push((line, without("statement_timeout")));
        }
    } else if header.transaction == Some(false) && needs.iter().any(Need::is_transaction) {
        let rule = format!(
            "the template `{template}` takes a transaction: `transaction: false` leaves none for it"
        );
        mistakes.push((line, rule));
    }
}
