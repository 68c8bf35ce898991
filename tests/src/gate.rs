//! A place where a change stops until its test has seen what it came to see.

use tokio::sync::watch;

/// Given to a change as `&Gate`; clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    reached: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// Stops here until the gate is open.
    pub async fn pass(&self) {
        self.reached.send_modify(|reached| *reached += 1);
        let mut open = self.open.subscribe();
        // The sender is ours, so this only ends when it is open.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Waits until somebody stands at the gate.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        let _ = reached.wait_for(|reached| *reached > 0).await;
    }

    /// How many have come to the gate.
    #[must_use]
    pub fn visitors(&self) -> usize {
        *self.reached.borrow()
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}
