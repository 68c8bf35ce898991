//! Changes in one transaction: with their audit entries where those are in the same database, else with a marker.

pub(crate) mod attempt;
pub(crate) mod batch;
pub(crate) mod blocker;
pub(crate) mod call;
pub(crate) mod conflict;
pub(crate) mod failure;
pub(crate) mod find_blocker;
pub(crate) mod foreign_keys;
pub(crate) mod record;
pub(crate) mod roll_back;
pub(crate) mod script_batch;
pub(crate) mod single_message;
pub(crate) mod success;
pub(crate) mod writer;
