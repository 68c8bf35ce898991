//! Renewing a lease in parallel to the run, independently of the application's own threads.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::stop::StopSignal;
use crate::audit::grant::LockGrant;
use crate::audit::store::{LeaseRenewer, Store};
use crate::audit::store_error::StoreErrorKind;
use crate::util::error_chain::ErrorChain;

/// The reason for the loss if the row of the lock shows another owner.
pub(super) const TAKEN: &str = "the lock has another owner";

/// How long to wait for the thread to end after it was asked to.
const END: Duration = Duration::from_secs(1);

/// The minimum time for the first renewal, which has to open a connection, and the time for its
/// second try. The run renews the lease itself meanwhile.
const FIRST: Duration = Duration::from_secs(3);

/// The time of the last renewal, shared by the run and the thread.
#[derive(Clone, Debug)]
pub(super) struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    length: Duration,
    /// When the latest request was sent that extended the lease.
    asked: Mutex<Instant>,
}

impl Clock {
    pub(super) fn new(length: Duration, asked: Instant) -> Clock {
        Clock(Arc::new(Inner {
            length,
            asked: Mutex::new(asked),
        }))
    }

    pub(super) fn length(&self) -> Duration {
        self.0.length
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the request sent at this time has renewed the lease. Answers can arrive out of
    /// order.
    pub(super) fn renewed(&self, asked: Instant) {
        let mut latest = self.asked();
        *latest = asked.max(*latest);
    }

    pub(super) fn unrenewed(&self) -> Duration {
        self.asked().elapsed()
    }

    /// Returns the rest of the lease, counted from the moment before the request was sent.
    pub(super) fn left(&self) -> Duration {
        self.0.length.saturating_sub(self.unrenewed())
    }

    /// Returns the reason for the loss of a lease that has ended.
    pub(super) fn over(&self) -> String {
        format!(
            "the lease could not be renewed for {}, longer than it lasts: the database did not answer, or gave no second connection while a change had the first (a pooler needs at least 2 to the server)",
            humantime::format_duration(Duration::from_secs(self.unrenewed().as_secs()))
        )
    }
}

/// The result of the first renewal, which follows the acquisition at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The lease is renewed, or no other process can take the lock now.
    Renewed,
    /// The lock has another owner: the answer to the acquisition arrived too late.
    Taken,
    /// The lease could not be renewed on a connection of its own.
    Failed,
}

/// The handle of the renewals, which end when it is dropped.
#[derive(Debug)]
pub(super) struct Renewer {
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
    first: watch::Receiver<Option<First>>,
    activity: Arc<Mutex<Option<String>>>,
}

impl Renewer {
    /// Starts the renewals; the first one follows at once.
    ///
    /// # Errors
    /// The renewals could not be started, so nothing renews the lease.
    pub(super) async fn start(
        store: &dyn Store,
        renewer: Box<dyn LeaseRenewer>,
        grant: LockGrant,
        clock: Clock,
        signals: StopSignal,
    ) -> io::Result<Renewer> {
        let activity = Arc::new(Mutex::new(None));
        let (stop, stop_asked) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let (begun, begins) = oneshot::channel();
        let (told, first) = watch::channel(None);
        let renewal = Renewal {
            renewer,
            grant,
            clock,
            signals,
            first: told,
            activity: Arc::clone(&activity),
        };
        store.renew_beside(Box::pin(async move {
            let _ = begun.send(());
            renewal.renew_until(stop_asked).await;
            let _ = ended.send(());
        }))?;
        begins
            .await
            .map_err(|_| io::Error::other("the thread ended at once"))?;
        Ok(Renewer {
            stop,
            stopped,
            first,
            activity,
        })
    }

    /// Waits for the result of the first renewal.
    pub(super) fn first(&self) -> impl Future<Output = First> + Send + use<> {
        let mut told = self.first.clone();
        async move {
            match told.wait_for(Option::is_some).await {
                Ok(first) => first.unwrap_or(First::Failed),
                Err(_) => First::Failed,
            }
        }
    }

    pub(super) fn set_activity(&self, activity: String) {
        let now = self.activity.lock();
        *now.unwrap_or_else(PoisonError::into_inner) = Some(activity);
    }

    /// Ends the renewals. Does not wait for one that is in flight: its lock is released, or has
    /// another owner.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(END, self.stopped).await;
    }
}

struct Renewal {
    renewer: Box<dyn LeaseRenewer>,
    grant: LockGrant,
    clock: Clock,
    signals: StopSignal,
    first: watch::Sender<Option<First>>,
    activity: Arc<Mutex<Option<String>>>,
}

impl Renewal {
    async fn renew_until(self, stop: oneshot::Receiver<()>) {
        // A dropped handle also ends the renewals.
        let stop = async {
            let _ = stop.await;
        };
        tokio::select! {
            biased;
            () = stop => {}
            () = self.renew() => {}
        }
    }

    async fn renew(self) {
        let length = self.clock.length();
        let limit = length / 6;
        let mut first = self.renew_first(limit.max(FIRST)).await;
        if first == First::Failed {
            // One lost or late answer does not show that there is no second connection.
            first = self.renew_first(FIRST).await;
        }
        self.first.send_replace(Some(first));
        let mut pause = match first {
            First::Renewed => length / 3,
            First::Taken => return,
            First::Failed => length / 10,
        };
        loop {
            tokio::time::sleep(pause).await;
            let renewed = self.renew_once(limit).await;
            let left = self.clock.left();
            pause = match renewed {
                Ok(true) => length / 3,
                Ok(false) => {
                    self.signals.lose(TAKEN.to_owned());
                    return;
                }
                Err(_) if left.is_zero() => {
                    self.signals.lose(self.clock.over());
                    return;
                }
                Err(_) => (length / 10).min(left),
            };
        }
    }

    async fn renew_first(&self, limit: Duration) -> First {
        match self.renew_once(limit).await {
            Ok(true) | Err(Some(StoreErrorKind::Busy)) => First::Renewed,
            Ok(false) => First::Taken,
            Err(_) => First::Failed,
        }
    }

    /// Renews the lease once, if the answer comes in time.
    async fn renew_once(&self, limit: Duration) -> Result<bool, Option<StoreErrorKind>> {
        let activity = self.activity.lock();
        let activity = activity.unwrap_or_else(PoisonError::into_inner).clone();
        let length = self.clock.length();
        let asked = Instant::now();
        let renewal = self.renewer.renew(&self.grant, length, activity.as_deref());
        match tokio::time::timeout(limit, renewal).await {
            Ok(Ok(true)) => {
                tracing::debug!("lease renewed");
                self.clock.renewed(asked);
                Ok(true)
            }
            Ok(Ok(false)) => Ok(false),
            Ok(Err(error)) => {
                tracing::warn!(error = %ErrorChain::of(&error), "lease not renewed");
                // The connection that writes has the database file to itself, so no process can
                // take the lock meanwhile. The next renewal shows who owns it.
                if error.kind == StoreErrorKind::Busy {
                    self.clock.renewed(asked);
                }
                Err(Some(error.kind))
            }
            Err(_) => {
                tracing::warn!("lease not renewed: no answer from the database");
                Err(None)
            }
        }
    }
}
