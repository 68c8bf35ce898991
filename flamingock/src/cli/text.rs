//! Text under headings.

use std::fmt;

use crate::util::visible::visible;

/// Headings with lines under them.
#[derive(Debug, Default)]
pub(super) struct Sections(Vec<(&'static str, Vec<String>)>);

impl Sections {
    /// Adds a heading with lines, and escapes control characters in them.
    pub(super) fn add<T: AsRef<str>>(
        &mut self,
        heading: &'static str,
        lines: impl IntoIterator<Item = T>,
    ) {
        let lines = lines.into_iter();
        let lines = lines.map(|line| visible(line.as_ref()).into_owned());
        self.0.push((heading, lines.collect()));
    }
}

impl fmt::Display for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (heading, lines) in &self.0 {
            write!(f, "\n{heading}")?;
            // Lines are not wrapped, so that commands stay whole when they are copied.
            for line in lines {
                write!(f, "\n  {line}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
