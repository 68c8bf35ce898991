//! The runner: everything that can be said of a run before it starts.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use super::run::Run;
use crate::audit::tables::TableNames;
use crate::change::definition::Definition;
#[cfg(feature = "templates")]
use crate::change::secret::SecretResolver;
pub(crate) use crate::engine::mode::Mode;
pub(crate) use crate::engine::settings::Settings;
use crate::engine::{self, Request};
use crate::listener::api::Listener;
use crate::lock::options::LockOptions;
use crate::lock::stop::StopSignal;
pub(crate) use crate::plan::policy::Policy;
use crate::plan::stage::Stage;
use crate::plan::undo::Undo;
use crate::report::error::Error;
use crate::report::run::Report;
use crate::source::files::EmbeddedFolder;
#[cfg(feature = "templates")]
use crate::source::template::Template;
use crate::target::storage::IntoStorage;
use crate::target::system::TargetSystem;

/// A run of the application's changes, spelled out: `Runner::new(&pool)`, setters, `run().await`.
///
/// Nothing is touched before [`run`](Self::run).
///
/// ```
/// use flamingock::{MemoryStore, Mode, Policy, Rule, Runner, change, changes};
///
/// #[change(id = "warm-cache", order = "0001", register = false)]
/// async fn warm_cache() {}
///
/// #[change(id = "test-users", order = "0002", tags = ["dev"], register = false)]
/// async fn test_users() {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flamingock::Error> {
/// let report = Runner::new(MemoryStore::new())
///     .service("shop")
///     .changes(changes![warm_cache, test_users])
///     .tags(["production"])
///     .policy(Policy::default().drift(Rule::Deny))
///     .mode(Mode::Apply)
///     .app_version(env!("CARGO_PKG_VERSION"))
///     .metadata("deployment", "2026-03-01.2")
///     .run()
///     .await?;
/// let counts = report.counts();
/// assert_eq!((counts.newly_applied, counts.filtered), (1, 1));
/// # Ok(())
/// # }
/// ```
#[must_use = "a runner does nothing until `run` is called and awaited"]
pub struct Runner {
    pub(crate) settings: Settings,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("service", &self.settings.service)
            .field("storage", &self.settings.storage)
            .finish_non_exhaustive()
    }
}

impl Runner {
    /// A run whose audit and lock are kept there. The database of a pool is also the target system
    /// "default".
    pub fn new(storage: impl IntoStorage) -> Runner {
        Runner {
            settings: Settings::new(storage.into_storage()),
        }
    }

    /// The name under which this application's changes are recorded and locked: several services
    /// share a database without touching each other. "default" if it is not set.
    pub fn service(mut self, name: impl Into<String>) -> Runner {
        self.settings.service = name.into();
        self
    }

    /// A service that is named for the first time, in a database where the service "default" has
    /// applied changes of the same ids, is meant to have a history of its own. Without this such a
    /// run is refused: it would apply everything again.
    pub fn independent_service(mut self) -> Runner {
        self.settings.independent = true;
        self
    }

    /// A system besides the audit's database that changes change.
    pub fn target(mut self, target: TargetSystem) -> Runner {
        self.settings.targets.push(target);
        self
    }

    /// Gives every change a value, which it takes as `&T` or `Option<&T>`. The last one of a type
    /// counts; a target's own comes before it.
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> Runner {
        self.provide_arc(Arc::new(value))
    }

    /// The same for a value that is shared, or unsized: `provide_arc::<dyn Mailer>(mailer)`.
    pub fn provide_arc<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Runner {
        self.settings.values.insert(value);
        self
    }

    /// Declares a stage. Stages run in the order in which they are declared, as far as `after`
    /// allows; without any, those that the changes name run by name.
    pub fn stage(mut self, stage: Stage) -> Runner {
        self.settings.stages.push(stage);
        self
    }

    /// How many stages with no `after` between them run side by side, under the one lock; 1 unless set.
    /// The order inside a stage holds, and a failure stops its stage and those after it, and no
    /// other.
    ///
    /// There are never more than the pool of the audit has connections, less one for what is recorded
    /// meanwhile. On SQLite, which has one writer, changes with a connection wait for each other. On
    /// PostgreSQL a change on a connection without transaction runs while no other change with a
    /// connection does: `CREATE INDEX CONCURRENTLY` waits for everybody's transactions.
    pub fn parallel_stages(mut self, stages: usize) -> Runner {
        self.settings.parallel_stages = stages.max(1);
        self
    }

    /// Sets how long the lock is held and waited for, and what a run does that waited in vain.
    pub fn lock(mut self, options: LockOptions) -> Runner {
        self.settings.lock = options.bounded();
        self
    }

