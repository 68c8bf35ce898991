//! Mistakes in a payload.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// Why a template does not accept a payload, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line; `None` until it is known.
    line: Option<u32>,
    /// The key whose value is wrong, if there is one.
    key: Option<String>,
    message: String,
}

impl Mistake {
    pub(super) fn new(line: u32, message: impl Into<String>) -> Mistake {
        Mistake {
            line: Some(line),
            ..Mistake::without_place(message.into())
        }
    }

    /// Adds the key, unless one is known already.
    pub(super) fn of(mut self, key: &str) -> Mistake {
        self.key.get_or_insert_with(|| key.to_owned());
        self
    }

    /// Adds the line, unless a closer one is known already.
    pub(super) fn at(mut self, line: u32) -> Mistake {
        self.line.get_or_insert(line);
        self
    }

    /// Returns the line, or otherwise that of the payload.
    pub(crate) fn line_or(&self, payload: u32) -> u32 {
        self.line.unwrap_or(payload)
    }

    /// Returns the message without the line.
    pub(crate) fn message(&self) -> String {
        match &self.key {
            Some(key) => format!("`{key}`: {}", self.message),
            None => self.message.clone(),
        }
    }

    fn without_place(message: String) -> Mistake {
        Mistake {
            line: None,
            key: None,
            message,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message()),
            None => f.write_str(&self.message()),
        }
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mistake::without_place(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        // The name of a type means nothing to the author of the file.
        let expected = if expected.starts_with("struct ") || expected == "a map" {
            "a block of keys with values".to_owned()
        } else {
            expected
        };
        Mistake::without_place(format!("{} is not {expected}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Mistake::without_place(format!("{} is not {expected}", Found(found)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Mistake::without_place(format!("{length} of them are not {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Mistake::without_place(unknown("value", variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Mistake::without_place(unknown("key", field, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Mistake::without_place(format!(
            "the key `{field}` is missing: the template needs it"
        ))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Mistake::without_place(format!("`{field}` is given twice: keep one of them"))
    }
}

/// Returns the message for an unknown name, with a suggestion.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match (crate::util::near_miss::near_miss(name, known), known) {
        (Some(meant), _) => format!("unknown {what} `{name}`, did you mean `{meant}`?"),
        (None, []) => format!("unknown {what} `{name}`: none is known here"),
        (None, _) => format!(
            "unknown {what} `{name}`: `{}` are known",
            known.join("`, `")
        ),
    }
}

/// The value that was found, in the terms of YAML and TOML.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Unit | Unexpected::Option => f.write_str("nothing"),
            Unexpected::Map => f.write_str("a block of keys with values"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Str(text) => write!(f, "the text {text:?}"),
            found => write!(f, "{found}"),
        }
    }
}
