//! An error with its causes, as the audit and the report keep it.

use super::boxed::BoxError;
use std::fmt;

use serde::Serialize;

use super::visible::Visible;

/// An error with its causes, as texts: what the audit and the report keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ErrorChain(Vec<String>);

/// The longest text of one cause, in bytes, and the most causes that are kept.
const CAUSE_LIMIT: usize = 2_000;
const CAUSES: usize = 16;

impl ErrorChain {
    /// The texts of an error and of its causes, outermost first. A cause that only repeats what
    /// stands before it is left out, long ones are cut.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> ErrorChain {
        let mut chain = ErrorChain(Vec::new());
        for text in texts(error) {
            chain.push(&text);
        }
        chain
    }

    /// A text without causes.
    pub fn text(text: &str) -> ErrorChain {
        let mut chain = ErrorChain(Vec::new());
        chain.push(text);
        chain
    }

    /// The texts, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.0
    }

    /// The same with a text behind it.
    #[must_use]
    pub fn and(mut self, text: &str) -> ErrorChain {
        self.push(text);
        self
    }

    /// The same with all of another chain behind it.
    #[must_use]
    pub fn and_all(mut self, other: &ErrorChain) -> ErrorChain {
        for cause in &other.0 {
            self.push(cause);
        }
        self
    }

    /// What stands behind the first text.
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

    /// As it stands in the audit: a JSON array of texts.
    pub fn to_json(&self) -> String {
        serde_json::Value::from(self.0.clone()).to_string()
    }

    /// What [`to_json`](Self::to_json) wrote; any other text is kept as one cause.
    pub fn from_json(json: &str) -> ErrorChain {
        match serde_json::from_str::<Vec<String>>(json) {
            Ok(causes) => ErrorChain(causes),
            Err(_) => ErrorChain::text(json),
        }
    }
}

/// What an error and its causes say, outermost first.
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

/// A text with something in it that says nothing to its reader, and without.
struct Replaced {
    with: String,
    without: String,
}

/// The driver of PostgreSQL tells the line of the server's own source, in C. It reads like one of the file
/// that was sent.
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

/// In one line, with everything escaped that a terminal would act on: the texts are those of others.
impl fmt::Display for ErrorChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Visible(self.0.join(": ")))
    }
}

/// The chain of a boxed error.
pub(crate) fn chain(error: &BoxError) -> ErrorChain {
    ErrorChain::of(&**error)
}

/// An error whose texts have lost their secrets. What it was is kept for the engine, which asks
/// whether the database refused something, and is shown to nobody.
pub(crate) struct Scrubbed {
    pub(crate) texts: Vec<String>,
    pub(crate) error: BoxError,
}

impl Scrubbed {
    /// The texts, outermost first.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// What it was.
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

/// Without a source: its texts are not to be read.
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
