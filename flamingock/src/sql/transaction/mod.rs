//! Changes in one transaction: with their audit entries if these are in the same database,
//! otherwise with a marker.

pub(crate) mod blocker;
pub(crate) mod call;
pub(crate) mod commit;
pub(crate) mod conflict;
pub(crate) mod failure;
pub(crate) mod find_blocker;
pub(crate) mod foreign_keys;
pub(crate) mod record;
pub(crate) mod rollback;
pub(crate) mod runner;
pub(crate) mod scripts;
pub(crate) mod single_message;
pub(crate) mod tries;
pub(crate) mod writer;
