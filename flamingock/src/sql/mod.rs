//! Databases of sqlx: as the store of the audit, and as target systems.

pub(crate) mod append;
pub(crate) mod audit_store;
pub(crate) mod autocommit;
pub(crate) mod brake;
pub(crate) mod cancel;
#[cfg(feature = "sqlite")]
pub(crate) mod children;
#[cfg(feature = "sqlite")]
pub(crate) mod cleaning;
pub(crate) mod connection;
pub(crate) mod connection_cache;
pub(crate) mod database;
pub(crate) mod driver;
pub(crate) mod error;
pub(crate) mod hint;
pub(crate) mod in_doubt;
pub(crate) mod lease_renewer;
pub(crate) mod marker;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod options;
pub(crate) mod places;
pub(crate) mod pooler;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod pragmas;
#[cfg(feature = "sqlite")]
pub(crate) mod reference;
pub(crate) mod remains;
pub(crate) mod retry;
pub(crate) mod rows;
pub(crate) mod run_script;
pub(crate) mod script_rules;
pub(crate) mod server;
pub(crate) mod sessions;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
pub(crate) mod store;
pub(crate) mod take_over;
pub(crate) mod target;
pub(crate) mod timing;
pub(crate) mod transaction;
#[cfg(feature = "sqlite")]
pub(crate) mod veto;
pub(crate) mod watching;

use crate::change::body::ScriptRunner;

/// What runs SQL of files.
pub(crate) const SCRIPTS: ScriptRunner = ScriptRunner(run_script::call);
