//! Keeping the audit in another database than the changes.

use super::builder::Runner;
use crate::change::names::DEFAULT;
use crate::sql::target::IntoTarget;
use crate::target::system::TargetSystem;

impl Runner {
    /// Makes the database of this pool the target system `"default"`, in place of the audit's
    /// database: for a service that keeps its audit elsewhere, so that its changes need not name a
    /// target. Each runs in a transaction of its own, whose marker shows after a crash whether it
    /// was committed.
    ///
    /// # Notes
    /// A service that already has changes, and moves its audit, must move its entries too: without
    /// them, all changes would run again.
    pub fn default_target(mut self, pool: impl IntoTarget) -> Runner {
        self.settings.has_default_target = true;
        self.target(TargetSystem::sqlx(DEFAULT, pool))
    }
}
