//! The placeholders `${NAME}`, `${NAME:-default}` and `${secret:NAME}` in the texts of a payload.

use super::tree::{Entry, Mistake, Node, Piece, Text, Value};

/// Looks up an environment variable.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Result<String, std::env::VarError>;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(String),
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
    Secret(&'a str),
}

/// Replaces the placeholders in all texts of a value. A text with a secret is split into pieces.
pub(crate) fn expand(node: Node, lookup: Lookup<'_>, mistakes: &mut Vec<Mistake>) -> Node {
    let value = match node.value {
        Value::Text(text) => expand_text(text, lookup, mistakes),
        Value::List(nodes) => {
            let nodes = nodes.into_iter();
            Value::List(nodes.map(|node| expand(node, lookup, mistakes)).collect())
        }
        Value::Map(entries) => {
            let entries = entries.into_iter().map(|entry| Entry {
                node: expand(entry.node, lookup, mistakes),
                ..entry
            });
            Value::Map(entries.collect())
        }
        value @ (Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Secret(_)) => value,
    };
    Node { value, ..node }
}

fn expand_text(text: Text, lookup: Lookup<'_>, mistakes: &mut Vec<Mistake>) -> Value {
    if !text.text.contains("${") {
        return Value::Text(text);
    }
    let parts = match parts(&text.text) {
        Ok(parts) => parts,
        Err((byte, rule)) => {
            mistakes.push((line_in(&text, byte), rule));
            return Value::Text(text);
        }
    };
    let lone = matches!(parts.as_slice(), [(_, Part::Variable { .. })]);
    let mut pieces: Vec<Piece> = Vec::new();
    for (byte, part) in parts {
        let piece = match part {
            Part::Text(text) => Piece::Text(text),
            Part::Secret(name) => Piece::Secret(name.to_owned()),
            Part::Variable { name, default } => match variable(name, default, lookup) {
                Ok(value) => Piece::Text(value),
                Err(rule) => {
                    mistakes.push((line_in(&text, byte), rule));
                    continue;
                }
            },
        };
        match (pieces.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, piece) => pieces.push(piece),
        }
    }
    if pieces.iter().any(|piece| matches!(piece, Piece::Secret(_))) {
        return Value::Secret(pieces);
    }
    let expanded = pieces.into_iter().map(|piece| match piece {
        Piece::Text(text) | Piece::Secret(text) => text,
    });
    Value::Text(Text {
        text: expanded.collect(),
        lone,
        ..text
    })
}

