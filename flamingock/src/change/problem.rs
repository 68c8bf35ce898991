//! What is wrong before anything has run, and where.

use crate::util::visible::{Visible, visible_lines};
use std::fmt;

/// Where something stands in the source: what error messages name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as the compiler was given it.
    pub file: &'static str,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Something that is wrong before anything has run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where in the source, if it stands there.
    pub location: Option<Location>,
    /// The rule that is broken, and the right form.
    pub message: String,
}

impl Problem {
    pub(crate) fn at(location: Location, message: impl Into<String>) -> Problem {
        Problem {
            location: Some(location),
            message: message.into(),
        }
    }

    pub(crate) fn general(message: impl Into<String>) -> Problem {
        Problem {
            location: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = visible_lines(&self.message);
        match self.location {
            Some(location) => write!(f, "{}: {message}", Visible(location)),
            None => f.write_str(&message),
        }
    }
}
