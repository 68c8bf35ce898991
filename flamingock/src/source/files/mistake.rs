//! A mistake in a file, with its line.

/// A mistake and its line.
pub(super) type Mistake = (u32, String);
