//! An error and its causes as text, for the audit and the report.

use super::boxed::BoxError;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::visible::Visible;

/// An error and its causes as text, as the audit and the report store it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorChain(Vec<String>);

/// The maximum length of a cause in bytes, and the maximum number of causes.
const CAUSE_LIMIT: usize = 2_000;
const CAUSES: usize = 16;

impl ErrorChain {
    /// Returns the texts of an error and its causes, outermost first. Leaves out a cause that only
    /// repeats the end of the previous text, and shortens long ones.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> ErrorChain {
        let mut chain = ErrorChain(Vec::new());
        for text in texts(error) {
            chain.push(&text);
        }
        chain
    }

    /// Returns a text without causes.
    pub fn text(text: &str) -> ErrorChain {
        let mut chain = ErrorChain(Vec::new());
        chain.push(text);
        chain
    }

    /// Returns the texts, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.0
    }

    /// Appends a text.
    #[must_use]
    pub fn and(mut self, text: &str) -> ErrorChain {
        self.push(text);
        self
    }

    /// Appends the texts of another chain.
    #[must_use]
    pub fn and_all(mut self, other: &ErrorChain) -> ErrorChain {
        for cause in &other.0 {
            self.push(cause);
        }
        self
    }

    /// Returns the chain without its first text; `None` if nothing remains.
    pub(crate) fn behind_first(&self) -> Option<ErrorChain> {
        let rest = self.0.get(1..).filter(|rest| !rest.is_empty())?;
        Some(ErrorChain(rest.to_vec()))
    }

    fn push(&mut self, text: &str) {
        let repeated = self.0.last().is_some_and(|last| last.ends_with(text));
        if repeated || self.0.len() >= CAUSES {
            return;
        }
        let mut end = text.len().min(CAUSE_LIMIT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if end < text.len() { " [cut]" } else { "" };
        self.0.push(format!("{}{cut}", &text[..end]));
    }

    /// Returns the form that the audit stores: a JSON array of strings.
    pub fn to_json(&self) -> String {
        serde_json::Value::from(self.0.clone()).to_string()
    }

    /// Reads the form that [`to_json`](Self::to_json) writes. Any other text becomes a single
    /// cause.
    pub fn from_json(json: &str) -> ErrorChain {
        match serde_json::from_str::<Vec<String>>(json) {
            Ok(causes) => ErrorChain(causes),
            Err(_) => ErrorChain::text(json),
        }
    }
}

/// Returns the texts of an error and its causes, outermost first.
pub(crate) fn texts(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(scrubbed) = error.downcast_ref::<Scrubbed>() {
            texts.extend(scrubbed.texts().iter().cloned());
            break;
        }
        texts.push(error.to_string());
        lines.extend(line_of_the_server(error));
        next = error.source();
    }
    for line in lines {
        for text in &mut texts {
            *text = text.replace(&line.with, &line.without);
        }
    }
    texts
}

/// A text with a part that is useless to its readers, and the same text without that part.
struct Replaced {
    with: String,
    without: String,
}

/// The PostgreSQL driver reports the line of the server's own C source, which looks like a line of
/// the file that was sent.
#[cfg(feature = "postgres")]
fn line_of_the_server(error: &(dyn std::error::Error + 'static)) -> Option<Replaced> {
    let error = error.downcast_ref::<sqlx::Error>()?.as_database_error()?;
    let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
    Some(Replaced {
        with: error.to_string(),
        without: error.message().to_owned(),
    })
}

#[cfg(not(feature = "postgres"))]
fn line_of_the_server(_: &(dyn std::error::Error + 'static)) -> Option<Replaced> {
    None
}

/// Writes the texts in one line, with control characters escaped, because they come from outside.
impl fmt::Display for ErrorChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Visible(self.0.join(": ")))
    }
}

/// Returns the chain of a boxed error.
pub(crate) fn chain(error: &BoxError) -> ErrorChain {
    ErrorChain::of(&**error)
}

/// An error whose texts have no secrets any more. The original error is kept for the engine, which
/// checks whether the database refused something, and is never shown.
pub(crate) struct Scrubbed {
    pub(crate) texts: Vec<String>,
    pub(crate) error: BoxError,
}

impl Scrubbed {
    /// Returns the texts, outermost first.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns the original error.
    #[cfg_attr(
        not(feature = "_sqlx"),
        expect(dead_code, reason = "what only databases use")
    )]
    pub(crate) fn inner(&self) -> &(dyn std::error::Error + 'static) {
        &*self.error
    }
}

impl fmt::Debug for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scrubbed").field(&self.texts).finish()
    }
}

impl fmt::Display for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.texts.first().map_or("", String::as_str))
    }
}

/// Without a source, because the texts of the original error have secrets.
impl std::error::Error for Scrubbed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_bounded_and_drops_repetition() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: inner")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;
        assert_eq!(ErrorChain::of(&Outer(Inner)).causes(), ["outer: inner"]);
        let long = ErrorChain::text(&"é".repeat(CAUSE_LIMIT));
        assert!(long.causes()[0].ends_with(" [cut]"));
        assert!(long.to_json().len() < CAUSE_LIMIT + 20);
        assert_eq!(ErrorChain::from_json(&long.to_json()), long);
    }
}
