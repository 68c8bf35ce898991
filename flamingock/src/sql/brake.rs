//! Stopping a statement that runs in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops what a connection is doing, and everything that it begins until it is released. The
/// connection's progress handler looks at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Brake(Arc<AtomicBool>);

impl Brake {
    pub(super) fn pull(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn release(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn is_pulled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
