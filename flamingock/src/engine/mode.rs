//! The mode of a run.

use crate::change::problem::Problem;

/// What a run may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Apply the pending changes.
    #[default]
    Apply,
    /// Fail if changes are pending, and write nothing.
    Check,
    /// Report what would run, and write nothing.
    Plan,
    /// Do nothing, and do not even read the database.
    Off,
}

/// The environment variable that sets the mode if the code does not.
const MODE_VARIABLE: &str = "FLAMINGOCK_MODE";

impl Mode {
    pub(crate) fn from_environment() -> Result<Mode, Problem> {
        let Some(value) = std::env::var_os(MODE_VARIABLE) else {
            return Ok(Mode::Apply);
        };
        let value = value.to_string_lossy();
        match &*value {
            // An empty variable, as from a template without a value, counts as not set.
            "" | "apply" => Ok(Mode::Apply),
            "check" => Ok(Mode::Check),
            "plan" => Ok(Mode::Plan),
            "off" => Ok(Mode::Off),
            _ => Err(Problem::general(format!(
                "{MODE_VARIABLE}={value}: use apply, check, plan or off"
            ))),
        }
    }
}
