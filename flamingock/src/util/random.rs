//! Random ids: of runs, and of the entries that they send.

/// Returns an id that nothing else has: 128 random bits as hexadecimal digits.
pub(crate) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
