//! The SQL of pending changes, for `plan --sql`.

use serde::Serialize;

use crate::change::body::Body;
use crate::change::definition::Definition;
use crate::util::visible::visible;

/// The SQL of one change, or of one of its steps.
#[derive(Debug, Serialize)]
pub(super) struct PendingSql {
    id: &'static str,
    /// The number of the step, from 1; `None` for a change without steps.
    step: Option<usize>,
    file: &'static str,
    line: u32,
    /// `None` for code, whose SQL is not known before it runs.
    sql: Option<&'static str>,
}

impl PendingSql {
    /// Returns what a change would send, in order.
    pub(super) fn of(change: &'static Definition) -> Vec<PendingSql> {
        match change.body.steps() {
            None => vec![PendingSql::of_body(change, None, &change.body)],
            Some(steps) => (1..)
                .zip(steps)
                .map(|(number, step)| PendingSql::of_body(change, Some(number), &step.apply))
                .collect(),
        }
    }

    fn of_body(
        change: &'static Definition,
        step: Option<usize>,
        body: &'static Body<()>,
    ) -> PendingSql {
        let script = body.script();
        PendingSql {
            id: change.id,
            step,
            file: script.map_or(body.location.file, |script| script.file),
            line: script.map_or(body.location.line, |script| script.line),
            sql: script.map(|script| script.text),
        }
    }

    /// Returns the text under a comment that names its place, so that the whole is still SQL.
    pub(super) fn text(&self) -> String {
        let id = visible(self.id);
        let place = format!("{}:{}", visible(self.file), self.line);
        let step = self
            .step
            .map_or_else(String::new, |number| format!(", step {number}"));
        match self.sql {
            None => format!("-- {id}{step}: code at {place}"),
            Some(sql) => {
                let lines: Vec<String> = sql.trim_end().lines().map(line).collect();
                format!("-- {id}{step}: {place}\n{}", lines.join("\n"))
            }
        }
    }
}

/// Returns a line with blanks for the tabs that indent it, which would be shown as `\t`.
fn line(line: &str) -> String {
    let tabs = line.len() - line.trim_start_matches('\t').len();
    format!("{}{}", "    ".repeat(tabs), visible(&line[tabs..]))
}
