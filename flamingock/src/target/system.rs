//! Target systems: the systems that changes change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::database::Database;
use super::readiness::Ready;
use crate::audit::entry::Facts;
use crate::change::argument::Values;
use crate::util::boxed::BoxError;

/// The metadata key under which the entries record the description of their target system.
pub(crate) const TARGET_DESCRIPTION: &str = "target_description";

/// A system that changes change: its name, the values that it provides to its changes, and the pool
/// if it is a database of sqlx.
///
/// The database of the audit is the target system `"default"` without being declared.
///
/// ```
/// use flamingock::{MemoryStore, Runner, TargetSystem, change, changes};
///
/// struct Region(&'static str);
///
/// #[change(id = "first-bucket", order = "0001", target = "files", register = false)]
/// async fn first_bucket(region: &Region) {
///     assert_eq!(region.0, "north");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flamingock::Error> {
/// Runner::new(MemoryStore::new())
///     .changes(changes![first_bucket])
///     .target(TargetSystem::new("files").provide(Region("north")))
///     .provide(Region("south")) // for every target that has none of its own
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TargetSystem {
    pub(crate) name: String,
    pub(crate) values: Values,
    pub(crate) database: Option<Arc<dyn Database>>,
    /// Whether this is the database of the audit, through the same pool.
    pub(crate) holds_audit: bool,
    pub(crate) description: Option<String>,
    pub(crate) ready: Option<Ready>,
    /// The facts for the entries of its changes, if they differ from those of the run.
    pub(crate) facts: Option<Arc<Facts>>,
}

impl TargetSystem {
    /// Declares a system without a database of sqlx: its changes are non-transactional, and take
    /// the values that [`provide`](Self::provide) adds.
    pub fn new(name: impl Into<String>) -> TargetSystem {
        TargetSystem {
            name: name.into(),
            values: Values::default(),
            database: None,
            holds_audit: false,
            description: None,
            ready: None,
            facts: None,
        }
    }

    /// Provides a value to the changes of this target system, which can take it as `&T` or
    /// `Option<&T>`. It takes precedence over a value of the same type that the runner provides. A
    /// later value of the same type replaces an earlier one.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> TargetSystem {
        self.provide_arc(Arc::new(value))
    }

    /// Provides a value that is shared or unsized: `provide_arc::<dyn Mailer>(mailer)`. Otherwise
    /// like [`provide`](Self::provide).
    #[must_use]
    pub fn provide_arc<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> TargetSystem {
        self.values.insert(value);
        self
    }

    /// Sets a description of the system for people. Plans show it, and so do reports with
    /// unfinished work at the system. The entries of its changes have it in their metadata as
    /// `target_description`, unless the runner's own metadata has that key.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> TargetSystem {
        self.description = Some(text.into());
        self
    }

    /// Waits until the system is ready before the first of its changes runs, is undone or is
    /// verified, so that a broker that starts late does not fail the deployment.
    ///
    /// The readiness check is a function that returns a future. Flamingock calls it until it
    /// returns `Ok` or `timeout` is over, with pauses from 100 milliseconds to 5 seconds. A call
    /// that has not returned by then is dropped. It is called only if a change of this system is to
    /// run, under the lock, whose lease is renewed meanwhile, and never in a transaction.
    /// Cancelling the run and losing the lock end the wait.
    ///
    /// If the system is not ready in time, none of its changes run: they are
    /// [`NotReached`](crate::Outcome::NotReached) with an error, and nothing is recorded about
    /// them. The run goes on as after a failure, which stops their stages and the stages after
    /// them. The next run waits again.
    ///
    /// ```
    /// use flamingock::{BoxError, TargetSystem};
    /// use std::time::Duration;
    ///
    /// # #[derive(Clone)]
    /// # struct Broker;
    /// # impl Broker {
    /// #     fn new(_: &str) -> Broker { Broker }
    /// #     async fn ping(&self) -> Result<(), BoxError> { Ok(()) }
    /// # }
    /// async fn answers(broker: Broker) -> Result<(), BoxError> {
    ///     broker.ping().await
    /// }
    ///
    /// let broker = Broker::new("events.example.com");
    /// let events = TargetSystem::new("events")
    ///     .description("the broker of the shop")
    ///     .provide(broker.clone())
    ///     .ready(move || answers(broker.clone()), Duration::from_secs(60));
    /// # drop(events);
    /// ```
    ///
    /// The same with a closure:
    ///
    /// ```
    /// # use flamingock::{BoxError, TargetSystem};
    /// # use std::time::Duration;
    /// # #[derive(Clone)]
    /// # struct Broker;
    /// # impl Broker { async fn ping(&self) -> Result<(), BoxError> { Ok(()) } }
    /// # let broker = Broker;
    /// let check = move || {
    ///     let broker = broker.clone();
    ///     async move { broker.ping().await }
    /// };
    /// let events = TargetSystem::new("events").ready(check, Duration::from_secs(60));
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn ready<F, Fut, E>(mut self, check: F, timeout: Duration) -> TargetSystem
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.ready = Some(Ready::new(check, timeout));
        self
    }
}

/// The target systems by name.
pub(crate) type Targets = BTreeMap<String, TargetSystem>;
