//! The lock of one owner, from the moment it is taken until it is given back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::renewal::{Clock, First, Renewer, TAKEN};
use super::stop::{GRACE, StopReason, StopSignal};
use crate::audit::snapshot::LockGrant;
use crate::audit::store::{AcquireRequest, Acquired, Store};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;
use crate::util::error_chain::ErrorChain;

/// How many characters of what an owner is doing every database keeps.
const LONGEST_ACTIVITY: usize = 500;

/// How long to rest before something is asked again whose answer was lost.
const PAUSE: Duration = Duration::from_millis(50);

/// What could not be done.
const TAKING: &str = "could not take the lock";

/// A lock that is ours, and whose lease is renewed, until it is given back.
///
/// Dropped, it is renewed no more, and free once its lease is over.
#[derive(Debug)]
pub(crate) struct Lease {
    grant: LockGrant,
    store: Arc<dyn Store>,
    clock: Clock,
    signals: StopSignal,
    /// Whether the lease ends by itself, and not with the process.
    ends: bool,
    /// None where nothing renews the lease beside a change.
    renewer: Option<Renewer>,
}

impl Lease {
    /// Takes the lock if it is free, renews its lease from then on, and sees to it that nothing of an
    /// earlier owner can still be committed. A claim whose answer is lost is repeated until the
    /// deadline. None: somebody else has it. A later loss is told to `signals`.
    ///
    /// # Errors
    /// Whatever keeps the lock from being taken, or its lease from being renewed.
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
            // Nobody could find out that it is over.
            let _ = lease.release(None).await;
            let action =
                "could not start the thread that renews the lease: the lock was given back";
            return Err(StoreError::new(StoreErrorKind::Other, action, error));
        }
        if !lease.is_renewed().await {
            lease.forget().await;
            return Ok(None);
        }
        if acquired.previous_run.is_some()
            && let Err(error) = lease.end_previous().await
        {
            // Its next owner must look again.
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

    /// Waits for the first renewal: a late answer has used the lease up, and may have cost the lock.
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
                // Slow answers are no lack of a connection.
                Some(Ok(true)) if self.clock.unrenewed() > self.clock.length() / 6 => true,
                Some(Ok(true)) => {
                    tracing::warn!(
                        "the database gives no second connection: the lease is renewed between changes only"
                    );
                    // It would take the connection from the run each time that this is closed.
                    self.stop().await;
                    true
                }
                Some(Ok(false)) => false,
                // The database is away: the lease ends, or it comes back.
                Some(Err(_)) | None => true,
            },
        }
    }

    /// Renews on a connection of the run. None: no answer came.
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

    /// What waiters are told that the owner is doing, from the next renewal on. It is cut where it is too
    /// long to be kept: a renewal that is refused for that would cost the lease.
    pub(crate) fn set_activity(&self, activity: &str) {
        if let Some(renewer) = &self.renewer {
            renewer.set_activity(activity.chars().take(LONGEST_ACTIVITY).collect());
        }
    }

    /// Renews between two changes where the thread does not get a connection of its own.
    pub(crate) async fn refresh(&self) {
        let left = self.clock.left();
        if !self.ends || left > self.clock.length() / 2 {
            return;
        }
        if let Some(Ok(false)) = self.renew().await {
            self.signals.lose(TAKEN.to_owned());
        }
    }

    /// Sees to it that enough of the lease is left for a function that no database can take back: what
    /// was done before it may have taken the time. An error is how the lock was lost.
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

    /// Whether nothing renews the lease while a change has the only connection.
    pub(crate) fn is_alone(&self) -> bool {
        self.ends && self.renewer.is_none()
    }

    /// Why a function that no database can take back, and that may take so long, is not called: nothing
    /// would renew the lease meanwhile.
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

    /// Gives the lock back. A failure only means that others wait for the end of the lease.
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
                    "could not give the lock back",
                    elapsed,
                ),
            };
            if !is_worthwhile(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends the renewals of a lock that is lost, or that nobody may take for given back: it is free when
    /// its lease is over.
    pub(crate) async fn forget(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        if let Some(renewer) = self.renewer.take() {
            renewer.stop().await;
        }
    }
}

/// Claims the lock, again where the answer is lost: the store gives it to the same run once. Answers also
/// when it was asked for.
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