    /// How long a statement of a change in a transaction may wait for a lock of its database, on
    /// PostgreSQL: 5 seconds unless it is set, and `None` turns it off.
    ///
    /// There, everybody who wants a table queues behind the change that waits for it, readers included.
    /// A change that has waited in vain is rolled back and tried again, three times; then it fails, and its
    /// error names the session that it waited for. A change's own `lock_timeout` comes before this one. A
    /// shorter `lock_timeout` of the role or the session holds. Changes without a transaction wait as long
    /// as their session says.
    pub fn lock_timeout(mut self, limit: impl Into<Option<Duration>>) -> Runner {
        self.settings.lock_timeout = limit.into().filter(|limit| !limit.is_zero());
        self
    }

    /// Where the tables of the audit stand and how their names begin.
    pub fn tables(mut self, tables: TableNames) -> Runner {
        self.settings.tables = tables;
        self
    }

    /// Whether missing tables are created; they are by default. Without it, a run that has
    /// something to do fails with an error that names them.
    pub fn create_tables(mut self, create: bool) -> Runner {
        self.settings.create_tables = create;
        self
    }

    /// Takes the lock also in a database on which no test proves what Flamingock relies on: Galera and
    /// other clusters with several writing nodes, CockroachDB, YugabyteDB, TiDB, Vitess, and other
    /// products that speak a protocol of PostgreSQL or MySQL. Without it, a run that has something to
    /// do is refused there before it writes anything, and so is every operator command that takes the
    /// lock; the same holds for a target system of another database whose changes run in transactions.
    /// A run with nothing to do does not ask what answers.
    ///
    /// On Galera, each entry then writes the lock row, so that a takeover on another node and the
    /// entry of a late owner conflict when they are committed. Sessions on other nodes still cannot
    /// be ended. It also lets a user who may do so write to a MySQL or MariaDB server whose
    /// `read_only` is on.
    ///
    /// MySQL 8 is not tested either, and needs no permission: it shares its statements with MariaDB.
    pub fn allow_untested_database(mut self) -> Runner {
        self.settings.allow_untested = true;
        self
    }

    /// Selects changes: one with tags runs only if the runner has one of them; `!tag` excludes.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Runner {
        self.settings.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// What to do about changes that do not fit the audit.
    pub fn policy(mut self, policy: Policy) -> Runner {
        self.settings.policy = policy;
        self
    }

    /// What the run is for. Comes before the variable `FLAMINGOCK_MODE`, which is `apply`, `check`,
    /// `plan` or `off`.
    ///
    /// ```
    /// # use flamingock::{ErrorKind, MemoryStore, Mode, Runner, change, changes};
    /// # #[change(id = "warm-cache", order = "0001", register = false)]
    /// # async fn warm_cache() {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let store = MemoryStore::new();
    /// // A copy that must not apply anything, and does not start before another one has.
    /// let run = Runner::new(&store).changes(changes![warm_cache]).mode(Mode::Check).run();
    /// assert!(matches!(run.await, Err(error) if error.kind() == ErrorKind::Pending));
    /// # }
    /// ```
    pub fn mode(mut self, mode: Mode) -> Runner {
        self.settings.mode = Some(mode);
        self
    }

