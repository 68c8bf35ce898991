//! The arguments that select entries of the audit.

use std::time::SystemTime;

use clap::Args;

use super::time::since;
use crate::audit::entry::State;
use crate::audit::store::HistoryFilter;

/// Which entries, and how much of them.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Show every entry, oldest first
    #[arg(long)]
    pub(super) history: bool,
    #[command(flatten)]
    pub(super) entries: Entries,
    /// Show all fields of each entry
    #[arg(long)]
    pub(super) extended: bool,
    /// Show the operator, too, and reasons and errors even on narrow terminals
    #[arg(long)]
    pub(super) wide: bool,
}

impl List {
    /// Lists every one of the entries.
    pub(super) fn whole(entries: Entries) -> List {
        List {
            history: true,
            entries,
            extended: false,
            wide: false,
        }
    }
}

/// Which entries of the audit.
#[derive(Debug, Args)]
pub(super) struct Entries {
    /// Only attempts that began at or after this time: `2h` or `3d` ago, a date, or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
    /// Only this change
    #[arg(value_name = "ID")]
    change: Option<String>,
    /// Only entries with this state, such as FAILED
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<String>,
}

impl Entries {
    pub(super) fn filter(&self) -> HistoryFilter {
        HistoryFilter {
            change_id: self.change.clone(),
            state: self.state.as_deref().map(State::from),
            since: self.since,
            ..HistoryFilter::default()
        }
    }
}

const STATES: [&str; 8] = [
    "STARTED",
    "APPLIED",
    "FAILED",
    "ROLLED_BACK",
    "ROLLBACK_FAILED",
    "MANUAL_MARKED_AS_APPLIED",
    "MANUAL_MARKED_AS_ROLLED_BACK",
    "MANUAL_LOCK_RELEASED",
];

/// Parses a state in any case. A state that no version has written is a typing error.
fn state(text: &str) -> Result<String, String> {
    let text = text.to_ascii_uppercase();
    if STATES.contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(format!("use one of {}", STATES.join(", ")))
    }
}
