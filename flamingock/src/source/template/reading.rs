//! The secrets of the payload that is being read. Serde has no place for them: it may keep a value
//! aside and look at it later, so what it is shown of a secret is its number.

use std::cell::RefCell;

use super::tree::Piece;

/// What serde is shown instead of a secret: a map of one entry with this key and a number.
pub(super) const KEY: &str = "$flamingock::template::Secret";

/// A secret that was come across.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) line: u32,
    pub(super) pieces: Vec<Piece>,
    /// The text with its values, if they are there.
    pub(super) value: Option<String>,
    /// Whether a type that keeps secrets has taken it.
    pub(super) taken: bool,
}

thread_local! {
    static READING: RefCell<Vec<Vec<Found>>> = const { RefCell::new(Vec::new()) };
}

/// Reads, and tells which secrets were come across.
pub(super) fn with<T>(read: impl FnOnce() -> T) -> (T, Vec<Found>) {
    /// Taken back also when the payload's own code panics.
    struct Frame;
    impl Drop for Frame {
        fn drop(&mut self) {
            READING.with_borrow_mut(Vec::pop);
        }
    }
    READING.with_borrow_mut(|frames| frames.push(Vec::new()));
    let frame = Frame;
    let result = read();
    let found = READING.with_borrow_mut(|frames| frames.last_mut().map(std::mem::take));
    drop(frame);
    (result, found.unwrap_or_default())
}

/// The number of a secret that was come across.
pub(super) fn add(found: Found) -> u64 {
    READING.with_borrow_mut(|frames| match frames.last_mut() {
        Some(frame) => {
            frame.push(found);
            frame.len() as u64 - 1
        }
        None => u64::MAX,
    })
}

/// The pieces and the value of a secret, which is taken by that.
pub(super) fn take(number: u64) -> Option<(Vec<Piece>, Option<String>)> {
    READING.with_borrow_mut(|frames| {
        let found = frames.last_mut()?.get_mut(usize::try_from(number).ok()?)?;
        found.taken = true;
        Some((found.pieces.clone(), found.value.clone()))
    })
}

/// Whether a payload is being read.
pub(super) fn is_on() -> bool {
    READING.with_borrow(|frames| !frames.is_empty())
}