    /// Adds a fact to every entry of the run.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Runner {
        self.settings
            .metadata
            .insert(key.into(), serde_json::Value::String(value.into()));
        self
    }

    /// Sets the person who asks for what this runner does: every entry that it writes has the name in its
    /// column `operator`, and the lock shows it while an operator command has it. The command line sets it
    /// by `--by`, and to the user of the operating system where neither is said. None by default: an
    /// application that applies its changes at its start has no operator.
    ///
    /// The name is recorded as it is given: nothing checks that it is true.
    pub fn operator(mut self, name: impl Into<String>) -> Runner {
        self.settings.operator = Some(name.into());
        self
    }

    /// The application's version, for every entry of the run.
    pub fn app_version(mut self, version: impl Into<String>) -> Runner {
        self.settings.app_version = Some(version.into());
        self
    }

    /// Runs exactly these changes, and not those that the linker collected:
    /// `changes(flamingock::changes![create_users, other::orders_stream])`.
    pub fn changes(mut self, changes: impl IntoIterator<Item = &'static Definition>) -> Runner {
        self.settings.changes = Some(changes.into_iter().collect());
        self
    }

    /// Runs the changes of this folder, and not those that the linker collected:
    /// `files(flamingock::include_files!("changes", register = false))`. Those of every folder that is given
    /// run together, and with what is given to [`changes`](Self::changes).
    pub fn files(mut self, folder: &'static EmbeddedFolder) -> Runner {
        self.settings.folders.push(folder);
        self
    }

    /// Adds templates that files can name, beside the built-in ones and those that the linker
    /// collected: `templates(flamingock::templates![nats_stream])`. A template with `register = false` is only
    /// known by such a list.
    #[cfg(feature = "templates")]
    pub fn templates(mut self, templates: impl IntoIterator<Item = &'static Template>) -> Runner {
        self.settings.templates.extend(templates);
        self
    }

    /// Where the values of secrets are looked up that files name, `${secret:NAME}`, when their change
    /// is about to run. The environment, if it is not set.
    #[cfg(feature = "templates")]
    pub fn secrets(mut self, resolver: impl SecretResolver + 'static) -> Runner {
        self.settings.secrets = Arc::new(resolver);
        self
    }

    /// Refuses to start if the changes differ from this manifest:
    /// `expect_manifest(include_str!("../changes.lock"))`.
    pub fn expect_manifest(mut self, manifest: &str) -> Runner {
        self.settings.manifest = Some(manifest.to_owned());
        self
    }

    /// Takes over a system that has some of the changes already: a change that was never tried and
    /// has a `#[verify]` function is asked first, and recorded as applied, by the origin `verify`,
    /// if its effect is there.
    pub fn adopt_verified(mut self) -> Runner {
        self.settings.adopt_verified = true;
        self
    }

    /// Tells a listener what the run does: see [`events`](crate::events). Any number of them;
    /// none of them ever changes what the run does or how it ends.
    pub fn listener(mut self, listener: impl Listener + 'static) -> Runner {
        self.settings.listeners.push(Arc::new(listener));
        self
    }

    /// How long the run waits at its end, without the lock, for listeners that have not heard
    /// everything yet. What they miss is a warning in log and report. 10 seconds by default.
    pub fn listener_timeout(mut self, timeout: Duration) -> Runner {
        self.settings.listener_timeout = timeout;
        self
    }

    /// The manifest of the changes: one line a change, to be committed and compared by
    /// [`expect_manifest`](Self::expect_manifest). Touches no database.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) if the changes do not make a pipeline.
    pub fn manifest(&self) -> Result<String, Error> {
        engine::manifest(&self.settings)
    }

    /// Runs what is pending. Takes the lock only if anything is.
    ///
    /// Must be awaited in a tokio runtime. Dropping the future asks the run to stop, as
    /// [`Run::cancel_on`] does; what is true is still recorded. The runner can be used again.
    ///
    /// # Errors
    /// See [`Error`]: each variant says what was left behind.
    pub fn run(&self) -> Run {
        self.request(Request::Run)
    }

    /// Undoes applied changes by their `#[rollback]` functions, last first, under the lock and audited
    /// with the origin `undo`: `runner.undo(UndoTarget::Last)`. The report has only these changes; each
    /// that was undone is [`Undone`](crate::Outcome::Undone), and is pending again for every instance
    /// that has it. Works in every [`Mode`].
    ///
    /// To go back to an earlier release, undo with the newer binary, which has the rollbacks, and then
    /// deploy the earlier one.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) before anything is undone if a change of the range has no rollback or is not
    /// in the pipeline, or if the service has applied changes that this binary does not know: see
    /// [`Undo::force`]. [`ChangesFailed`](crate::ErrorKind) if a rollback failed: what was undone before it stays
    /// undone; a change whose failed rollback the database rolled back is still applied, any other is
    /// an issue.
    pub fn undo(&self, undo: impl Into<Undo>) -> Run {
        self.request(Request::Undo(undo.into()))
    }

    /// Returns what [`undo`](Self::undo) would reverse now, in that order, without doing it: each change
    /// is [`NotReached`](crate::Outcome::NotReached). Reads only, and takes no lock.
    ///
    /// # Errors
    /// What `undo` would refuse, and whatever keeps the audit from being read.
    pub async fn plan_undo(&self, undo: impl Into<Undo>) -> Result<Report, Error> {
        engine::plan_undo(self.settings.for_a_run(), &undo.into()).await
    }

    /// Runs with this id in the future that it returns, and not in a task of its own: a simulation can
    /// stop that from being polled, which is a process that stands still, or drop it, which is one
    /// that is killed.
    #[doc(hidden)]
    pub fn run_in_place(
        self,
        run_id: impl Into<String>,
    ) -> impl Future<Output = Result<Report, Error>> + Send {
        let signals = StopSignal::new(self.settings.lock.bounded().wait);
        engine::serve(
            self.settings.for_a_run(),
            Request::Run,
            signals,
            run_id.into(),
        )
    }

    fn request(&self, request: Request) -> Run {
        Run::of(self.settings.for_a_run(), request)
    }
}
