//! The secrets of the payload that is being read. serde may buffer a value and look at it later, so
//! it gets the number of a secret instead of its value.

use std::cell::RefCell;

use super::tree::Piece;

/// The key of the map that stands for a secret; its value is the secret's number.
pub(super) const KEY: &str = "$flamingock::template::Secret";

/// A secret that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) line: u32,
    pub(super) pieces: Vec<Piece>,
    /// The text with the values of its secrets, if they are available.
    pub(super) value: Option<String>,
    /// Whether a type that can hold secrets has taken it.
    pub(super) taken: bool,
}

thread_local! {
    static READING: RefCell<Vec<Vec<Found>>> = const { RefCell::new(Vec::new()) };
}

/// Reads a payload, and returns the secrets that were found.
pub(super) fn with<T>(read: impl FnOnce() -> T) -> (T, Vec<Found>) {
    /// Removes the frame, even if the payload's own code panics.
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

/// Adds a secret, and returns its number.
pub(super) fn add(found: Found) -> u64 {
    READING.with_borrow_mut(|frames| match frames.last_mut() {
        Some(frame) => {
            frame.push(found);
            frame.len() as u64 - 1
        }
        None => u64::MAX,
    })
}

/// Takes a secret by its number, and returns its pieces and its value.
pub(super) fn take(number: u64) -> Option<(Vec<Piece>, Option<String>)> {
    READING.with_borrow_mut(|frames| {
        let found = frames.last_mut()?.get_mut(usize::try_from(number).ok()?)?;
        found.taken = true;
        Some((found.pieces.clone(), found.value.clone()))
    })
}

/// Reports whether a payload is being read.
pub(super) fn is_on() -> bool {
    READING.with_borrow(|frames| !frames.is_empty())
}
