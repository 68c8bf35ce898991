//! A flag that interrupts the statements of a connection from within the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Interrupts the running statement of a connection, and each further one until it is cleared. The
/// connection's progress handler checks it.
#[derive(Clone, Debug, Default)]
pub(crate) struct InterruptFlag(Arc<AtomicBool>);

impl InterruptFlag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
