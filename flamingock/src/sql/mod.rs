//! SQL databases, through sqlx: as the store of the audit and as target systems.

pub(crate) mod append;
pub(crate) mod audit_store;
pub(crate) mod autocommit;
pub(crate) mod cancel;
#[cfg(feature = "postgres")]
pub(crate) mod client_options;
pub(crate) mod connection;
pub(crate) mod connection_cache;
pub(crate) mod database;
pub(crate) mod driver;
pub(crate) mod error;
mod failed_rows;
#[cfg(feature = "sqlite")]
pub(crate) mod foreign_key;
pub(crate) mod hint;
pub(crate) mod history_checks;
pub(crate) mod in_doubt;
#[cfg(feature = "sqlite")]
pub(crate) mod integrity;
pub(crate) mod integrity_mode;
pub(crate) mod interrupt_flag;
pub(crate) mod invalid_indexes;
pub(crate) mod keyset;
pub(crate) mod keyset_sql;
pub(crate) mod lease_renewer;
pub(crate) mod marker;
#[cfg(feature = "sqlite")]
pub(crate) mod memory_cleanup;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
pub(crate) mod pooler;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod progress;
pub(crate) mod retry;
#[cfg(feature = "sqlite")]
pub(crate) mod row_loss_hook;
pub(crate) mod rows;
pub(crate) mod run_script;
pub(crate) mod script_rules;
pub(crate) mod server;
pub(crate) mod session_checks;
pub(crate) mod sessions;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
pub(crate) mod store;
pub(crate) mod target;
pub(crate) mod throttles;
pub(crate) mod timing;
pub(crate) mod transaction;

use crate::change::body::ScriptRunner;

/// The function that runs the SQL of files.
pub(crate) const SCRIPTS: ScriptRunner = ScriptRunner(run_script::call);
