//! The lease of one lock owner, from its acquisition to its release.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::renewal::{Clock, First, Renewer, TAKEN};
use super::stop::{GRACE, StopReason, StopSignal};
use crate::audit::grant::AcquireRequest;
use crate::audit::grant::LockGrant;
use crate::audit::store::{Acquired, Store};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;
use crate::util::error_chain::ErrorChain;

/// The maximum length in characters of an activity that every database can store.
const LONGEST_ACTIVITY: usize = 500;

/// The pause before a request is repeated whose answer was lost.
const PAUSE: Duration = Duration::from_millis(50);

/// The action that failed, for errors of an acquisition.
const TAKING: &str = "could not take the lock";

/// A lock that this run owns, and whose lease is renewed until the lock is released.
///
/// Dropping it stops the renewals; the lock is free once its lease ends.
#[derive(Debug)]
pub(crate) struct Lease {
    grant: LockGrant,
    store: Arc<dyn Store>,
    clock: Clock,
    signals: StopSignal,
    /// Whether the lease ends with time, and not with the process.
    ends: bool,
    /// `None` if nothing renews the lease while a change runs.
    renewer: Option<Renewer>,
}

impl Lease {
    /// Acquires the lock if it is free, starts to renew its lease, and makes sure that nothing of
    /// an earlier owner can still be committed. Repeats a request whose answer was lost until the
    /// deadline. Returns `None` if the lock has another owner. `signals` reports a later loss of
    /// the lease.
    ///
    /// # Errors
    /// The lock could not be acquired, or the renewal of its lease could not be started.
    pub(crate) async fn take(
        store: &Arc<dyn Store>,
        claim: &AcquireRequest,
        deadline: Instant,
        signals: &StopSignal,
    ) -> Result<Option<Lease>, StoreError> {
        let Some((asked, acquired)) = acquire(&**store, claim, deadline).await? else {
            return Ok(None);
        };
        let clock = Clock::new(claim.lease, asked);
        let mut lease = Lease {
            grant: acquired.grant,
            store: Arc::clone(store),
            clock,
            signals: signals.clone(),
            ends: false,
            renewer: None,
        };
        if let Err(error) = lease.start_renewals().await {
            // A failed release costs the other processes a lease of waiting, and nothing else.
            let _ = lease.release(None).await;
            let action = "could not start the thread that renews the lease: the lock was released";
            return Err(StoreError::new(StoreErrorKind::Other, action, error));
        }
        if !lease.is_renewed().await {
            lease.forget().await;
            return Ok(None);
        }
        if acquired.previous_run.is_some()
            && let Err(error) = lease.end_previous().await
        {
            // Not released, so that the next owner terminates the earlier one's sessions.
            lease.forget().await;
            return Err(error);
        }
        Ok(Some(lease))
    }

    async fn start_renewals(&mut self) -> io::Result<()> {
        if let Some(renewer) = self.store.renewer() {
            let (grant, clock) = (self.grant.clone(), self.clock.clone());
            let renewer = Renewer::start(&*self.store, renewer, grant, clock, self.signals.clone());
            self.renewer = Some(renewer.await?);
            self.ends = true;
        }
        Ok(())
    }

    /// Waits for the first renewal. An answer that arrived late has used up the lease, and another
    /// process may have taken the lock meanwhile.
    async fn is_renewed(&mut self) -> bool {
        let Some(renewer) = &self.renewer else {
            return true;
        };
        let mut first = std::pin::pin!(renewer.first());
        let first = loop {
            tokio::select! {
                biased;
                first = &mut first => break first,
                () = tokio::time::sleep(self.clock.length() / 3) => {
                    if let Some(Ok(false)) = self.renew().await {
                        return false;
                    }
                }
            }
        };
        match first {
            First::Renewed => true,
            First::Taken => false,
            First::Failed => match self.renew().await {
                // The answers are slow, but the renewals have a connection.
                Some(Ok(true)) if self.clock.unrenewed() > self.clock.length() / 6 => true,
                Some(Ok(true)) => {
                    tracing::warn!(
                        "the database gives no second connection: the lease is renewed between changes only"
                    );
                    // The renewer would open connections again and again, and take them from the
                    // run.
                    self.stop().await;
                    true
                }
                Some(Ok(false)) => false,
                // The database is not reachable: it comes back, or the lease ends.
                Some(Err(_)) | None => true,
            },
        }
    }

