//! Change-as-Code: async functions that an application runs exactly once per environment, in order,
//! under a lock, to evolve the systems that it depends on. Every attempt is recorded in an audit
//! table.
//!
//! # A first change
//!
//! A change is an async function with an attribute. Its arguments decide what Flamingock injects:
//! here a connection, in a transaction that also records that the change is applied.
//!
//! ```standalone_crate
//! # #[cfg(feature = "sqlite")]
//! # mod app {
//! use flamingock::{change, rollback};
//! use sqlx::{SqliteConnection, SqlitePool};
//!
//! /// Creates the `users` table for sign-in.
//! #[change(id = "create-users", order = "0001")]
//! async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
//!     sqlx::query("CREATE TABLE users (email TEXT PRIMARY KEY)").execute(db).await?;
//!     Ok(())
//! }
//!
//! #[rollback(create_users)]
//! async fn drop_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
//!     sqlx::query("DROP TABLE users").execute(db).await?;
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pool = SqlitePool::connect("sqlite::memory:").await?;
//!
//!     let report = flamingock::run(&pool).await?;
//!     assert_eq!(report.counts().newly_applied, 1);
//!
//!     // The next run finds nothing to do: it takes no lock and writes nothing.
//!     assert!(flamingock::run(&pool).await?.is_up_to_date());
//!     Ok(())
//! }
//! # }
//! # fn main() {
//! #     #[cfg(feature = "sqlite")]
//! #     app::main().unwrap();
//! # }
//! ```
//!
//! The report and the errors implement `Display` for people and `serde::Serialize` for machines:
//!
//! ```console
//! default: 1 newly applied in 12 ms
//!   newly applied   0001 create-users (2 ms)
//! ```
//!
//! # Changes to other systems
//!
//! Flamingock injects a client of any other system as a value: [`Runner::provide`] provides it to
//! every change, [`TargetSystem::provide`] to the changes of one system. Such a change is
//! non-transactional. Flamingock records the attempt before the change runs. If the change fails,
//! Flamingock calls its rollback. If the process dies, the next run calls its
//! [`verify`](macro@verify) function to find out whether the change took effect.
//!
//! ```
//! use flamingock::{BoxError, MemoryStore, Runner, TargetSystem};
//! use flamingock::{change, changes, rollback, verify};
//! # use std::sync::{Arc, Mutex};
//! # #[derive(Clone, Default)]
//! # struct Broker(Arc<Mutex<Vec<String>>>);
//! # impl Broker {
//! #     async fn create(&self, name: &str) -> Result<(), BoxError> {
//! #         self.0.lock().unwrap().push(name.to_owned());
//! #         Ok(())
//! #     }
//! #     async fn delete(&self, name: &str) -> Result<(), BoxError> {
//! #         self.0.lock().unwrap().retain(|one| one != name);
//! #         Ok(())
//! #     }
//! #     async fn names(&self) -> Result<Vec<String>, BoxError> { Ok(self.0.lock().unwrap().clone()) }
//! # }
//!
//! #[change(id = "orders-stream", order = "0001", target = "events", timeout = "30s", register = false)]
//! async fn orders_stream(broker: &Broker) -> Result<(), BoxError> {
//!     broker.create("orders").await
//! }
//!
//! #[rollback(orders_stream)]
//! async fn delete_orders_stream(broker: &Broker) -> Result<(), BoxError> {
//!     broker.delete("orders").await
//! }
//!
//! #[verify(orders_stream)]
//! async fn orders_stream_exists(broker: &Broker) -> Result<bool, BoxError> {
//!     Ok(broker.names().await?.contains(&"orders".to_owned()))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let broker = Broker::default();
//! let report = Runner::new(MemoryStore::new())
//!     .service("shop")
//!     .changes(changes![orders_stream])
//!     .target(TargetSystem::new("events").provide(broker.clone()))
//!     .run()
//!     .await?;
//! assert!(report.is_success());
//! assert_eq!(broker.names().await?, ["orders"]);
//! # Ok(())
//! # }
//! ```
//!
//! `register = false` and [`changes!`] name the changes of a run one by one. Without them the
//! linker collects every change of the binary; changes of another crate are collected only if the
//! binary names that crate, with [`link_changes!`].
//!
//! # When something fails
//!
//! A failed run returns an [`Error`] that says what happened and what to do next; its report lists
//! what ran. Here the second change fails in its transaction: the database rolls it back, the audit
//! records that, and the next run tries it again.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # mod app {
//! use flamingock::{ErrorKind, Outcome, Runner, change, changes};
//! use sqlx::{SqliteConnection, SqlitePool};
//!
//! #[change(id = "create-users", order = "0001", register = false)]
//! async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
//!     sqlx::query("CREATE TABLE users (email TEXT PRIMARY KEY)").execute(db).await?;
//!     Ok(())
//! }
//!
//! #[change(id = "first-users", order = "0002", register = false)]
//! async fn first_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
//!     sqlx::query("INSERT INTO users VALUES ('ada@example.com')").execute(&mut *db).await?;
//!     sqlx::query("INSERT INTO user VALUES ('ben@example.com')").execute(&mut *db).await?;
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pool = SqlitePool::connect("sqlite::memory:").await?;
//!     let runner = Runner::new(&pool).changes(changes![create_users, first_users]);
//!     let error = runner.run().await.unwrap_err();
//!
//!     assert_eq!(error.kind(), ErrorKind::ChangesFailed);
//!     let changes = error.report().unwrap().changes();
//!     let outcomes: Vec<Outcome> = changes.map(|change| change.outcome).collect();
//!     assert_eq!(outcomes, [Outcome::NewlyApplied, Outcome::RolledBack]);
//!
//!     let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await?;
//!     assert_eq!(users, 0);
//!     Ok(())
//! }
//! # }
//! # fn main() {
//! #     #[cfg(feature = "sqlite")]
//! #     app::main().unwrap();
//! # }
//! ```
//!
//! # Where to go from here
//!
//! - [`change`](macro@change): every key and every kind of argument
//! - [`Runner`]: stages, services, tags, the lock, policies, the manifest, undo, issues
//! - [`guide::concepts`]: the terms, the states of a change, and the lock
//! - [`guide::files`]: changes as SQL files, and the folders of other tools
//! - [`guide::recovery`]: what happens after a failure or a crash, and what an operator does
//! - [`guide::databases`]: rights, poolers, limits, and tested versions
//! - [`guide::targets`]: target systems: values, readiness, description
//! - `guide::templates`, with the feature `templates`: changes declared in YAML and TOML files
//! - `cli`, with the feature `cli`: the application as a command-line program; [`guide::json`],
//!   [`guide::exit_codes`]
//! - [`adopt`]: the history of another tool, or of another service
//! - [`events`]: events, webhook, metrics
//! - [`audit`]: the entries, and the traits for a store of your own; see also [`report`] and
//!   [`lock`]
//! - [All pages](https://github.com/flamingock/flamingock-rs/blob/main/flamingock/docs/SUMMARY.md):
//!   quickstarts, Kubernetes, CI, a runbook, the guarantees and their tests
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `sqlite`, `postgres`, `mysql` | pools and connections of that database through sqlx; `mysql` includes MariaDB |
//! | `cli` | the module `cli`: the application as a command-line program |
//! | `tls-rustls`, `tls-native` | TLS for the selected databases: sqlx's features of these names |
//! | `templates` | changes declared in YAML and TOML files: the module `template` and the attribute `template` |
//! | `template-http` | the template `http`, for systems that are configured by HTTP requests |
//! | `testing` | the module `testing`, for the tests of an application |
//! | `webhook` | `events::Webhook`: a listener that posts events to a URL |
//! | `otel` | `events::Metrics`: a listener that records OpenTelemetry metrics |
//!
//! No feature is on by default. Without any, use a [`MemoryStore`] or a store of your own.

