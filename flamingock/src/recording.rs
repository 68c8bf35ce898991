//! Writing what has happened already: worth waiting for a database that is away.

use std::time::Duration;

use tokio::time::Instant;

use crate::audit::{NewEntry, Possession, Store, StoreError, StoreErrorKind};
use crate::call::{Signals, Stop};

/// How long to rest before an entry is tried again that the database could not take.
const PAUSE: Duration = Duration::from_millis(250);

/// An entry that was not written.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// The possession is another's.
    Lost(String),
    /// The store could not.
    Failed(StoreError),
}

/// Appends an entry, once. Answers the place of the first one.
pub(crate) async fn append(
    store: &dyn Store,
    possession: &Possession,
    entries: &[NewEntry],
    signals: &Signals,
) -> Result<i64, Unwritten> {
    let appended = match signals.unless_lost(store.append(possession, entries)).await {
        Ok(appended) => appended,
        Err(reason) => return Err(Unwritten::Lost(reason)),
    };
    match appended {
        Ok(place) => Ok(place),
        Err(error) if error.kind == StoreErrorKind::Refused => Err(Unwritten::Lost(
            "another possession of the lock is there".to_owned(),
        )),
        Err(error) => Err(Unwritten::Failed(error)),
    }
}

/// Appends entries, again while the database is away or busy. An entry whose answer was lost may be
/// there twice then, and says the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Insisting<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) possession: &'a Possession,
    pub(crate) wait: Duration,
    pub(crate) signals: &'a Signals,
}

impl Insisting<'_> {
    pub(crate) async fn append(&self, entries: &[NewEntry]) -> Result<i64, Unwritten> {
        let deadline = Instant::now() + self.wait;
        loop {
            let error = match append(self.store, self.possession, entries, self.signals).await {
                Err(Unwritten::Failed(error)) => error,
                result => return result,
            };
            let worthwhile = matches!(
                error.kind,
                StoreErrorKind::Disconnected | StoreErrorKind::Busy | StoreErrorKind::Conflict
            );
            if !worthwhile || Instant::now() >= deadline {
                return Err(Unwritten::Failed(error));
            }
            if let Stop::Lost(reason) = self.signals.now() {
                return Err(Unwritten::Lost(reason));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
