//! Target systems: what changes change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::database::Database;
use super::readiness::Ready;
use crate::audit::entry::Facts;
use crate::change::argument::Values;
use crate::util::boxed::BoxError;

/// The key of a target's description in the metadata of its entries.
pub(crate) const TARGET_DESCRIPTION: &str = "target_description";

/// A system that changes change: a name, the values that its changes may take, and for a database
/// of sqlx the connection.
///
/// The audit's database is a target without being named: "default".
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
    /// Whether this is the database that the audit is in, through the same pool.
    pub(crate) holds_audit: bool,
    pub(crate) description: Option<String>,
    pub(crate) ready: Option<Ready>,
    /// What the entries of its changes say, where that is more than those of the run.
    pub(crate) facts: Option<Arc<Facts>>,
}

impl TargetSystem {
    /// A system that takes part in no transaction of ours: its changes take what
    /// [`provide`](Self::provide) gives them.
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

    /// Gives changes of this target a value, which they take as `&T` or `Option<&T>`. It comes
    /// before a value of the same type that the runner provides; the last one of a type counts.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> TargetSystem {
        self.provide_arc(Arc::new(value))
    }

    /// The same for a value that is shared, or unsized: `provide_arc::<dyn Mailer>(mailer)`.
    #[must_use]
    pub fn provide_arc<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> TargetSystem {
        self.values.insert(value);
        self
    }

    /// What the system is, for people: plans show it, and reports where something is still to be done
    /// at it; the entries of its changes have it in their metadata, as `target_description`, unless
    /// the runner's own metadata has that key.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> TargetSystem {
        self.description = Some(text.into());
        self
    }

    /// Waits until the system is ready before the first of its changes runs, is undone or is
    /// verified: a broker that starts late does not fail the deployment.
    ///
    /// The probe is a function that makes a future, since it is asked again, after 100 milliseconds
    /// at first and 5 seconds at most, until it answers `Ok` or the timeout has passed. An attempt
    /// that has not answered by then is dropped. It is asked only if something of this target is to
    /// run, under the lock, whose lease is renewed meanwhile, and never in a transaction; the run's
    /// cancellation and the loss of its lock end the wait.
    ///
    /// If the system is not ready in time, none of its changes is started: they are
    /// [`NotReached`](crate::Outcome::NotReached) with an error that says so, nothing is recorded of
    /// them, and the run goes on as after a failure, which stops their stages and those after them.
    /// The next run waits again.
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
    /// The same without a function of its own:
    ///
    /// ```
    /// # use flamingock::{BoxError, TargetSystem};
    /// # use std::time::Duration;
    /// # #[derive(Clone)]
    /// # struct Broker;
    /// # impl Broker { async fn ping(&self) -> Result<(), BoxError> { Ok(()) } }
    /// # let broker = Broker;
    /// let probe = move || {
    ///     let broker = broker.clone();
    ///     async move { broker.ping().await }
    /// };
    /// let events = TargetSystem::new("events").ready(probe, Duration::from_secs(60));
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn ready<F, Fut, E>(mut self, probe: F, timeout: Duration) -> TargetSystem
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.ready = Some(Ready::new(probe, timeout));
        self
    }
}

/// The target systems by name.
pub(crate) type Targets = BTreeMap<String, TargetSystem>;
