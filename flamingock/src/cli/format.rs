//! Formats for pull requests: annotations of GitHub's workflows, and Markdown.

use clap::ValueEnum;

use crate::change::problem::Location;
use crate::util::visible::{visible, visible_lines};

/// The format of a command's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text for a terminal
    #[default]
    Text,
    /// Annotations of a GitHub workflow, each with its file and line
    Github,
    /// A table for a comment or a job summary
    Markdown,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Notice,
    Warning,
    Error,
}

/// A finding about one change.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// The file and the line of the change.
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) stage: String,
    pub(super) order: String,
    pub(super) id: String,
    /// The finding in a few words.
    pub(super) title: String,
    pub(super) detail: String,
}

impl Finding {
    pub(super) fn at(mut self, location: Location) -> Finding {
        location.file.clone_into(&mut self.file);
        self.line = location.line;
        self
    }

    /// Returns the workflow command that annotates the line.
    fn github(&self) -> String {
        let command = match self.level {
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let file = property(&visible(&self.file));
        let place = match (file.as_str(), self.line) {
            ("", _) => String::new(),
            (file, 0) => format!("file={file},"),
            (file, line) => format!("file={file},line={line},"),
        };
        let change = format!("{} {}", visible(&self.order), visible(&self.id));
        let message = match visible_lines(&self.detail) {
            detail if detail.is_empty() => change,
            detail => format!("{change}: {detail}"),
        };
        format!(
            "::{command} {place}title={}::{}",
            property(&self.title),
            data(&message)
        )
    }

    fn markdown(&self) -> String {
        let cells = [
            &self.stage,
            &self.order,
            &self.id,
            &self.title,
            &self.detail,
        ];
        let cells: Vec<String> = cells.into_iter().map(|text| cell(text)).collect();
        format!("| {} |", cells.join(" | "))
    }
}

impl Format {
    /// Returns the text of a summary and findings. `None` for the command's own text.
    pub(super) fn text(self, summary: &str, findings: &[Finding]) -> Option<String> {
        let lines: Vec<String> = match self {
            Format::Text => return None,
            Format::Github => {
                let annotations = findings.iter().map(Finding::github);
                annotations.chain([data(&visible(summary))]).collect()
            }
            Format::Markdown if findings.is_empty() => vec![cell(summary)],
            Format::Markdown => {
                let head = [
                    format!("{}\n", cell(summary)),
                    "| stage | order | change | finding | detail |".to_owned(),
                    "|---|---|---|---|---|".to_owned(),
                ];
                let rows = findings.iter().map(Finding::markdown);
                head.into_iter().chain(rows).collect()
            }
        };
        Some(lines.join("\n"))
    }
}

/// Encodes the message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Encodes the value of a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Encodes a cell of a table: text from outside must not become a link, a mention or HTML.
fn cell(text: &str) -> String {
    let text = visible_lines(text.trim());
    let mut cell = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\n' => cell.push_str("<br>"),
            '@' => cell.push_str("&#64;"),
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' => {
                cell.extend(['\\', one]);
            }
            plain => cell.push(plain),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(detail: &str) -> Finding {
        Finding {
            level: Level::Error,
            file: "src/a,b.rs".to_owned(),
            line: 7,
            stage: "default".to_owned(),
            order: "0001".to_owned(),
            id: "create_orders".to_owned(),
            title: "edited: 100%".to_owned(),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn text_from_outside_ends_no_annotation() {
        let text = Format::Github.text("1 change", &[finding("a\n::error::b")]);
        assert_eq!(
            text.unwrap(),
            "::error file=src/a%2Cb.rs,line=7,title=edited%3A 100%25::0001 create_orders: a%0A::error::b\n1 change"
        );
    }

    #[test]
    fn text_from_outside_is_no_markdown() {
        let text = Format::Markdown.text("1 change", &[finding("[x](y) | <b> @all\nnext")]);
        let last = text.unwrap().lines().last().unwrap().to_owned();
        assert_eq!(
            last,
            "| default | 0001 | create\\_orders | edited: 100% | \\[x\\](y) \\| &lt;b&gt; &#64;all<br>next |"
        );
    }
}
