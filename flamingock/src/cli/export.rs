//! The command `audit export`: the entries for another system, printed page by page.

use std::io;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::answer::Answer;
use super::entries::{Entries, List};
use super::entry::FIELDS;
use super::failure::Failure;
use super::history::{each_page, list};
use super::terminal;
use super::view::View;
use crate::audit::entry::Entry;
use crate::runner::builder::Runner;
use crate::util::visible::visible;

/// Which entries, and in which format.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The format
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
    #[command(flatten)]
    entries: Entries,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ExportFormat {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// RFC 4180, with a header; characters that a terminal interprets are escaped
    Csv,
}

pub(super) async fn export(
    runner: &Runner,
    export: Export,
    view: &View,
) -> Result<Answer, Failure> {
    if view.json {
        return list(runner, List::whole(export.entries), view).await;
    }
    let filter = export.entries.filter();
    match export.format {
        ExportFormat::Jsonl => each_page(runner, &filter, view, print_jsonl).await?,
        ExportFormat::Csv => {
            let mut has_header = false;
            let print = |page: &[Entry]| {
                let header = (!std::mem::replace(&mut has_header, true)).then(header);
                terminal::print_lines(header.into_iter().chain(page.iter().map(row)))
            };
            each_page(runner, &filter, view, print).await?;
            if !has_header {
                let _ = terminal::print_lines([header()]);
            }
        }
    }
    Ok(Answer::printed())
}

fn print_jsonl(page: &[Entry]) -> io::Result<()> {
    let lines: Result<Vec<String>, _> = page.iter().map(serde_json::to_string).collect();
    terminal::print_json_lines(&lines?)
}

fn header() -> String {
    FIELDS.join(",")
}

fn row(entry: &Entry) -> String {
    let fields = serde_json::to_value(entry).unwrap_or_default();
    let cells: Vec<String> = FIELDS.iter().map(|name| cell(&fields[name])).collect();
    cells.join(",")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
    }
}

/// Returns a text in one line. Spreadsheets compute a cell that begins like a formula, and the text
/// may come from anybody who can write to the database: such a cell gets an apostrophe.
fn quoted(text: &str) -> String {
    let text = visible(text);
    let apostrophe = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_one_line_and_no_formula() {
        for (value, expected) in [
            (json!(null), ""),
            (json!(1.5), "1.5"),
            (json!("a \"b\", c"), "\"a \"\"b\"\", c\""),
            (json!("two\nlines"), "\"two\\nlines\""),
            (json!("=cmd()"), "\"'=cmd()\""),
            (json!(["a", "b"]), "\"[\"\"a\"\",\"\"b\"\"]\""),
        ] {
            assert_eq!(cell(&value), expected);
        }
    }
}
