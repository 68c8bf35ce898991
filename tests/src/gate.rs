//! A gate at which a change waits until its test has made its checks.

use tokio::sync::watch;

/// Provided to a change as `&Gate`; clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    reached: watch::Sender<usize>,
    open: watch::Sender<bool>,
    fails: bool,
}

impl Gate {
    /// A gate behind which changes are to fail.
    #[must_use]
    pub fn failing() -> Gate {
        Gate {
            fails: true,
            ..Gate::default()
        }
    }

    /// Whether a change is to fail behind it.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.fails
    }

    /// Waits here until the gate is open.
    pub async fn pass(&self) {
        self.reached.send_modify(|reached| *reached += 1);
        let mut open = self.open.subscribe();
        // This value owns the sender, so the wait only ends when the gate is open.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Waits until a change has reached the gate.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        let _ = reached.wait_for(|reached| *reached > 0).await;
    }

    /// The number of changes that have reached the gate.
    #[must_use]
    pub fn visitors(&self) -> usize {
        *self.reached.borrow()
    }

    /// Lets all pass from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}
