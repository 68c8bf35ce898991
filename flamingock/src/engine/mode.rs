//! What a run is for.

use crate::change::problem::Problem;

/// What a run is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Apply what is pending.
    #[default]
    Apply,
    /// Succeed only if nothing is pending; write nothing.
    Check,
    /// Report what would run; write nothing.
    Plan,
    /// Touch nothing, not even the database.
    Off,
}

/// The variable that sets the mode where the code does not.
const MODE_VARIABLE: &str = "FLAMINGOCK_MODE";

impl Mode {
    pub(crate) fn from_environment() -> Result<Mode, Problem> {
        let Some(value) = std::env::var_os(MODE_VARIABLE) else {
            return Ok(Mode::Apply);
        };
        let value = value.to_string_lossy();
        match &*value {
            // A variable that a template has left empty is one that is not set.
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
