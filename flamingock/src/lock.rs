//! The lock: one possession per service, kept alive by a thread of its own.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::audit::{LeaseKeeper, LockRow, Possession, Store, StoreError, StoreErrorKind};
use crate::call::Signals;
use crate::change::BoxFuture;
use crate::visible::Visible;

/// How long things about the lock take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockOptions {
    /// How long a possession lasts after its last renewal: how long everybody waits after an owner
    /// has died. Renewed at a third of it. 30 seconds by default.
    pub lease: Duration,
    /// How long to wait for another owner. 3 minutes by default.
    pub wait: Duration,
    /// How long a waiter pauses at first between two looks; it grows to one second, and is cut short
    /// where the other run's progress tells when it will end. 50 milliseconds by default.
    pub poll: Duration,
}

impl LockOptions {
    /// A wait that a clock can be asked to add: "for ever" is a year.
    pub(crate) fn bounded(self) -> LockOptions {
        LockOptions {
            wait: self.wait.min(Duration::from_secs(365 * 24 * 60 * 60)),
            ..self
        }
    }
}

impl Default for LockOptions {
    fn default() -> Self {
        LockOptions {
            lease: Duration::from_secs(30),
            wait: Duration::from_secs(180),
            poll: Duration::from_millis(50),
        }
    }
}

/// Why a possession is lost when its row says so.
const TAKEN: &str = "another possession of the lock is there";

/// How many characters of what an owner is doing every database keeps.
const LONGEST_ACTIVITY: usize = 500;

/// What to do when the lock was not obtained in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLockTimeout {
    /// The run fails.
    #[default]
    Fail,
    /// The run succeeds with a report that says that nothing is guaranteed.
    Continue,
}

/// Who has the lock, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(pub(crate) LockRow);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, acquired_at) = (Visible(&self.0.owner), Visible(&self.0.acquired_at));
        write!(f, "{owner} since {acquired_at}")?;
        match &self.0.expires_at {
            Some(expires) => write!(f, ", until {} unless renewed", Visible(expires))?,
            None => f.write_str(", as long as its process lives")?,
        }
        match &self.0.activity {
            Some(activity) => write!(f, ", now at {}", Visible(activity)),
            None => Ok(()),
        }
    }
}

/// A possession that is kept alive, until it is given back.
#[derive(Debug)]
pub(crate) struct Lease {
    possession: Possession,
    store: Arc<dyn Store>,
    lease: Duration,
    last_good: LastGood,
    keeper: Option<Keeper>,
}

/// When the lease was last known to be ours.
#[derive(Clone, Debug)]
struct LastGood(Arc<std::sync::Mutex<Instant>>);

impl LastGood {
    fn now() -> LastGood {
        LastGood(Arc::new(std::sync::Mutex::new(Instant::now())))
    }

    fn set(&self, asked: Instant) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = asked;
    }

    fn elapsed(&self) -> Duration {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .elapsed()
    }
}

#[derive(Debug)]
struct Keeper {
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
    activity: Arc<std::sync::Mutex<Option<String>>>,
}

impl Lease {
    /// Starts to renew a possession that was just obtained. A loss is told to `signals`.
    pub(crate) fn keep(
        possession: Possession,
        store: Arc<dyn Store>,
        lease: Duration,
        signals: &Signals,
    ) -> Lease {
        let last_good = LastGood::now();
        let keeper = store.keeper().and_then(|keeper| {
            let activity = Arc::new(std::sync::Mutex::new(None));
            let (stop, stop_asked) = oneshot::channel();
            let (ended, stopped) = oneshot::channel();
            let renewal = Renewal {
                keeper,
                possession: possession.clone(),
                lease,
                last_good: last_good.clone(),
                signals: signals.clone(),
                activity: Arc::clone(&activity),
            };
            let renewals = Box::pin(async move {
                renewal.renew_until(stop_asked).await;
                let _ = ended.send(());
            });
            match store.renew_beside(renewals) {
                Ok(()) => Some(Keeper {
                    stop,
                    stopped,
                    activity,
                }),
                Err(error) => {
                    tracing::warn!(%error, "no thread to renew the lease: it ends by itself");
                    None
                }
            }
        });
        Lease {
            possession,
            store,
            lease,
            last_good,
            keeper,
        }
    }

    pub(crate) fn possession(&self) -> &Possession {
        &self.possession
    }

