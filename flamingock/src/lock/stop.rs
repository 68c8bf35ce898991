//! The reasons for which a run stops, and the signal that passes them to its parts.

use super::silence::Unanswered;
use crate::lock::silence;
use std::time::Duration;
use tokio::sync::watch;

/// How long a statement may still take once the lock is lost.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Why a run should stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// There is no reason to stop.
    #[default]
    No,
    /// The application requested it.
    Asked,
    /// The lock has, or may have, another owner.
    Lost(String),
}

/// The signal that tells every part of a run to stop.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal {
    stop: watch::Sender<StopReason>,
    cancelled: watch::Sender<bool>,
    /// How long the answer to a statement may take.
    limit: Duration,
}

/// Why waiting for an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// The lock is lost, and the answer did not arrive soon.
    #[error("{0}")]
    Lost(String),
    /// This run still owns the lock, but no answer arrived.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl StopSignal {
    /// Creates the signal of a run that waits this long for its lock; an answer may take a little
    /// longer.
    pub(crate) fn new(wait: Duration) -> StopSignal {
        StopSignal {
            stop: watch::Sender::new(StopReason::No),
            cancelled: watch::Sender::new(false),
            limit: silence::limit(wait),
        }
    }

    /// Returns the signal for a part of the run that has another lock, and may lose it alone.
    pub(crate) fn of_another_lock(&self) -> StopSignal {
        StopSignal {
            stop: watch::Sender::new(StopReason::No),
            cancelled: watch::Sender::new(false),
            limit: self.limit,
        }
    }

    pub(crate) fn ask(&self) {
        self.stop.send_if_modified(|stop| {
            let first = *stop == StopReason::No;
            if first {
                *stop = StopReason::Asked;
            }
            first
        });
        self.cancelled.send_replace(true);
    }

    pub(crate) fn lose(&self, reason: String) {
        self.stop.send_if_modified(|stop| {
            let first = !matches!(stop, StopReason::Lost(_));
            if first {
                *stop = StopReason::Lost(reason);
            }
            first
        });
        self.cancelled.send_replace(true);
    }

    pub(crate) fn now(&self) -> StopReason {
        self.stop.borrow().clone()
    }

    /// Returns the receiver that a change's context watches.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.subscribe()
    }

    /// Waits for work that talks to the database. While the lock is owned and answers arrive, the
    /// work is not cut off. It is dropped when an answer does not arrive in time, and soon after
    /// the lease is lost, because a renewed lease must not keep other runs waiting for an answer
    /// that never comes. Functions of the user inside the work may take any time.
    pub(crate) async fn unless_lost<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        let lost = async {
            let stop = self.wait(|stop| matches!(stop, StopReason::Lost(_))).await;
            tokio::time::sleep(GRACE).await;
            stop
        };
        tokio::select! {
            biased;
            done = silence::answered(self.limit, work) => Ok(done?),
            stop = lost => Err(Cut::Lost(match stop {
                StopReason::Lost(reason) => reason,
                StopReason::No | StopReason::Asked => String::new(),
            })),
        }
    }

    /// Waits for a reason for which `matters` returns true; forever if there is none.
    pub(crate) async fn wait(&self, matters: impl Fn(&StopReason) -> bool) -> StopReason {
        let mut stop = self.stop.subscribe();
        loop {
            let now = stop.borrow_and_update().clone();
            if matters(&now) {
                return now;
            }
            if stop.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
