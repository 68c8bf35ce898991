//! What renews a lease beside the run, whatever the application's own threads are doing.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::stop::StopSignal;
use crate::audit::snapshot::LockGrant;
use crate::audit::store::{LeaseRenewer, Store};
use crate::audit::store_error::StoreErrorKind;
use crate::util::error_chain::ErrorChain;

/// Why the lock is lost when its row says so.
pub(super) const TAKEN: &str = "the lock has another owner";

/// How long a thread may take to end that was told to.
const END: Duration = Duration::from_secs(1);

/// How long the first renewal may take at least, for which a connection is made. The run renews the lease
/// itself meanwhile.
const FIRST: Duration = Duration::from_secs(3);

/// What the run and the thread know of the lease.
#[derive(Clone, Debug)]
pub(super) struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    length: Duration,
    /// When the newest request was sent that has moved the end of the lease.
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

    /// The lease was renewed by a request that was sent then. Answers may overtake each other.
    pub(super) fn renewed(&self, asked: Instant) {
        let mut newest = self.asked();
        *newest = asked.max(*newest);
    }

    pub(super) fn unrenewed(&self) -> Duration {
        self.asked().elapsed()
    }

    /// What is left of the lease, counted from before it was asked for.
    pub(super) fn left(&self) -> Duration {
        self.0.length.saturating_sub(self.unrenewed())
    }

    /// Why the lock is lost whose lease is over.
    pub(super) fn over(&self) -> String {
        format!(
            "the lease could not be renewed for {}, longer than it lasts: the database did not answer, or gave no second connection while a change had the first (a pooler needs at least 2 to the server)",
            humantime::format_duration(Duration::from_secs(self.unrenewed().as_secs()))
        )
    }
}

/// What came of the renewal that follows the acquisition at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The lease is renewed, or nobody else can take it.
    Renewed,
    /// Somebody else has the lock: the answer to its acquisition came too late.
    Taken,
    /// It could not be renewed this way.
    Failed,
}

/// The handle of the renewals. They end when it is dropped.
#[derive(Debug)]
pub(super) struct Renewer {
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
    first: watch::Receiver<Option<First>>,
    activity: Arc<Mutex<Option<String>>>,
}

impl Renewer {
    /// Starts to renew, at once.
    ///
    /// # Errors
    /// They could not be started: nothing renews the lease.
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

    /// Waits for what comes of the first renewal.
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

    /// Ends the renewals. One that is on its way is not waited for: what it asks for is about a lock
    /// that is given back, or has another owner.
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
        // Whoever drops the handle wants an end, too.
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
        let first = match self.renew_once(FIRST).await {
            Ok(true) | Err(Some(StoreErrorKind::Busy)) => First::Renewed,
            Ok(false) => First::Taken,
            Err(_) => First::Failed,
        };
        self.first.send_replace(Some(first));
        let length = self.clock.length();
        let mut pause = match first {
            First::Renewed => length / 3,
            First::Taken => return,
            First::Failed => length / 10,
        };
        loop {
            tokio::time::sleep(pause).await;
            let renewed = self.renew_once(Duration::ZERO).await;
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

    /// The renewal, cut short well before the lease would end, or later.
    async fn renew_once(&self, at_least: Duration) -> Result<bool, Option<StoreErrorKind>> {
        let activity = self.activity.lock();
        let activity = activity.unwrap_or_else(PoisonError::into_inner).clone();
        let length = self.clock.length();
        let asked = Instant::now();
        let renewal = self.renewer.renew(&self.grant, length, activity.as_deref());
        match tokio::time::timeout(at_least.max(length / 6), renewal).await {
            Ok(Ok(true)) => {
                tracing::debug!("lease renewed");
                self.clock.renewed(asked);
                Ok(true)
            }
            Ok(Ok(false)) => Ok(false),
            Ok(Err(error)) => {
                tracing::warn!(error = %ErrorChain::of(&error), "lease not renewed");
                // Whoever writes has the file to himself: nobody takes the lock meanwhile, and the
                // next renewal tells.
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
