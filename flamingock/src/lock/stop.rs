//! Why a run stops, and how its parts are told.

use super::silence::Unanswered;
use crate::lock::silence;
use std::time::Duration;
use tokio::sync::watch;

/// How long a statement of ours may still take once the lock is lost.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Why a run should not go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// It should.
    #[default]
    No,
    /// The application asked for it.
    Asked,
    /// The lock is, or may be, another's.
    Lost(String),
}

/// Tells every part of a run when to stop.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal {
    stop: watch::Sender<StopReason>,
    cancelled: watch::Sender<bool>,
    /// How long an answer to a statement of ours may take.
    limit: Duration,
}

/// Why an answer to a statement of ours was waited for no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// The lock is lost, and no answer came soon.
    #[error("{0}")]
    Lost(String),
    /// The lock is ours, but nobody answers.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl StopSignal {
    /// For a run that waits for its lock for so long: an answer may take a little longer.
    pub(crate) fn new(wait: Duration) -> StopSignal {
        StopSignal {
            stop: watch::Sender::new(StopReason::No),
            cancelled: watch::Sender::new(false),
            limit: silence::limit(wait),
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

    /// What a change's context watches.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.subscribe()
    }

    /// Waits for work of ours, which is not cut short while the lock is ours and there are answers; but an
    /// answer that may never come is not waited for, nor the lease renewed for it. Functions of the user
    /// in the work take the time that they take.
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

    /// Waits for a reason that `matters`; for ever if none comes.
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
