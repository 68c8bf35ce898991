//! Exit codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The command succeeded.
    Done,
    /// A change failed.
    Failed,
    /// The arguments, or the changes themselves, were refused: nothing ran.
    Refused,
    /// A change needs manual resolution.
    Person,
    /// The lock could not be acquired, or was lost.
    Lock,
    /// The database was not reachable, or failed.
    Database,
    /// Changes are pending.
    Pending,
    /// A signal stopped the run before it finished.
    Signal(u8),
}

impl Exit {
    pub(super) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Refused => 2,
            Exit::Person => 3,
            Exit::Lock => 4,
            Exit::Database => 5,
            Exit::Pending => 10,
            // The code that a shell uses for a process that was ended by a signal.
            Exit::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
