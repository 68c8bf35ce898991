//! Exit codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// What was asked for is done.
    Done,
    /// A change failed.
    Failed,
    /// The arguments, or the changes themselves, are refused: nothing ran.
    Refused,
    /// Manual resolution is needed.
    Person,
    /// The lock was not obtained, or was lost.
    Lock,
    /// The database was not reached, or did not do what it was asked.
    Database,
    /// Changes are pending.
    Pending,
    /// A signal stopped the run before its end.
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
            // As a shell says it of a process that a signal ended.
            Exit::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
