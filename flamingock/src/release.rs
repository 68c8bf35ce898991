//! A lock that is taken from its owner by force, on record.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::audit::{
    Facts, LockRow, NewEntry, Origin, Possession, State, Store, StoreError, TransactionMode,
};
use crate::engine;
use crate::error::Error;
use crate::lock::Holder;
use crate::operate::{invalid, open};
use crate::runner::Runner;

impl Runner {
    /// Takes the lock from whoever has it, and gives it back: for an owner that is known to be dead
    /// when its lease is too long to wait for. A living owner can commit nothing any more; what it
    /// had begun is an issue, or is resolved, at the next start. Answers who had it; without an
    /// owner nothing is taken, and nothing written.
    ///
    /// The audit gets an entry of the state [`LockReleased`](State::LockReleased) with the reason,
    /// under the possession that was taken: about no change, and so with an empty `change_id`. Its
    /// metadata has `taken_from`, the lock as it was.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a reason; [`Error::LockTimeout`] if the owner's last transaction
    /// keeps the lock for longer than the runner waits; whatever keeps the lock from being taken,
    /// the entry from being written or the lock from being given back: the message says which of
    /// them was done.
    pub async fn release_lock(&self, reason: &str) -> Result<Option<LockRow>, Error> {
        if reason.trim().is_empty() {
            return Err(invalid(
                "a forced release needs a reason: say why the owner is known to be dead",
            ));
        }
        let storage = open(&self.settings)?;
        let store = &*storage.store;
        let snapshot = store.snapshot(&self.settings.service, "").await;
        let Some(lock) = snapshot
            .map_err(Error::store)?
            .lock
            .filter(|lock| lock.held)
        else {
            return Ok(None);
        };
        let possession = self.take(store, &lock).await?;
        tracing::warn!(reason, "lock taken from {}", Holder(lock.clone()));
        let entry = self.entry_of_release(&lock, reason);
        let recorded = store.append(&possession, &[entry]).await;
        let released = store.release(&possession, None).await;
        match (recorded, released) {
            (Ok(_), Ok(())) => Ok(Some(lock)),
            (Err(error), Ok(())) => Err(half(
                "the lock was taken from its owner and given back, but that could not be recorded",
                error,
            )),
            (Ok(_), Err(error)) => Err(half(
                "the lock was taken from its owner, which is on record, but it could not be given back: it is free when its lease ends",
                error,
            )),
            (Err(error), Err(_)) => Err(half(
                "the lock was taken from its owner, but that could not be recorded, nor could the lock be given back: it is free when its lease ends",
                error,
            )),
        }
    }

    /// Whoever is between its last entry and its commit keeps the row for some seconds.
    async fn take(&self, store: &dyn Store, from: &LockRow) -> Result<Possession, Error> {
        let forced = self.claim(true);
        let deadline = Instant::now() + self.settings.lock.wait;
        loop {
            match store.acquire(&forced).await.map_err(Error::store)? {
                Some(possession) => return Ok(possession),
                None if Instant::now() >= deadline => {
                    let report = engine::look(&self.settings).await?;
                    return Err(Error::lock_timeout(Some(from.clone()), report));
                }
                None => tokio::time::sleep(self.settings.lock.poll).await,
            }
        }
    }

    fn entry_of_release(&self, lock: &LockRow, reason: &str) -> NewEntry {
        let mut metadata = self.settings.metadata.clone();
        metadata.insert("taken_from".to_owned(), json!(lock));
        let facts = Facts {
            metadata: Some(serde_json::Value::Object(metadata).to_string()),
            ..engine::facts(&self.settings)
        };
        NewEntry {
            attempt: 0,
            stage: String::new(),
            change_id: String::new(),
            change_order: String::new(),
            author: String::new(),
            description: format!("The lock was taken from {}.", Holder(lock.clone())),
            target: String::new(),
            state: State::LockReleased,
            transaction_mode: TransactionMode::None,
            recovery: String::new(),
            origin: Origin::Operator,
            digest: String::new(),
            duration: Some(Duration::ZERO),
            location: String::new(),
            error: None,
            reason: Some(reason.to_owned()),
            origin_facts: Arc::new(facts),
        }
    }
}

fn half(what: &'static str, error: StoreError) -> Error {
    Error::store(StoreError::new(error.kind, what, error))
}
