//! Releasing the lock by force and recording it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::builder::Runner;
use super::operate::check_reason;
use crate::audit::entry::{Facts, NewEntry, Origin, State, TransactionMode};
use crate::audit::grant::{AcquireRequest, STARTUP, background_lane};
use crate::audit::snapshot::LockStatus;
use crate::audit::store::whole_snapshot;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::engine;
use crate::engine::collect::open_storage as open;
use crate::lock::lease::Lease;
use crate::report::error::Error;
use crate::target::storage::Storage;
use crate::util::random::new_id;

impl Runner {
    /// Takes the lock from its owner and releases it. Use it when the owner is known to be dead and
    /// its lease is too long to wait for.
    ///
    /// An owner that is alive after all can commit nothing from then on. A change that it had begun
    /// becomes an issue, or the next run resolves it.
    ///
    /// Returns the lock as it was. Returns `None`, and writes nothing, if the lock is free.
    ///
    /// The audit gets an entry with the state [`LockReleased`](State::LockReleased) and the reason,
    /// written with the new fencing token. It concerns no change, so its `change_id` is empty. Its
    /// metadata has the previous state of the lock as `taken_from`.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) if `reason` is blank.
    /// - [`LockTimeout`](crate::ErrorKind) if the owner's last transaction keeps the lock row
    ///   locked for longer than a run waits for the lock.
    /// - [`LeaseLost`](crate::ErrorKind) if the owner has ended meanwhile and the lock has a new owner,
    ///   from which it is not taken.
    /// - Any error while the lock is taken or released, or the entry is written. The message says
    ///   which of these was done.
    ///
    /// # Cancel safety
    /// If the future is dropped, the lock may have been taken from its owner without an entry that
    /// says so. It is then free once the new lease ends.
    pub async fn release_lock(&self, reason: &str) -> Result<Option<LockStatus>, Error> {
        self.release_forced(STARTUP, reason).await
    }

    /// Does the same with the lock of a change in the background.
    ///
    /// # Errors
    /// Those of [`release_lock`](Self::release_lock).
    ///
    /// # Cancel safety
    /// That of [`release_lock`](Self::release_lock).
    pub async fn release_lane(
        &self,
        change_id: &str,
        reason: &str,
    ) -> Result<Option<LockStatus>, Error> {
        self.release_forced(&background_lane(change_id), reason)
            .await
    }

    async fn release_forced(&self, lane: &str, reason: &str) -> Result<Option<LockStatus>, Error> {
        check_reason(
            reason,
            "a forced release needs a reason: say why the owner is known to be dead",
        )?;
        let storage = open(&self.settings)?;
        let Some(lock) = self.owner(&storage, lane).await? else {
            return Ok(None);
        };
        let Some(lease) = self.take_from(&storage, &lock).await? else {
            return Ok(None);
        };
        tracing::warn!(reason, owner = lock.owner, "lock released by force");
        let entry = self.entry_of_release(&lock, reason);
        let store = &*storage.store;
        let recorded = store.append(lease.grant(), &[entry]).await;
        let released = lease.release(None).await;
        match (recorded, released) {
            (Ok(_), Ok(())) => Ok(Some(lock)),
            (Err(error), Ok(())) => Err(half(
                "the lock was taken from its owner and released, but that could not be recorded",
                error,
            )),
            (Ok(_), Err(error)) => Err(half(
                "the lock was taken from its owner, which is on record, but it could not be released: it is free when its lease ends",
                error,
            )),
            (Err(error), Err(_)) => Err(half(
                "the lock was taken from its owner, but that could not be recorded, nor could the lock be released: it is free when its lease ends",
                error,
            )),
        }
    }

    /// Returns the lock if it has an owner now.
    async fn owner(&self, storage: &Storage, lane: &str) -> Result<Option<LockStatus>, Error> {
        let snapshot = whole_snapshot(&*storage.store, &self.settings.service).await;
        let snapshot = snapshot.map_err(Error::store)?;
        let mut locks = snapshot.lock.into_iter().chain(snapshot.lanes);
        Ok(locks.find(|lock| lock.held && lock.lane == lane))
    }

    /// Takes the lock from this owner only: an owner that came after it is not known to be dead.
    /// Returns `None` if the lock is free. Repeats the attempt, because an owner between its last
    /// entry and its commit keeps the row locked for some seconds.
    async fn take_from(
        &self,
        storage: &Storage,
        seen: &LockStatus,
    ) -> Result<Option<Lease>, Error> {
        let deadline = Instant::now() + self.settings.lock.bounded().wait;
        let forced = AcquireRequest {
            lane: seen.lane.clone(),
            ..self.claim(Some(seen.fencing_token))
        };
        loop {
            if let Some(lease) = self.take(storage, &forced).await? {
                return Ok(Some(lease));
            }
            let Some(now) = self.owner(storage, &seen.lane).await? else {
                return Ok(None);
            };
            if now.fencing_token != seen.fencing_token {
                return Err(another(seen, &now));
            }
            if Instant::now() >= deadline {
                let report = engine::look(&self.settings).await?;
                return Err(Error::lock_timeout(Some(now), report));
            }
            tokio::time::sleep(self.settings.lock.poll).await;
        }
    }

    fn entry_of_release(&self, lock: &LockStatus, reason: &str) -> NewEntry {
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
            description: format!("The lock was taken from {}.", lock.clone()),
            target: String::new(),
            state: State::LockReleased,
            transaction_mode: TransactionMode::None,
            recovery: None,
            origin: Origin::Operator,
            digest: String::new(),
            duration: Some(Duration::ZERO),
            location: String::new(),
            error: None,
            reason: Some(reason.to_owned()),
            idempotency_key: new_id(),
            origin_facts: Arc::new(facts),
        }
    }
}

/// Reports that the lock has a new owner, which may be alive.
fn another(seen: &LockStatus, now: &LockStatus) -> Error {
    let text = format!(
        "it was seen with {}, and has a new owner now: {}. If that one is known to be dead too, release again",
        seen.clone(),
        now,
    );
    Error::store(StoreError::new(
        StoreErrorKind::Refused,
        "the lock was not taken: another owner has it than the one that was seen",
        text,
    ))
}

fn half(what: &'static str, error: StoreError) -> Error {
    Error::store(StoreError::new(error.kind, what, error))
}
