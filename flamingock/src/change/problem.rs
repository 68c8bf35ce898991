//! Problems: mistakes that are found before anything runs, with their place in the source.

use crate::util::visible::{Visible, visible_lines};
use std::fmt;

/// A place in the source, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The path of the file, as the compiler got it.
    pub file: &'static str,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A mistake that is found before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The place in the source, if there is one.
    pub location: Option<Location>,
    /// The broken rule, and the right form.
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
