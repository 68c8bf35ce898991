//! The source of the changes that the commands know.

use std::fmt;

use crate::audit::entry::Entry;
use crate::engine;
use crate::engine::settings::Settings;
use crate::plan::pipeline::Pipeline;
use crate::report::error::Error;

/// A source of changes: the application's code, or a substitute.
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// Reports whether it knows rollbacks, verify functions and recovery settings.
    fn has_code(&self) -> bool;

    /// Returns the name of the source in JSON.
    fn name(&self) -> &'static str;

    /// Returns the text about an applied change that it does not have.
    fn without(&self) -> &'static str;

    /// Returns the text about a requested change that it does not have.
    fn has_no(&self, id: &str) -> String;

    /// Returns what `status` cannot show, for people.
    fn limit_of_status(&self) -> Option<&'static str>;

    /// Returns the changes in order. `latest` has the latest entry of each change, if there is no
    /// code.
    fn pipeline(&self, settings: &Settings, latest: &[Entry]) -> Result<Pipeline, Error>;
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
