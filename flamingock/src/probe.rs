//! What a `#[verify]` function answers, beside what the audit says.

use serde::Serialize;

use crate::audit::ErrorChain;
use crate::engine;
use crate::error::Error;
use crate::runner::Runner;

/// What the probe of a change answers, beside what the audit says.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Probe {
    /// The change's id.
    pub change_id: String,
    /// Its stage.
    pub stage: String,
    /// Its target system.
    pub target: String,
    /// Whether the audit has it as applied.
    pub applied: bool,
    /// Whether its effect is there; none if the probe failed.
    pub there: Option<bool>,
    /// Why the probe failed.
    pub error: Option<ErrorChain>,
}

impl Probe {
    /// Whether the audit says what the probe says.
    pub fn agrees(&self) -> bool {
        self.there == Some(self.applied)
    }
}

impl Runner {
    /// Asks the `#[verify]` function of every selected change that has one, and tells where the
    /// answer is not what the audit says. Writes nothing, takes no lock.
    ///
    /// # Errors
    /// What is wrong with the registry or the pipeline, and whatever keeps the audit from being
    /// read. A probe that fails is no error here: its answer says so.
    pub async fn verify(self) -> Result<Vec<Probe>, Error> {
        engine::verify(self.settings).await
    }
}