// Marks items with the feature that they need, on docs.rs; `_sqlx` is internal.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(feature = "_sqlx"))))]

// The code that the macros generate refers to the crate as `flamingock`, as users do.
#[cfg(all(test, feature = "templates"))]
extern crate self as flamingock;

pub mod adopt;
pub mod audit;
mod change;
#[cfg(feature = "cli")]
pub mod cli;
mod engine;
mod listener;
pub mod lock;
mod plan;
pub mod report;
/// Conditions for the next batch of a change in batches, for [`Pace::throttle`].
pub mod throttle {
    pub use crate::change::pace::{Throttle, TimeWindow, When, when};
    #[cfg(feature = "mysql")]
    pub use crate::sql::throttles::{MariaDbReplicaLag, MariaDbThreadsRunning};
    #[cfg(feature = "postgres")]
    pub use crate::sql::throttles::{PostgresAutovacuum, PostgresReplicaLag};
}
mod runner;
mod source;
#[cfg(feature = "_sqlx")]
mod sql;
#[cfg(feature = "_sqlx")]
mod statements;
mod target;
mod util;

pub use crate::audit::memory::MemoryStore;
pub use crate::audit::tables::TableNames;
pub use crate::change::batch::{Batch, Next};
pub use crate::change::context::Context;
pub use crate::change::definition::{Definition, Phase, Recovery, Repeat};
pub use crate::change::pace::Pace;
pub use crate::engine::mode::Mode;
pub use crate::lock::options::{LockOptions, OnLockTimeout};
pub use crate::plan::policy::{Policy, Rule};
pub use crate::plan::stage::Stage;
pub use crate::plan::undo::{Undo, UndoTarget};
pub use crate::report::error::{Error, ErrorKind};
pub use crate::report::issue::{Issue, Resolution};
pub use crate::report::run::{ChangeReport, Outcome, Report};
pub use crate::runner::builder::Runner;
pub use crate::runner::control::{Controlled, Tuning};
pub use crate::runner::run::Run;
pub use crate::runner::spawn::{RunHandle, WorkState};
#[cfg(feature = "testing")]
pub use crate::runner::testing;
pub use crate::source::files::EmbeddedFolder;
#[cfg(feature = "templates")]
pub use crate::source::template;
#[cfg(feature = "_sqlx")]
pub use crate::sql::keyset::{Key, KeyRange, Keyset, KeysetConnection};
#[cfg(feature = "_sqlx")]
pub use crate::sql::target::IntoTarget;
pub use crate::target::storage::IntoStorage;
pub use crate::target::system::TargetSystem;
pub use crate::util::boxed::BoxError;
/// Turns an async function into a change: `#[change(id = "..", order = "..")]`.
///
/// ```
/// use flamingock::{BoxError, change};
/// # struct Broker;
/// # impl Broker { async fn create(&self, _: &str) -> Result<(), BoxError> { Ok(()) } }
///
/// /// Creates the `orders` stream read by billing and shipping.
/// #[change(id = "orders-stream", order = "0002", stage = "messaging", recovery = "retry", register = false)]
/// async fn orders_stream(broker: &Broker) -> Result<(), BoxError> {
///     broker.create("orders").await
/// }
/// ```
///
pub use flamingock_macros::change;
/// Embeds a folder of changes as files: `include_files!("changes")`. They run in one order with the
/// changes in code. See [`guide::files`] for their names and formats.
///
/// ```text
/// flamingock::include_files!("changes");
/// flamingock::include_files!("migrations", format = "sqlx", stage = "schema");
/// ```
///
pub use flamingock_macros::include_files;
/// Keeps the place of a deleted change, so that no environment misses it:
/// `retired!("create-users", order = "0001", since = "1.8")`.
///
/// A run, a plan and a check fail if the change is not applied, before anything runs: the
/// environment must upgrade through the version `since` first, the last one that had the change.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use flamingock::{MemoryStore, Runner, retired};
///
/// let old = retired!("create-users", order = "0001", since = "1.8", register = false);
/// let runner = Runner::new(MemoryStore::new()).changes([old]);
/// let error = runner.run().await.unwrap_err();
/// assert!(error.to_string().contains("upgrade through 1.8 first"));
/// # }
/// ```
///
pub use flamingock_macros::retired;
/// Makes an async function the rollback of a change: `#[rollback(the_change)]`.
///
/// ```
/// use flamingock::{BoxError, change, rollback};
/// # struct Broker;
/// # impl Broker {
/// #     async fn create(&self, _: &str) -> Result<(), BoxError> { Ok(()) }
/// #     async fn delete(&self, _: &str) -> Result<(), BoxError> { Ok(()) }
/// # }
///
/// #[change(id = "orders-stream", order = "0002", register = false)]
/// async fn orders_stream(broker: &Broker) -> Result<(), BoxError> {
///     broker.create("orders").await
/// }
///
/// #[rollback(orders_stream)]
/// async fn delete_orders_stream(broker: &Broker) -> Result<(), BoxError> {
///     broker.delete("orders").await
/// }
/// ```
///
pub use flamingock_macros::rollback;
/// Turns an async function into a template for files: `#[template("nats-stream")]`. The function
/// takes the content of a file, and the same arguments as a change.
///
/// ```
/// use flamingock::{BoxError, template};
/// # struct Broker;
/// # impl Broker { async fn create(&self, _: &str) -> Result<(), BoxError> { Ok(()) } }
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Stream {
///     name: String,
/// }
///
/// #[template("nats-stream", register = false)]
/// async fn nats_stream(stream: Stream, broker: &Broker) -> Result<(), BoxError> {
///     broker.create(&stream.name).await
/// }
///
/// assert_eq!(flamingock::templates![nats_stream][0].name(), "nats-stream");
/// ```
///
#[cfg(feature = "templates")]
pub use flamingock_macros::template;
/// Makes an async function the verify function of a change: `#[verify(the_change)]`.
///
/// ```
/// use flamingock::{BoxError, change, verify};
/// # struct Broker;
/// # impl Broker {
/// #     async fn create(&self, _: &str) -> Result<(), BoxError> { Ok(()) }
/// #     async fn names(&self) -> Result<Vec<String>, BoxError> { Ok(Vec::new()) }
/// # }
///
/// #[change(id = "orders-stream", order = "0002", register = false)]
/// async fn orders_stream(broker: &Broker) -> Result<(), BoxError> {
///     broker.create("orders").await
/// }
///
/// #[verify(orders_stream)]
/// async fn orders_stream_exists(broker: &Broker) -> Result<bool, BoxError> {
///     Ok(broker.names().await?.iter().any(|name| name == "orders"))
/// }
/// ```
///
pub use flamingock_macros::verify;
#[cfg(feature = "_sqlx")]
pub use sqlx;

/// Runs the pending changes with the defaults: `Runner::new(storage).run()`.
///
/// # Errors
/// See [`Error`].
pub fn run(storage: impl target::storage::IntoStorage) -> Run {
    Runner::new(storage).run()
}

// The links of these pages lead to other pages, as files and in the book; in rustdoc, where the first
// definition of a link counts, to modules.
#[cfg_attr(
    not(doctest),
    doc = include_str!("../docs/links-in-rustdoc.txt"),
    doc = include_str!("../docs/listeners.md")
)]
pub mod events {
    #[cfg(feature = "otel")]
    pub use crate::listener::otel::{self, Metrics};
    #[cfg(feature = "webhook")]
    pub use crate::listener::webhook::{self, Webhook};
    pub use crate::listener::{Event, EventKind, Failure, Listener, Work};
}

