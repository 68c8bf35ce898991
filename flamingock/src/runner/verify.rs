//! `Runner::verify`.

use super::builder::Runner;
use crate::engine;
use crate::report::error::Error;
use crate::report::probe::Probe;

impl Runner {
    /// Asks the `#[verify]` function of every selected change that has one, and tells where the
    /// answer is not what the audit says. Writes nothing, takes no lock.
    ///
    /// # Errors
    /// What is wrong with the registry or the pipeline, and whatever keeps the audit from being
    /// read. A probe that fails is no error here: its answer says so.
    pub async fn verify(&self) -> Result<Vec<Probe>, Error> {
        engine::verify(self.settings.for_a_run()).await
    }
}
