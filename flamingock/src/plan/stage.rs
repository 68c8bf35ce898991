//! Stages, as an application declares them.

/// A stage: a part of the pipeline whose changes run in their order.
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
/// A failure in "schema" keeps "data" from starting, and not "messaging".
#[derive(Clone, Debug)]
pub struct Stage {
    pub(crate) name: String,
    pub(crate) after: Vec<String>,
    pub(crate) atomic: bool,
}

impl Stage {
    /// A stage of this name.
    pub fn new(name: impl Into<String>) -> Stage {
        Stage {
            name: name.into(),
            after: Vec::new(),
            atomic: false,
        }
    }

    /// This stage starts only when that one has succeeded.
    #[must_use]
    pub fn after(mut self, stage: impl Into<String>) -> Stage {
        self.after.push(stage.into());
        self
    }

    /// What is pending in this stage runs in one transaction with all its entries: all of it is
    /// applied, or nothing.
    ///
    /// A change that cannot take part is refused before anything runs: one without transaction, one of
    /// a target system that does not hold the audit, one with a `lock_timeout` or
    /// `statement_timeout` of its own, and on MySQL and MariaDB a file with a statement that commits
    /// (DDL). Code with such a statement is found out when it runs: what came before is then
    /// committed with its entries, as the report notes, and the rest goes on.
    #[must_use]
    pub fn atomic(mut self) -> Stage {
        self.atomic = true;
        self
    }
}