    /// What waiters are told that the owner is doing, from the next renewal on. It is cut where it is too
    /// long to be kept: a renewal that is refused for that would cost the lease.
    pub(crate) fn set_activity(&self, activity: &str) {
        if let Some(keeper) = &self.keeper
            && let Ok(mut now) = keeper.activity.lock()
        {
            *now = Some(activity.chars().take(LONGEST_ACTIVITY).collect());
        }
    }

    /// Renews between two changes where the thread does not get a connection of its own.
    pub(crate) async fn refresh(&self, signals: &Signals) {
        if self.keeper.is_none() || self.last_good.elapsed() < self.lease / 2 {
            return;
        }
        let asked = Instant::now();
        match self.store.renew(&self.possession, self.lease, None).await {
            Ok(true) => self.last_good.set(asked),
            Ok(false) => signals.lose(TAKEN.to_owned()),
            Err(error) => {
                tracing::warn!(error = %crate::audit::ErrorChain::of(&error), "lease not renewed");
            }
        }
    }

    /// Gives the lock back. A failure only means that others wait for the end of the lease.
    pub(crate) async fn release(mut self, digest: Option<&str>) -> Result<(), StoreError> {
        self.stop_keeper().await;
        let release = self.store.release(&self.possession, digest);
        match tokio::time::timeout(crate::call::GRACE, release).await {
            Ok(released) => released,
            Err(elapsed) => Err(StoreError::new(
                StoreErrorKind::Disconnected,
                "could not give the lock back",
                elapsed,
            )),
        }
    }

    /// Ends the renewals of a possession that is lost: there is nothing to give back.
    pub(crate) async fn forget(mut self) {
        self.stop_keeper().await;
    }

    async fn stop_keeper(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.stop.send(());
            let _ = keeper.stopped.await;
        }
    }
}

/// Runs renewals on a thread with a runtime of its own: a change that blocks the executor of the
/// application must not cost the lease.
pub(crate) fn on_a_thread(renewals: BoxFuture<'static, ()>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("flamingock-lease".to_owned());
    let spawned = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(renewals),
            Err(error) => {
                tracing::warn!(%error, "no runtime to renew the lease: it ends by itself");
            }
        }
    });
    spawned.map(drop)
}

struct Renewal {
    keeper: Box<dyn LeaseKeeper>,
    possession: Possession,
    lease: Duration,
    last_good: LastGood,
    signals: Signals,
    activity: Arc<std::sync::Mutex<Option<String>>>,
}

impl Renewal {
    async fn renew_until(self, mut stop: oneshot::Receiver<()>) {
        let mut pause = self.lease / 3;
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => return,
                () = tokio::time::sleep(pause) => {}
            }
            let asked = Instant::now();
            match self.renew_once().await {
                Ok(true) => {
                    tracing::debug!("lease renewed");
                    self.last_good.set(asked);
                    pause = self.lease / 3;
                    continue;
                }
                Ok(false) => {
                    self.signals.lose(TAKEN.to_owned());
                    return;
                }
                // Whoever writes has the file to himself: nobody takes the lock meanwhile, and the
                // next renewal tells.
                Err(Some(StoreErrorKind::Busy)) => self.last_good.set(asked),
                Err(_) => {}
            }
            let unrenewed = self.last_good.elapsed();
            let left = self.lease.saturating_sub(unrenewed);
            pause = (self.lease / 10).min(left);
            if left.is_zero() {
                self.signals.lose(format!(
                    "the lease could not be renewed for {}, longer than it lasts",
                    humantime::format_duration(Duration::from_secs(unrenewed.as_secs()))
                ));
                return;
            }
        }
    }

    /// The renewal, cut short well before the lease would end.
    async fn renew_once(&self) -> Result<bool, Option<StoreErrorKind>> {
        let activity = self.activity.lock().ok().and_then(|now| now.clone());
        let renewal = self
            .keeper
            .renew(&self.possession, self.lease, activity.as_deref());
        match tokio::time::timeout(self.lease / 6, renewal).await {
            Ok(Ok(renewed)) => Ok(renewed),
            Ok(Err(error)) => {
                tracing::warn!(error = %crate::audit::ErrorChain::of(&error), "lease not renewed");
                Err(Some(error.kind))
            }
            Err(_) => {
                tracing::warn!("lease not renewed: no answer from the database");
                Err(None)
            }
        }
    }
}
