//! The public builder: configures a run, and begins it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use super::run::Run;
use crate::audit::tables::TableNames;
use crate::change::definition::Definition;
use crate::change::pace::Pace;
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

/// Configures and runs an application's changes: `Runner::new(&pool)`, setters, `run().await`.
///
/// No setter touches a database; [`run`](Self::run) and the operator commands do.
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
    /// Creates a runner that keeps its audit and its lock in this storage. The database of a pool
    /// is also the target system `"default"`.
    pub fn new(storage: impl IntoStorage) -> Runner {
        Runner {
            settings: Settings::new(storage.into_storage()),
        }
    }

    /// Sets the name under which this application's changes are recorded and locked, so that
    /// several services can share a database. `"default"` unless set.
    pub fn service(mut self, name: impl Into<String>) -> Runner {
        self.settings.service = name.into();
        self
    }

    /// Declares that this service is meant to have a history of its own.
    ///
    /// Without this, a run is refused if the service has no entries yet while the service
    /// `"default"` of the same database has applied changes with the same ids: it would apply all
    /// of them again.
    pub fn independent_service(mut self) -> Runner {
        self.settings.independent = true;
        self
    }

    /// Registers an additional target system.
    pub fn target(mut self, target: TargetSystem) -> Runner {
        self.settings.targets.push(target);
        self
    }

    /// Provides a value to every change, which can take it as `&T` or `Option<&T>`. A later value
    /// of the same type replaces an earlier one. A value that a target system provides takes
    /// precedence.
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> Runner {
        self.provide_arc(Arc::new(value))
    }

    /// Provides a value that is shared or unsized: `provide_arc::<dyn Mailer>(mailer)`. Otherwise
    /// like [`provide`](Self::provide).
    pub fn provide_arc<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Runner {
        self.settings.values.insert(value);
        self
    }

    /// Declares a stage. Stages run in the order in which they are declared, unless `after` demands
    /// another. If no stage is declared, the stages that the changes name run in alphabetical
    /// order.
    pub fn stage(mut self, stage: Stage) -> Runner {
        self.settings.stages.push(stage);
        self
    }

    /// Sets how many stages run at the same time, under the one lock; 1 unless set. Only stages
    /// with no `after` between them run in parallel. Changes of one stage still run in order, and a
    /// failure stops only its own stage and those after it.
    ///
    /// The number is limited by the pools of the audit and of all target systems: one connection
    /// less than the smallest maximum, because the audit needs one meanwhile. SQLite has one writer, so changes with a connection
    /// wait for each other. On PostgreSQL a non-transactional change with a connection runs while
    /// no other change with a connection does, because `CREATE INDEX CONCURRENTLY` waits for all
    /// open transactions.
    pub fn parallel_stages(mut self, stages: usize) -> Runner {
        self.settings.parallel_stages = stages.max(1);
        self
    }

    /// Sets the lease of the lock, how long a run waits for the lock and how often it polls, and
    /// what a run does when that wait times out.
    pub fn lock(mut self, options: LockOptions) -> Runner {
        self.settings.lock = options.bounded();
        self
    }

    /// Sets how long a statement of a transactional change waits for a lock of its database.
    /// PostgreSQL only; 5 seconds unless set, and `None` turns the limit off.
    ///
    /// On PostgreSQL every session that wants the table, even for reading, queues behind a change
    /// that waits for it. When the limit is reached, Flamingock rolls the change back and tries it
    /// again, up to three times; then the change fails, and the error names the session that
    /// blocked it. A `lock_timeout` that the change itself sets takes precedence, and so does a
    /// shorter `lock_timeout` of the role or the session. Non-transactional changes use the setting
    /// of their session.
    pub fn lock_timeout(mut self, limit: impl Into<Option<Duration>>) -> Runner {
        self.settings.lock_timeout = limit.into().filter(|limit| !limit.is_zero());
        self
    }

    /// Sets the pace of changes in batches: how large a batch is, and when the next one may begin. An
    /// operator can set another size and another pause while a change works: see
    /// [`tune`](Self::tune).
    pub fn pace(mut self, pace: Pace) -> Runner {
        self.settings.pace = pace;
        self
    }

    /// Sets the schema and the name prefix of the audit tables.
    pub fn tables(mut self, tables: TableNames) -> Runner {
        self.settings.tables = tables;
        self
    }

    /// Sets whether Flamingock creates missing tables; it does by default. Otherwise a run that has
    /// something to do fails with an error that names them.
    pub fn create_tables(mut self, create: bool) -> Runner {
        self.settings.create_tables = create;
        self
    }

    /// Allows Flamingock to take the lock in a database that its tests do not cover: Galera and
    /// other clusters with several writing nodes, CockroachDB, YugabyteDB, TiDB, Vitess, and other
    /// products that speak the protocol of PostgreSQL or MySQL.
    ///
    /// Without this, a run that has something to do fails there before it writes anything, and so
    /// does every operator command that takes the lock. The same holds for a target system in such
    /// a database whose changes run in transactions. A run with nothing to do does not detect the
    /// product.
    ///
    /// On Galera, each entry then also writes the lock row, so that a takeover on another node and
    /// a late entry of the previous owner conflict at commit. Sessions on other nodes still cannot
    /// be terminated. This setting also lets a user with the necessary rights write to a MySQL or
    /// MariaDB server whose `read_only` is on.
    ///
    /// MySQL 8 is not tested either, but needs no permission: it uses the same statements as
    /// MariaDB.
    pub fn allow_untested_database(mut self) -> Runner {
        self.settings.allow_untested = true;
        self
    }

    /// Selects changes by tag. A change with tags runs only if the runner has one of them; `!tag`
    /// excludes. A change without tags always runs.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Runner {
        self.settings.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how a run reacts to changes that do not match the audit.
    pub fn policy(mut self, policy: Policy) -> Runner {
        self.settings.policy = policy;
        self
    }

    /// Sets the mode of the run. Takes precedence over the environment variable `FLAMINGOCK_MODE`,
    /// which is `apply`, `check`, `plan` or `off`.
    ///
    /// ```
    /// # use flamingock::{ErrorKind, MemoryStore, Mode, Runner, change, changes};
    /// # #[change(id = "warm-cache", order = "0001", register = false)]
    /// # async fn warm_cache() {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let store = MemoryStore::new();
    /// // A replica that must not apply anything, and must not start before another instance has.
    /// let run = Runner::new(&store).changes(changes![warm_cache]).mode(Mode::Check).run();
    /// assert!(matches!(run.await, Err(error) if error.kind() == ErrorKind::Pending));
    /// # }
    /// ```
    pub fn mode(mut self, mode: Mode) -> Runner {
        self.settings.mode = Some(mode);
        self
    }

    /// Adds a key and a value to the metadata of every entry of the run.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Runner {
        self.settings
            .metadata
            .insert(key.into(), serde_json::Value::String(value.into()));
        self
    }

    /// Sets the name of the person who issues a command. Every entry that this runner writes has it
    /// in the column `operator`, and the lock shows it while an operator command holds the lock.
    /// None by default: an application that applies its changes when it starts has no operator. The
    /// command line uses the name of `--by`, or the user of the operating system.
    ///
    /// The name is recorded as it is provided; Flamingock does not authenticate it.
    pub fn operator(mut self, name: impl Into<String>) -> Runner {
        self.settings.operator = Some(name.into());
        self
    }

    /// Sets the application's version, which every entry of the run records.
    pub fn app_version(mut self, version: impl Into<String>) -> Runner {
        self.settings.app_version = Some(version.into());
        self
    }

    /// Runs exactly these changes instead of those that the linker collected:
    /// `changes(flamingock::changes![create_users, other::orders_stream])`.
    pub fn changes(mut self, changes: impl IntoIterator<Item = &'static Definition>) -> Runner {
        self.settings.changes = Some(changes.into_iter().collect());
        self
    }

    /// Runs the changes of this folder instead of those that the linker collected:
    /// `files(flamingock::include_files!("changes", register = false))`. Can be called for several
    /// folders; their changes run together with those passed to [`changes`](Self::changes).
    pub fn files(mut self, folder: &'static EmbeddedFolder) -> Runner {
        self.settings.folders.push(folder);
        self
    }

    /// Adds templates that files can name, in addition to the built-in ones and those that the
    /// linker collected: `templates(flamingock::templates![nats_stream])`. A template with
    /// `register = false` is available only in this way.
    #[cfg(feature = "templates")]
    pub fn templates(mut self, templates: impl IntoIterator<Item = &'static Template>) -> Runner {
        self.settings.templates.extend(templates);
        self
    }

    /// Sets where the values of secrets come from that files name as `${secret:NAME}`. Flamingock
    /// looks them up right before the change runs; in the environment unless this is set.
    #[cfg(feature = "templates")]
    pub fn secrets(mut self, resolver: impl SecretResolver + 'static) -> Runner {
        self.settings.secrets = Arc::new(resolver);
        self
    }

    /// Makes a run fail before it starts if the changes differ from this manifest:
    /// `expect_manifest(include_str!("../changes.lock"))`.
    pub fn expect_manifest(mut self, manifest: &str) -> Runner {
        self.settings.manifest = Some(manifest.to_owned());
        self
    }

    /// Calls the `#[verify]` function of a change that was never attempted before running the
    /// change, and records the change as applied, with the origin `verify`, if the function says
    /// so. Use it for a system that has some of the changes already.
    pub fn adopt_verified(mut self) -> Runner {
        self.settings.adopt_verified = true;
        self
    }

    /// Adds a listener, which receives the events of a run: see [`events`](crate::events). Can be
    /// called several times. A listener cannot affect the run or its result.
    pub fn listener(mut self, listener: impl Listener + 'static) -> Runner {
        self.settings.listeners.push(Arc::new(listener));
        self
    }

    /// Sets how long a run waits at its end, after releasing the lock, for listeners that have not
    /// received all events yet; 10 seconds by default. Lost events are a warning in the log and in
    /// the report.
    pub fn listener_timeout(mut self, timeout: Duration) -> Runner {
        self.settings.listener_timeout = timeout;
        self
    }

    /// Returns the manifest of the changes: one line for each change. Commit it, and compare it
    /// with [`expect_manifest`](Self::expect_manifest). Touches no database.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) if the changes do not form a valid pipeline.
    pub fn manifest(&self) -> Result<String, Error> {
        engine::manifest(&self.settings)
    }

    /// Runs the pending changes. Takes the lock only if there are any. The runner can be used
    /// again.
    ///
    /// The future must be awaited in a tokio runtime.
    ///
    /// # Errors
    /// See [`Error`]: each variant says what was left behind.
    ///
    /// # Cancel safety
    /// Dropping the future requests a stop, as [`Run::cancel_on`] does. The engine goes on in a
    /// task of its own until it has stopped, and still records the outcome.
    pub fn run(&self) -> Run {
        self.request(Request::Run)
    }

    /// Undoes applied changes with their `#[rollback]` functions, last first:
    /// `runner.undo(UndoTarget::Last)`. Takes the lock, and records each undo with the origin
    /// `undo`. Works in every [`Mode`].
    ///
    /// The report contains only these changes. Each undone change is
    /// [`Undone`](crate::Outcome::Undone), and pending again for every instance that has it. To go
    /// back to an earlier release, undo with the newer binary, which has the rollbacks, and then
    /// deploy the earlier one.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) if a change of the range has no rollback or is not in the
    ///   pipeline, if the service has applied changes that this binary does not have, or if a later
    ///   change is unfinished: see [`Undo::force`]. Nothing is undone.
    /// - [`ChangesFailed`](crate::ErrorKind) if a rollback failed. Changes that were undone before
    ///   it stay undone. If the database rolled the failed rollback back, its change is still
    ///   applied; otherwise the change is an issue, unless its `#[verify]` function answers.
    pub fn undo(&self, undo: impl Into<Undo>) -> Run {
        self.request(Request::Undo(undo.into()))
    }

    /// Returns the changes that [`undo`](Self::undo) would reverse now, in that order: each is
    /// [`NotReached`](crate::Outcome::NotReached). Only reads, and takes no lock.
    ///
    /// # Errors
    /// Everything that `undo` would refuse, and any error while the audit is read.
    pub async fn plan_undo(&self, undo: impl Into<Undo>) -> Result<Report, Error> {
        engine::plan_undo(self.settings.for_a_run(), &undo.into()).await
    }

    /// Runs with this id inside the returned future instead of a task of its own. A simulation
    /// stops polling the future to imitate a process that is paused, and drops it to imitate one
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
