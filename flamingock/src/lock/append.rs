//! Appending entries about what has happened already, with retries while the database is not
//! available.

use std::time::Duration;

use tokio::time::Instant;

use super::stop::{Cut, StopReason, StopSignal};
use crate::audit::entry::{Entry, NewEntry};
use crate::audit::grant::LockGrant;
use crate::audit::store::{HistoryFilter, Store};
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// The pause before an entry is sent again.
const PAUSE: Duration = Duration::from_millis(250);

/// Why an entry was not written.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The lock has another owner.
    Lost(String),
    /// The store failed.
    Failed(StoreError),
}

impl From<Cut> for AppendError {
    fn from(cut: Cut) -> AppendError {
        match cut {
            Cut::Lost(reason) => AppendError::Lost(reason),
            Cut::Unanswered(unanswered) => AppendError::Failed(StoreError::new(
                StoreErrorKind::Disconnected,
                "could not write to the audit",
                unanswered,
            )),
        }
    }
}

/// Appends entries, without retries. Returns the position of the first one.
pub(crate) async fn append(
    store: &dyn Store,
    grant: &LockGrant,
    entries: &[NewEntry],
    signals: &StopSignal,
) -> Result<i64, AppendError> {
    let appended = match signals.unless_lost(store.append(grant, entries)).await {
        Ok(appended) => appended,
        Err(cut) => return Err(cut.into()),
    };
    match appended {
        Ok(place) => Ok(place),
        Err(error) if error.kind == StoreErrorKind::Refused => {
            Err(AppendError::Lost("the lock has another owner".to_owned()))
        }
        Err(error) => Err(AppendError::Failed(error)),
    }
}

/// Appends entries, with retries while the database is not reachable or busy. If an answer may have
/// been lost, it first reads which entries were written, so that none is written twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryingAppend<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) grant: &'a LockGrant,
    pub(crate) wait: Duration,
    pub(crate) signals: &'a StopSignal,
}

impl RetryingAppend<'_> {
    pub(crate) async fn append(&self, entries: &[NewEntry]) -> Result<i64, AppendError> {
        let deadline = Instant::now() + self.wait;
        let mut first = None;
        let mut missing = entries;
        let mut is_unsure = false;
        loop {
            let done = if is_unsure {
                self.on_record(missing).await
            } else {
                let appended = append(self.store, self.grant, missing, self.signals).await;
                appended.map(|place| (vec![place], missing.len()))
            };
            let error = match done {
                Ok((places, written)) => {
                    first = first.or(places.first().copied());
                    missing = &missing[written..];
                    is_unsure = false;
                    match first {
                        Some(place) if missing.is_empty() => return Ok(place),
                        Some(_) | None => continue,
                    }
                }
                Err(AppendError::Failed(error)) => error,
                Err(lost) => return Err(lost),
            };
            is_unsure |= error.kind == StoreErrorKind::Disconnected;
            let worthwhile = matches!(
                error.kind,
                StoreErrorKind::Disconnected
                    | StoreErrorKind::ReadOnly
                    | StoreErrorKind::Busy
                    | StoreErrorKind::Conflict
            );
            if !worthwhile || Instant::now() >= deadline {
                return Err(AppendError::Failed(error));
            }
            if let StopReason::Lost(reason) = self.signals.now() {
                return Err(AppendError::Lost(reason));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the positions of the entries that were written, and their number. Entries are
    /// written in order, so those that are missing are the last ones.
    async fn on_record(&self, entries: &[NewEntry]) -> Result<(Vec<i64>, usize), AppendError> {
        let filter = HistoryFilter {
            change_id: entries.first().map(|entry| entry.change_id.clone()),
            ..HistoryFilter::default().run(self.grant.run_id.clone())
        };
        let history = self.store.history(&self.grant.service, &filter);
        let history = match self.signals.unless_lost(history).await {
            Ok(history) => history.map_err(AppendError::Failed)?,
            Err(cut) => return Err(cut.into()),
        };
        let place_of = |entry: &NewEntry| {
            let is_it =
                |found: &&Entry| found.idempotency_key.as_ref() == Some(&entry.idempotency_key);
            history.iter().rev().find(is_it).map(|found| found.seq)
        };
        let places: Vec<i64> = entries.iter().map_while(place_of).collect();
        let written = places.len();
        Ok((places, written))
    }
}
