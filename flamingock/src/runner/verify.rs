//! Comparing the audit with the answers of the verify functions.

use super::builder::Runner;
use crate::engine;
use crate::report::error::Error;
use crate::report::verify::VerifyReport;

impl Runner {
    /// Calls the `#[verify]` function of every selected change that has one, and compares its
    /// answer with the audit. Writes nothing, and takes no lock.
    ///
    /// # Errors
    /// Problems of the registry or the pipeline, and any error while the audit is read. A verify
    /// function that fails is no error: its result says so.
    ///
    /// # Cancel safety
    /// The future can be dropped. A verify function that is running is then dropped with it.
    pub async fn verify(&self) -> Result<Vec<VerifyReport>, Error> {
        engine::verify(self.settings.for_a_run()).await
    }
}
