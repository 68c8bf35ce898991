//! The random name of a run.

/// A name that no other run has.
pub(crate) fn new_run_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
