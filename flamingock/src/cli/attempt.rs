//! The entries of one attempt: enough for an operator, and no more than fits into memory.

use std::collections::VecDeque;

use crate::audit::entry::Entry;
use crate::audit::store::HistoryFilter;
use crate::report::error::Error;
use crate::runner::builder::Runner;

/// How many entries are read at once.
const PAGE: usize = 200;

/// How many entries are kept from the beginning, and from the end.
const KEPT: usize = 50;

/// The entries of an attempt: if there are many, the oldest and the latest of them.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    first: Vec<Entry>,
    last: VecDeque<Entry>,
    left_out: usize,
}

impl Attempt {
    pub(super) async fn read(runner: &Runner, id: &str, number: u32) -> Result<Attempt, Error> {
        let filter = HistoryFilter::default()
            .change(id.to_owned())
            .attempt(number);
        let (mut attempt, mut after) = (Attempt::default(), 0);
        loop {
            let page = runner.history_page(&filter, after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(attempt);
            };
            after = last.seq;
            for entry in page {
                attempt.push(entry);
            }
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.first.len() < KEPT {
            self.first.push(entry);
            return;
        }
        self.last.push_back(entry);
        if self.last.len() > KEPT {
            self.last.pop_front();
            self.left_out += 1;
        }
    }

    /// Returns the entries that were kept, oldest first.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + Clone {
        self.first.iter().chain(&self.last)
    }

    /// Returns a line for each entry, and one for the entries between that were left out.
    pub(super) fn lines(&self, line: fn(&Entry) -> String) -> Vec<String> {
        let mut lines: Vec<String> = self.first.iter().map(line).collect();
        if self.left_out > 0 {
            lines.push(format!(
                "{} more entries: `audit list --history` shows them",
                self.left_out
            ));
        }
        lines.extend(self.last.iter().map(line));
        lines
    }
}
