//! Where the commands know the changes from.

use std::fmt;

use crate::audit::entry::Entry;
use crate::engine;
use crate::engine::settings::Settings;
use crate::plan::pipeline::Pipeline;
use crate::report::error::Error;

/// Where the changes are known from: the application's code, or what stands in for it.
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// Whether it knows rollbacks, probes and what the code says about recovery.
    fn has_code(&self) -> bool;

    /// As JSON has it.
    fn name(&self) -> &'static str;

    /// What is said of an applied change that it does not have.
    fn without(&self) -> &'static str;

    /// What is said of a change that somebody names and it does not have.
    fn has_no(&self, id: &str) -> String;

    /// What `status` does not tell, for people.
    fn limit_of_status(&self) -> Option<&'static str>;

    /// The changes in their order. `newest` is the newest entry of each, where there is no code.
    fn pipeline(&self, settings: &Settings, newest: &[Entry]) -> Result<Pipeline, Error>;
}

/// The application's code.
#[derive(Debug)]
pub(super) struct Code;

impl Source for Code {
    fn has_code(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "code"
    }

    fn without(&self) -> &'static str {
        "not in this binary"
    }

    fn has_no(&self, id: &str) -> String {
        format!("the pipeline has no change {id:?}")
    }

    fn limit_of_status(&self) -> Option<&'static str> {
        None
    }

    fn pipeline(&self, settings: &Settings, _newest: &[Entry]) -> Result<Pipeline, Error> {
        engine::pipeline_of(settings)
    }
}