/// Looks up a variable. An empty one counts as not set if there is a default.
fn variable(name: &str, default: Option<&str>, lookup: Lookup<'_>) -> Result<String, String> {
    match (lookup(name), default) {
        (Ok(value), None) => Ok(value),
        (Ok(value), Some(_)) if !value.is_empty() => Ok(value),
        (Ok(_) | Err(std::env::VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(std::env::VarError::NotPresent), None) => Err(format!(
            "the variable `{name}` is not set: set it, or give a default, `${{{name}:-..}}`"
        )),
        (Err(std::env::VarError::NotUnicode(_)), _) => {
            Err(format!("the variable `{name}` is not UTF-8"))
        }
    }
}

/// Splits a text into parts, with the byte at which each begins. The error has the byte of the
/// mistake.
fn parts(text: &str) -> Result<Vec<(usize, Part<'_>)>, (usize, String)> {
    let mut parts: Vec<(usize, Part<'_>)> = Vec::new();
    let push_text = |parts: &mut Vec<(usize, Part<'_>)>, at: usize, text: &str| {
        if text.is_empty() {
            return;
        }
        match parts.last_mut() {
            Some((_, Part::Text(before))) => before.push_str(text),
            _ => parts.push((at, Part::Text(text.to_owned()))),
        }
    };
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[..start].ends_with('$') {
            // `$${` stands for `${`, and is no placeholder.
            push_text(&mut parts, at, &text[at..start - 1]);
            push_text(&mut parts, start, "${");
            at = start + 2;
            continue;
        }
        push_text(&mut parts, at, &text[at..start]);
        let inner = &text[start + 2..];
        let Some(end) = inner.find('}') else {
            let rule = "`${` without `}`: write `${NAME}`, or `$${` for the characters themselves";
            return Err((start, rule.to_owned()));
        };
        let part = part(&inner[..end]).map_err(|rule| (start, rule))?;
        parts.push((start, part));
        at = start + 2 + end + 1;
    }
    push_text(&mut parts, at, &text[at..]);
    Ok(parts)
}

/// Parses the text between the braces.
fn part(inner: &str) -> Result<Part<'_>, String> {
    if let Some(name) = inner.strip_prefix("secret:") {
        return if is_secret_name(name) {
            Ok(Part::Secret(name))
        } else {
            Err(format!(
                "`${{{inner}}}` names no secret: write `${{secret:API_TOKEN}}`"
            ))
        };
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if is_name(name) {
        Ok(Part::Variable { name, default })
    } else {
        Err(format!(
            "`${{{inner}}}` is no placeholder: write `${{NAME}}`, `${{NAME:-default}}` or `${{secret:NAME}}`; `$${{` stands for the characters themselves"
        ))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Names in a store of secrets are often paths.
fn is_secret_name(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':');
    !name.is_empty() && name.bytes().all(fits)
}

fn line_in(text: &Text, byte: usize) -> u32 {
    let further = super::tree::line_of(&text.text, byte) - 1;
    text.line.saturating_add(further)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<Value, Mistake> {
        let lookup = |name: &str| match name {
            "SET" => Ok("value".to_owned()),
            "EMPTY" => Ok(String::new()),
            _ => Err(std::env::VarError::NotPresent),
        };
        let node = Node {
            line: 1,
            value: Value::Text(Text {
                text: text.to_owned(),
                line: 3,
                lone: false,
            }),
        };
        let mut mistakes = Vec::new();
        let node = expand(node, &lookup, &mut mistakes);
        mistakes.pop().map_or(Ok(node.value), Err)
    }

    #[test]
    fn values_stand_in_the_place_of_placeholders() {
        for (text, expected, lone) in [
            ("plain", "plain", false),
            ("$5 {x} $", "$5 {x} $", false),
            ("${SET}", "value", true),
            ("${SET:-other}", "value", true),
            ("${UNSET:-}", "", true),
            ("${UNSET:-a b:-c}", "a b:-c", true),
            ("${EMPTY}", "", true),
            ("${EMPTY:-other}", "other", true),
            ("a ${SET}/${SET}b", "a value/valueb", false),
            ("$${SET}", "${SET}", false),
            ("$${SET} ${SET}", "${SET} value", false),
            ("$$${SET}", "$${SET}", false),
            ("é${SET}é", "évalueé", false),
        ] {
            let expected = Value::Text(Text {
                text: expected.to_owned(),
                line: 3,
                lone,
            });
            assert_eq!(expanded(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn secrets_stay_what_they_are() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let secret = |name: &str| Piece::Secret(name.to_owned());
        for (written, expected) in [
            ("${secret:API_TOKEN}", vec![secret("API_TOKEN")]),
            (
                "Bearer ${secret:kv/a.b-c} ${SET}$${",
                vec![text("Bearer "), secret("kv/a.b-c"), text(" value${")],
            ),
        ] {
            assert_eq!(expanded(written), Ok(Value::Secret(expected)), "{written}");
        }
    }

    #[test]
    fn mistakes_have_the_line_of_the_placeholder() {
        for (text, line, expected) in [
            ("${UNSET}", 3, "the variable `UNSET` is not set: "),
            ("a\nb ${UNSET}", 4, "the variable `UNSET` is not set: "),
            ("a\n\n${SET", 5, "`${` without `}`"),
            ("${}", 3, "`${}` is no placeholder"),
            ("${a b}", 3, "`${a b}` is no placeholder"),
            ("${1A}", 3, "`${1A}` is no placeholder"),
            ("${A:x}", 3, "`${A:x}` is no placeholder"),
            ("${secret:}", 3, "`${secret:}` names no secret"),
            ("${secret:A:-b c}", 3, "`${secret:A:-b c}` names no secret"),
        ] {
            let (found, message) = expanded(text).unwrap_err();
            assert!(message.starts_with(expected), "{text}: {message}");
            assert_eq!(found, line, "{text}");
        }
    }
}
