//! The results of a part, kept until the documentation is written.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

/// The results of one part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) tables: Vec<Table>,
    /// The load average before and after.
    pub(crate) load: String,
    /// The data of the plot.
    pub(crate) lines: Vec<Line>,
}

/// A table of the documentation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// The description of the measurement.
    pub(crate) note: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// One line of the plot: seconds by number of changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) panel: String,
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Table {
    pub(crate) fn new(title: &str, note: &str, head: &[&str]) -> Table {
        Table {
            title: title.to_owned(),
            note: note.to_owned(),
            head: head.iter().map(|cell| (*cell).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        println!("    {}", cells.join("  |  "));
        self.rows.push(cells);
    }

    /// As Markdown.
    pub(crate) fn text(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("### {}\n\n{}\n\n", self.title, self.note);
        text.push_str(&line(&self.head));
        let _ = writeln!(text, "|{}", "---|".repeat(self.head.len()));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

impl Findings {
    pub(crate) fn save(&self, part: &str) -> io::Result<()> {
        fs::create_dir_all(folder())?;
        let text = serde_json::to_string_pretty(self)?;
        fs::write(folder().join(format!("{part}.json")), text)
    }

    pub(crate) fn load(part: &str) -> io::Result<Findings> {
        let text = fs::read_to_string(folder().join(format!("{part}.json")))?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// A folder in cargo's target folder.
pub(crate) fn folder() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("benches")
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