    /// Renews the lease on a connection of the run. Returns `None` if no answer came.
    async fn renew(&self) -> Option<Result<bool, StoreError>> {
        let (asked, length) = (Instant::now(), self.clock.length());
        let renewal = self.store.renew(&self.grant, length, None);
        let renewed = tokio::time::timeout(length, renewal).await;
        match &renewed {
            Ok(Ok(true)) => self.clock.renewed(asked),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %ErrorChain::of(error), "lease not renewed");
            }
            Err(_) => tracing::warn!("lease not renewed: no answer from the database"),
        }
        renewed.ok()
    }

    async fn end_previous(&self) -> Result<(), StoreError> {
        let ending = self.store.end_previous(&self.grant, self.clock.length());
        match self.signals.unless_lost(ending).await {
            Ok(ended) => ended,
            Err(cut) => Err(StoreError::new(
                StoreErrorKind::Disconnected,
                TAKING,
                cut.to_string(),
            )),
        }
    }

    pub(crate) fn grant(&self) -> &LockGrant {
        &self.grant
    }

    /// Sets the activity that waiters see from the next renewal on. It is cut to a length that
    /// every database can store, because a renewal that is refused for its length would cost the
    /// lease.
    pub(crate) fn set_activity(&self, activity: &str) {
        if let Some(renewer) = &self.renewer {
            renewer.set_activity(activity.chars().take(LONGEST_ACTIVITY).collect());
        }
    }

    /// Renews the lease between two changes if the thread has no connection of its own.
    pub(crate) async fn refresh(&self) {
        let left = self.clock.left();
        if !self.ends || left > self.clock.length() / 2 {
            return;
        }
        if let Some(Ok(false)) = self.renew().await {
            self.signals.lose(TAKEN.to_owned());
        }
    }

    /// Makes sure that enough of the lease is left to call a function that no database can roll
    /// back, because earlier work may have used up the time. An error is the reason why the lease
    /// is lost.
    pub(crate) async fn confirm(&self) -> Result<(), String> {
        if !self.ends {
            return Ok(());
        }
        let length = self.clock.length();
        loop {
            match self.signals.now() {
                StopReason::Lost(reason) => return Err(reason),
                StopReason::No | StopReason::Asked => {}
            }
            if self.clock.left() >= length / 2 {
                return Ok(());
            }
            match self.renew().await {
                Some(Ok(true)) if self.clock.left() < length / 2 => {
                    let text = "the answers to its renewals come too late for a lease of";
                    let length = humantime::format_duration(length);
                    self.signals.lose(format!("{text} {length}"));
                }
                Some(Ok(true)) => {}
                Some(Ok(false)) => self.signals.lose(TAKEN.to_owned()),
                Some(Err(_)) | None if self.clock.left().is_zero() => {
                    self.signals.lose(self.clock.over());
                }
                Some(Err(_)) | None => tokio::time::sleep(length / 10).await,
            }
        }
    }

    /// Reports whether nothing renews the lease while a change uses the only connection.
    pub(crate) fn is_alone(&self) -> bool {
        self.ends && self.renewer.is_none()
    }

    /// Returns why a function that no database can roll back must not be called: it may take longer
    /// than the lease, which nothing renews meanwhile.
    pub(crate) fn refuses(&self, timeout: Option<Duration>) -> Option<ErrorChain> {
        let left = self.clock.left();
        if !self.is_alone() || timeout.is_some_and(|timeout| timeout < left) {
            return None;
        }
        let takes = match timeout {
            Some(timeout) => format!("may take {}", humantime::format_duration(timeout)),
            None => "has no timeout".to_owned(),
        };
        let length = humantime::format_duration(self.clock.length());
        Some(ErrorChain::text(&format!(
            "it is non-transactional and {takes}, and its lease of {length} can't be renewed while it runs, because the database gives no second connection. Allow a second connection, give the change a shorter `timeout`, or the lock a longer lease"
        )))
    }

    /// Releases the lock. If that fails, other processes wait until the lease ends, and nothing
    /// worse happens.
    pub(crate) async fn release(mut self, digest: Option<&str>) -> Result<(), StoreError> {
        self.stop().await;
        let deadline = Instant::now() + GRACE;
        loop {
            let release = self.store.release(&self.grant, digest);
            let error = match tokio::time::timeout(GRACE / 3, release).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(elapsed) => StoreError::new(
                    StoreErrorKind::Disconnected,
                    "could not release the lock",
                    elapsed,
                ),
            };
            if !is_worthwhile(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stops the renewals without releasing the lock, because it is lost, or because a release
    /// would tell the next owner that nothing is unfinished. The lock is free once its lease ends.
    pub(crate) async fn forget(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        if let Some(renewer) = self.renewer.take() {
            renewer.stop().await;
        }
    }
}

/// Acquires the lock, with retries if the answer is lost: the store gives it to the same run again.
/// Also returns when the request was sent.
async fn acquire(
    store: &dyn Store,
    claim: &AcquireRequest,
    deadline: Instant,
) -> Result<Option<(Instant, Acquired)>, StoreError> {
    loop {
        let asked = Instant::now();
        let limit = silence::limit(deadline.saturating_duration_since(asked));
        let error = match silence::answered(limit, store.acquire(claim)).await {
            Ok(Ok(acquired)) => return Ok(acquired.map(|acquired| (asked, acquired))),
            Ok(Err(error)) => error,
            Err(unanswered) => StoreError::new(StoreErrorKind::Disconnected, TAKING, unanswered),
        };
        if !is_worthwhile(&error) || Instant::now() >= deadline {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_worthwhile(error: &StoreError) -> bool {
    matches!(
        error.kind,
        StoreErrorKind::Disconnected | StoreErrorKind::Busy | StoreErrorKind::Conflict
    )
}
