//! What a command has to say, for people and for machines, and the printing of it.

use std::io::Write;

use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::view::Flags;

/// What a command found or did.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: Value,
    pub(super) text: String,
    pub(super) exit: Exit,
    /// Whether it only confirms what was asked for: `--quiet` leaves it out.
    pub(super) confirms: bool,
}

impl Answer {
    /// What was asked for.
    pub(super) fn data(json: Value, text: impl Into<String>) -> Answer {
        Answer {
            json,
            text: text.into(),
            exit: Exit::Done,
            confirms: false,
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
/// output, also for a failure.
pub(super) fn print(flags: Flags, result: Result<Answer, Failure>) -> Exit {
    match result {
        Ok(answer) => {
            if flags.json {
                to_stdout(&answer.json.to_string());
            } else if !(flags.quiet && answer.confirms) {
                to_stdout(&answer.text);
            }
            answer.exit
        }
        Err(failure) => {
            if flags.json {
                to_stdout(&json!({ "error": failure.json() }).to_string());
            } else {
                eprintln!("error: {failure}");
            }
            failure.exit
        }
    }
}

/// A reader that has seen enough is no failure.
fn to_stdout(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
}
