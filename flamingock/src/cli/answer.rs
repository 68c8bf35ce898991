//! The result of a command, as text and as JSON, and printing it.

use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::terminal;
use super::view::Flags;

/// The result of a command.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: Value,
    pub(super) text: String,
    pub(super) exit: Exit,
    /// Whether it only confirms that the command succeeded: `--quiet` suppresses it.
    pub(super) confirms: bool,
    /// Whether the text is the content of a file or a program. Its names are checked already, and
    /// it must be printed unchanged.
    is_file: bool,
    /// Whether everything is printed already, because it may be too long to keep in memory.
    is_printed: bool,
}

impl Answer {
    /// Creates a result with the requested data.
    pub(super) fn data(json: Value, text: impl Into<String>) -> Answer {
        Answer {
            json,
            text: text.into(),
            exit: Exit::Done,
            confirms: false,
            is_file: false,
            is_printed: false,
        }
    }

    /// Creates a result whose text is the content of a file.
    pub(super) fn file(json: Value, text: impl Into<String>) -> Answer {
        Answer {
            is_file: true,
            ..Answer::data(json, text)
        }
    }

    /// Creates the result of a command that has printed everything already.
    pub(super) fn printed() -> Answer {
        Answer {
            is_printed: true,
            ..Answer::data(Value::Null, "")
        }
    }

    /// Creates a result that only confirms that the command succeeded.
    pub(super) fn done(json: Value, text: impl Into<String>) -> Answer {
        Answer {
            confirms: true,
            ..Answer::data(json, text)
        }
    }

    pub(super) fn ending(self, exit: Exit) -> Answer {
        Answer { exit, ..self }
    }
}

/// Prints the result, and returns how the program ends. With `--json` exactly one document is
/// printed to standard output, also for a failure. A reader that closes the output early is no
/// failure.
pub(super) fn print(flags: Flags, result: Result<Answer, Failure>) -> Exit {
    match result {
        Ok(answer) => {
            let _ = if answer.is_printed || (!flags.json && flags.quiet && answer.confirms) {
                Ok(())
            } else if flags.json {
                terminal::print_json(&answer.json.to_string())
            } else if answer.is_file {
                terminal::print_file(&answer.text)
            } else {
                terminal::print(&answer.text)
            };
            answer.exit
        }
        Err(failure) => {
            if flags.json {
                let document = json!({ "error": failure.json() });
                let _ = terminal::print_json(&document.to_string());
            } else {
                terminal::tell(&format!("error: {failure}"));
            }
            failure.exit
        }
    }
}