/// Guides: longer texts about single subjects.
///
/// Their code is a part of programs that the tests build and run. [All
/// pages](https://github.com/flamingock/flamingock-rs/blob/main/flamingock/docs/SUMMARY.md).
#[cfg(all(doc, not(doctest)))]
pub mod guide {
    macro_rules! pages {
        ($($(#[$attribute:meta])* $name:ident = $page:literal;)+) => {
            $(
                $(#[$attribute])*
                #[doc = include_str!("../docs/links-in-rustdoc.txt")]
                #[doc = include_str!($page)]
                pub mod $name {}
            )+
        };
    }

    pages! {
        concepts = "../docs/concepts.md";
        recovery = "../docs/recovery.md";
        databases = "../docs/databases.md";
        targets = "../docs/targets.md";
        files = "../docs/files.md";
        formats = "../docs/formats.md";
        json = "../docs/json.md";
        exit_codes = "../docs/exit-codes.md";
        #[cfg(feature = "templates")]
        templates = "../docs/templates.md";
    }
}

/// Items that the generated code of the macros uses. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::change::argument::{
        Argument, Inputs, Need, NeedKind, Outlives, Session, Values, connection_is_first,
        connections, ensure,
    };
    pub use crate::change::batch::{
        BatchOutput, BatchState, CursorType, batches, erase_batch, state,
    };
    pub use crate::change::body::Step;
    pub use crate::change::body::{Answer, Body, Call, Callable, Code};
    pub use crate::change::definition::{
        Definition, Phase, REFUSED, Recovery, Repeat, default_author, may_batch,
    };
    pub use crate::change::link::{Change, HasRollback, HasVerify, Link, Unlinked};
    pub use crate::change::output::{ChangeOutput, VerifyOutput, erase_change, erase_verify};
    pub use crate::change::problem::Location;
    pub use crate::change::script::Script;
    pub use crate::change::secret::SecretResolver;
    pub use crate::source::files::{Defaults, EmbeddedFolder};
    #[cfg(feature = "templates")]
    pub use crate::source::registry::FLAMINGOCK_TEMPLATES_0_1;
    pub use crate::source::registry::{
        FLAMINGOCK_CHANGES_0_1, FLAMINGOCK_FOLDERS_0_1, FLAMINGOCK_LINKED_0_1, LinkedCrate,
    };
    #[cfg(feature = "templates")]
    pub use crate::source::template::{
        HasTemplateVerify, IsPayload, IsTemplate, Mistake, Payload, REFUSED_TEMPLATE, Template,
        TemplateBody, TemplateCall, TemplateLink, TemplateUnlinked, Work, refuse_payload,
    };
    pub use crate::target::settings::StorageSettings;
    pub use crate::target::storage::{IntoStorage, OpenStorage, Storage};
    pub use crate::util::boxed::BoxFuture;
    pub use crate::util::database_kind::DatabaseKind;
    pub use linkme;

    /// The splitter of scripts, for the tests and the fuzz target.
    #[cfg(feature = "_sqlx")]
    pub mod statements {
        pub use crate::statements::{
            Blocks, Flaw, Quoting, Script, SplitError, Statement, TransactionControl, read,
            read_as, shorten, split, transaction_control,
        };
    }
}
