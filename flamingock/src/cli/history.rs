//! The command `audit list`.

use std::io;

use serde_json::json;

use super::answer::Answer;
use super::entries::List;
use super::entry::extended;
use super::failure::Failure;
use super::table::{Sheet, Tone, colored, has_room_for, plain, stage};
use super::terminal;
use super::time::to_the_second;
use super::view::View;
use crate::audit::entry::{Entry, State};
use crate::audit::store::HistoryFilter;
use crate::runner::builder::Runner;

/// How many entries are read, and kept in memory, at once.
const PAGE: usize = 500;

/// Prints the entries page by page, because an audit grows for years.
pub(super) async fn list(runner: &Runner, list: List, view: &View) -> Result<Answer, Failure> {
    let filter = HistoryFilter {
        latest_only: !list.history,
        ..list.entries.filter()
    };
    let mut printing = Printing::new(list.extended, list.wide, view);
    let read = each_page(runner, &filter, view, |page| printing.page(page)).await;
    match read {
        Ok(()) => Ok(printing.end(None)),
        // Nothing is printed before the first page was read, so an error until then is the whole
        // result.
        Err(failure) if !printing.has_begun => Err(failure),
        Err(failure) => printing.broken(failure),
    }
}

/// Reads the entries page by page, and passes each page on. A reader that closes the output early
/// is no failure, but there is no reason to read on.
pub(super) async fn each_page(
    runner: &Runner,
    filter: &HistoryFilter,
    view: &View,
    mut print: impl FnMut(&[Entry]) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut last = 0;
    loop {
        let page = runner.history_page(filter, last, PAGE).await;
        let page = page.map_err(|error| Failure::of(error, &view.program))?;
        match page.last() {
            Some(entry) if print(&page).is_ok() => last = entry.seq,
            _ => return Ok(()),
        }
    }
}

/// The state of printing a history page by page.
struct Printing<'a> {
    extended: bool,
    wide: bool,
    view: &'a View,
    has_begun: bool,
}

impl Printing<'_> {
    fn new(extended: bool, wide: bool, view: &View) -> Printing<'_> {
        Printing {
            extended,
            wide,
            view,
            has_begun: false,
        }
    }

    fn page(&mut self, entries: &[Entry]) -> io::Result<()> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if self.view.json {
            let texts: Result<Vec<String>, _> = entries.iter().map(serde_json::to_string).collect();
            let before = if is_first { "{\"entries\":[" } else { "," };
            return terminal::print_json_part(&format!("{before}{}", texts?.join(",")));
        }
        if !self.extended {
            return terminal::print(&table(entries, self.wide, self.view));
        }
        let texts: Vec<String> = entries
            .iter()
            .map(|entry| extended(entry, self.view))
            .collect();
        let before = if is_first { "" } else { "\n" };
        terminal::print(&format!("{before}{}", texts.join("\n\n")))
    }

    /// Ends the document, with the error that interrupted it, if there is one.
    fn end(&self, failure: Option<&Failure>) -> Answer {
        match (self.has_begun, self.view.json) {
            (false, _) => Answer::data(json!({ "entries": [] }), "no entries"),
            (true, false) => Answer::printed(),
            (true, true) => {
                let error = failure.map(|failure| format!(",\"error\":{}", failure.json()));
                let _ = terminal::print_json(&format!("]{}}}", error.unwrap_or_default()));
                Answer::printed()
            }
        }
    }

    /// Ends a history that the database could not read to its end.
    fn broken(&self, failure: Failure) -> Result<Answer, Failure> {
        if self.view.json {
            Ok(self.end(Some(&failure)).ending(failure.exit))
        } else {
            Err(failure)
        }
    }
}

fn table(entries: &[Entry], wide: bool, view: &View) -> String {
    let mut headers = vec![
        "SEQ", "BEGAN", "STAGE", "CHANGE", "STATE", "ORIGIN", "REASON", "ERROR",
    ];
    if wide {
        headers.insert(6, "OPERATOR");
    }
    let mut sheet = Sheet::new(view, &headers);
    // On a narrow terminal only the states are kept whole: use `--wide` or `--extended` for the
    // texts.
    let has_texts = wide || has_room_for(120);
    let text = |text: Option<&str>| plain(text.filter(|_| has_texts).unwrap_or_default());
    for entry in entries {
        let mut row = vec![
            plain(entry.seq.to_string()),
            plain(to_the_second(entry.started_at)),
            stage(entry.stage.as_deref().unwrap_or_default()),
            plain(entry.change_id.as_deref().unwrap_or("(the lock)")),
            colored(entry.state.as_str(), tone(&entry.state)),
            plain(entry.origin.as_str()),
            text(entry.reason.as_deref()),
            text(first_line(entry)),
        ];
        if wide {
            row.insert(6, plain(entry.operator.as_deref().unwrap_or_default()));
        }
        sheet.row(row);
    }
    sheet.text()
}

/// Returns the first line of an entry's error.
fn first_line(entry: &Entry) -> Option<&str> {
    entry.error.as_ref()?.causes().first()?.lines().next()
}

fn tone(state: &State) -> Tone {
    match state {
        State::Applied | State::MarkedApplied => Tone::Good,
        State::RolledBack
        | State::MarkedRolledBack
        | State::Paused
        | State::Cancelled
        | State::Resumed => Tone::Waiting,
        State::LockReleased => Tone::Plain,
        State::Started => Tone::Working,
        State::Failed | State::RollbackFailed | State::Unknown(_) => Tone::Bad,
    }
}
