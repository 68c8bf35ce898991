//! The content of a YAML or TOML file, with the line of everything in it.

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// The line on which it begins, from 1.
    pub(crate) line: u32,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(Text),
    /// A text with secrets, as it was written.
    Secret(Vec<Piece>),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// The line of its first character: a block of text begins below its key.
    pub(crate) line: u32,
    /// Whether it was a single placeholder, and so can also stand for a number.
    pub(crate) lone: bool,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    /// The name of a secret.
    Secret(String),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The line of the key.
    pub(crate) line: u32,
    pub(crate) node: Node,
}

impl Value {
    /// Returns the kind of value, for errors.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::Secret(_) => "a secret",
            Value::List(_) => "a list",
            Value::Map(_) => "keys with values",
        }
    }
}

impl Node {
    /// Adds the name of every secret in the value.
    pub(crate) fn secrets(&self, into: &mut Vec<String>) {
        match &self.value {
            Value::Secret(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Secret(name) if !into.contains(name) => into.push(name.clone()),
                        Piece::Secret(_) | Piece::Text(_) => {}
                    }
                }
            }
            Value::List(nodes) => nodes.iter().for_each(|node| node.secrets(into)),
            Value::Map(entries) => entries.iter().for_each(|entry| entry.node.secrets(into)),
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
            }
        }
    }
}

/// A mistake in a file, with its line.
pub(crate) type Mistake = (u32, String);

/// Returns the line of a byte, from 1.
pub(crate) fn line_of(text: &str, byte: usize) -> u32 {
    let before = text.as_bytes().iter().take(byte);
    let breaks = before.filter(|byte| **byte == b'\n').count();
    u32::try_from(breaks).map_or(u32::MAX, |breaks| breaks.saturating_add(1))
}
