//! The events of a schedule, with their times.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flamingock::audit::{Acquired, Entry, LockProgress, LockStatus, Snapshot};
use tokio::time::Instant;

/// The events, and the broken rules.
#[derive(Debug)]
pub struct Trace {
    began: Instant,
    /// None if the events are not needed.
    notes: Option<Mutex<Vec<(Duration, String)>>>,
    /// The broken rules, and whether a stall of the machine can break them.
    wrong: Mutex<Vec<(String, bool)>>,
}

impl Trace {
    /// A trace that begins now. Without events, it only contains broken rules.
    #[must_use]
    pub fn new(is_kept: bool) -> Trace {
        Trace {
            began: Instant::now(),
            notes: is_kept.then(Mutex::default),
            wrong: Mutex::default(),
        }
    }

    /// Records an event from outside.
    pub fn say(&self, what: String) {
        self.note(|| what);
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if let Some(notes) = &self.notes {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.push((self.began.elapsed(), what()));
        }
    }

    /// Records a broken rule.
    pub fn wrong(&self, what: String) {
        self.push(what, false);
    }

    /// Records a broken rule about time, which a stall of the machine breaks, too.
    pub fn late(&self, what: String) {
        self.push(what, true);
    }

    fn push(&self, what: String, is_about_time: bool) {
        self.note(|| format!("WRONG: {what}"));
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((what, is_about_time));
    }

    pub(crate) fn what_is_wrong(&self) -> Vec<(String, bool)> {
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn text(&self) -> String {
        let Some(notes) = &self.notes else {
            return String::new();
        };
        let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = notes
            .iter()
            .map(|(at, what)| format!("{:>9.3} s  {what}\n", at.as_secs_f64()));
        lines.collect()
    }
}

/// The text of an answer, without parts that differ between two plays of the same seed.
pub(crate) trait Told {
    fn told(&self) -> String;
}

fn owner(lock: &LockStatus) -> String {
    let run = lock.run_id.as_deref().unwrap_or_default();
    let run = run.trim_start_matches(|digit: char| digit != '0');
    let held = if lock.held { "held" } else { "free" };
    format!("token {} {held} by run {run:?}", lock.fencing_token)
}

impl Told for Snapshot {
    fn told(&self) -> String {
        let latest = self
            .latest
            .iter()
            .map(|one| format!("{} {}", one.change_id, one.state));
        let mut latest: Vec<String> = latest.collect();
        latest.sort();
        let lock = self.lock.as_ref().map(owner);
        format!("{}, {}", lock.unwrap_or_default(), latest.join(", "))
    }
}

impl Told for Option<LockProgress> {
    fn told(&self) -> String {
        self.as_ref()
            .map(|progress| owner(&progress.lock))
            .unwrap_or_default()
    }
}

impl Told for Option<Acquired> {
    fn told(&self) -> String {
        match self {
            Some(acquired) => format!("token {}", acquired.grant.fencing_token),
            None => "not obtained".to_owned(),
        }
    }
}

impl Told for Vec<Entry> {
    fn told(&self) -> String {
        format!("{} entries", self.len())
    }
}

impl Told for i64 {
    fn told(&self) -> String {
        format!("place {self}")
    }
}

impl Told for bool {
    fn told(&self) -> String {
        self.to_string()
    }
}

impl Told for () {
    fn told(&self) -> String {
        "done".to_owned()
    }
}
