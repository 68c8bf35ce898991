//! SQL of a file, which can be called like a function.

use crate::change::argument::{Inputs, Outlives};
use crate::change::body::{Answer, Callable, ScriptRunner};
use crate::change::script::Script;

/// The SQL of a file, or of a part of it.
#[derive(Debug)]
pub(super) struct SqlFile {
    pub(super) script: Script,
    pub(super) transaction: bool,
    /// Whether it is the down file of another tool, which runs it only on request.
    pub(super) undo_only: bool,
}

impl Callable<()> for SqlFile {
    fn call<'a, 'c>(
        &'static self,
        inputs: Inputs<'a, 'c>,
        _outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, ()> {
        match inputs.value::<ScriptRunner>() {
            Some(ScriptRunner(run)) => run(&self.script, self.transaction, inputs.session),
            // The preflight demands a database, and without a feature there is none.
            None => {
                let name = self.script.file;
                Box::pin(
                    async move { Err(format!("`{name}` is SQL, and no database is there").into()) },
                )
            }
        }
    }

    fn script(&self) -> Option<&Script> {
        Some(&self.script)
    }

    fn is_for_undo_only(&self) -> bool {
        self.undo_only
    }
}
