//! What is wrong with a payload.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// Why a payload is not what its template takes: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line; none until it is known.
    line: Option<u32>,
    /// The key whose value it is about, if it is about one.
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

    /// What it is about, unless that is known already.
    pub(super) fn of(mut self, key: &str) -> Mistake {
        self.key.get_or_insert_with(|| key.to_owned());
        self
    }

    /// The place, unless a closer one is known.
    pub(super) fn at(mut self, line: u32) -> Mistake {
        self.line.get_or_insert(line);
        self
    }

    /// The line, or that of the payload as a whole.
    pub(crate) fn line_or(&self, payload: u32) -> u32 {
        self.line.unwrap_or(payload)
    }

    /// What is wrong, without the place.
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
        // The name of a type says nothing to whoever writes the file.
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

/// What is not known, and what is.
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

/// What was found, in the words of YAML and TOML.
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
