//! The error of a command, as text and as JSON, with the commands to run next.

use std::fmt;

use serde_json::{Value, json};

use super::exit::Exit;
use super::program::Program;
use crate::audit::store_error::StoreErrorKind;
use crate::report::error::{Error, ErrorKind};
use crate::report::run::Report;
use crate::util::visible::Visible;

/// The error of a command.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    kind: &'static str,
    message: String,
    /// The causes, outermost first.
    causes: Vec<String>,
    report: Option<Box<Report>>,
    next: Vec<Next>,
}

/// A suggested command, and when to use it.
#[derive(Debug)]
struct Next {
    command: String,
    when: String,
}

impl Failure {
    /// Creates the error of a refused command.
    pub(super) fn refused(kind: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Refused,
            kind,
            message: message.into(),
            causes: Vec::new(),
            report: None,
            next: Vec::new(),
        }
    }

    /// Creates the error of a database that is missing or has no audit.
    #[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(super) fn database(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Database,
            ..Failure::refused("store", message)
        }
    }

    /// Adds the causes of the error.
    #[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(super) fn caused_by(self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let causes = crate::util::error_chain::ErrorChain::of(error)
            .causes()
            .to_vec();
        Failure { causes, ..self }
    }

    /// Creates the error of a file that could not be read or written.
    pub(super) fn file(action: &str, error: &std::io::Error) -> Failure {
        Failure {
            causes: vec![error.to_string()],
            ..Failure::refused("file", action)
        }
    }

    pub(super) fn ending(self, exit: Exit) -> Failure {
        Failure { exit, ..self }
    }

    pub(super) fn next(mut self, command: String, when: &str) -> Failure {
        self.next.push(Next {
            command,
            when: when.to_owned(),
        });
        self
    }

    pub(super) fn of(error: Error, program: &Program) -> Failure {
        let mut failure = Failure {
            exit: exit(error.kind()),
            kind: error.kind().as_str(),
            message: error.message().to_owned(),
            causes: error.causes(),
            report: None,
            next: Vec::new(),
        };
        if error.lock_owner().is_some() {
            let release = program.command_with_reason(&["lock", "release"]);
            failure = failure
                .next(
                    program.command(&["lock", "status"]),
                    "who has it, and until when",
                )
                .next(release, "only if its owner is known to be gone");
        }
        if error.is_store(StoreErrorKind::MissingTable) {
            failure = failure.next(program.command(&["schema"]), "what creates them");
        }
        if error.kind() != ErrorKind::LockTimeout {
            for change in error.to_resolve() {
                failure = failure.resolving(program, &change.id);
            }
        }
        failure.report = error.into_report().map(Box::new);
        failure
    }

    /// Suggests the commands for a change that needs manual resolution.
    fn resolving(self, program: &Program, id: &str) -> Failure {
        let guidance = program.command(&["issue", "show", id, "--guidance"]);
        let [applied, rolled_back] = resolving(program, id);
        self.next(guidance, "what happened, and what to look at")
            .next(applied, "if its effect is there")
            .next(
                rolled_back,
                "if nothing of it is there, and the next apply is to run it",
            )
    }

    pub(super) fn json(&self) -> Value {
        let next: Vec<&str> = self.next.iter().map(|next| next.command.as_str()).collect();
        json!({
            "kind": self.kind,
            "message": self.message,
            "causes": self.causes,
            "report": self.report,
            "next": next,
        })
    }
}

/// Returns the commands that resolve a change as applied and as rolled back.
pub(super) fn resolving(program: &Program, id: &str) -> [String; 2] {
    ["--applied", "--rolled-back"]
        .map(|found| program.command_with_reason(&["issue", "resolve", id, found]))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, "\ncaused by: {}", Visible(cause))?;
        }
        // Without code there are no changes to report.
        if let Some(report) = &self.report
            && report.changes().next().is_some()
        {
            write!(f, "\n{report}")?;
        }
        if !self.next.is_empty() {
            f.write_str("\nnext:")?;
        }
        for Next { when, command } in &self.next {
            write!(f, "\n  {when}:\n    {command}")?;
        }
        Ok(())
    }
}

/// Returns how the program ends after an error of this kind.
fn exit(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Invalid => Exit::Refused,
        ErrorKind::ChangesFailed => Exit::Failed,
        ErrorKind::Issues => Exit::Person,
        ErrorKind::Pending => Exit::Pending,
        ErrorKind::LockTimeout | ErrorKind::LeaseLost => Exit::Lock,
        // The database did not answer, or did not store the entry.
        ErrorKind::InDoubt | ErrorKind::Store => Exit::Database,
        // Stopped by a signal. Which one is known where the signal is caught.
        ErrorKind::Cancelled => Exit::Failed,
    }
}
