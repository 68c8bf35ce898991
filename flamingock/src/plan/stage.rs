//! Stages, as an application declares them.

/// A part of the pipeline, whose changes run in order.
///
/// ```
/// use flamingock::{MemoryStore, Runner, Stage};
///
/// let runner = Runner::new(MemoryStore::new())
///     .stage(Stage::new("schema"))
///     .stage(Stage::new("messaging"))
///     .stage(Stage::new("data").after("schema").after("messaging"));
/// # drop(runner);
/// ```
///
/// A failure in "schema" keeps "data" from running, but not "messaging".
#[derive(Clone, Debug)]
pub struct Stage {
    pub(crate) name: String,
    pub(crate) after: Vec<String>,
    pub(crate) atomic: bool,
}

impl Stage {
    /// Declares a stage with this name.
    pub fn new(name: impl Into<String>) -> Stage {
        Stage {
            name: name.into(),
            after: Vec::new(),
            atomic: false,
        }
    }

    /// Runs this stage only after `stage` has succeeded.
    #[must_use]
    pub fn after(mut self, stage: impl Into<String>) -> Stage {
        self.after.push(stage.into());
        self
    }

    /// Runs the pending changes of this stage in one transaction with all their entries: either all
    /// of them are applied or none.
    ///
    /// A run fails before anything runs if a change cannot share the transaction: a
    /// non-transactional change, a change of a target system that does not hold the audit, a change
    /// with its own `lock_timeout` or `statement_timeout`, and on MySQL and MariaDB a file with a
    /// statement that commits implicitly (DDL). Such a statement in code is only detected when it
    /// runs: everything before it is then committed with its entries, which the report notes, and
    /// the rest goes on.
    #[must_use]
    pub fn atomic(mut self) -> Stage {
        self.atomic = true;
        self
    }
}
