//! What a command has to say, for people and for machines, and the printing of it.

use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::terminal;
use super::view::Flags;

/// What a command found or did.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: Value,
    pub(super) text: String,
    pub(super) exit: Exit,
    /// Whether it only confirms what was asked for: `--quiet` leaves it out.
    pub(super) confirms: bool,
    /// Whether the text is a file or a program, whose names are checked before and whose characters all count.
    is_file: bool,
    /// Whether all of it is printed already: what may be too long to be kept.
    is_printed: bool,
}

impl Answer {
    /// What was asked for.
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

    /// The same, with a text that is put into a file.
    pub(super) fn file(json: Value, text: impl Into<String>) -> Answer {
        Answer {
            is_file: true,
            ..Answer::data(json, text)
        }
    }

    /// What was printed part by part.
    pub(super) fn printed() -> Answer {
        Answer {
            is_printed: true,
            ..Answer::data(Value::Null, "")
        }
    }

    /// That it is done.
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

/// Prints, and says how the program ends. With `--json` exactly one document is printed, to standard
/// output, also for a failure. A reader that has seen enough is no failure.
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
