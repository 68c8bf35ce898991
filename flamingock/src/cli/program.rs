//! The beginning of suggested commands: how the user called the program, so that they work when
//! they are pasted.

use std::fmt::Write;

use super::masked::{self, Word, masked};
use crate::util::shell::quote;

/// The words before the command's name.
#[derive(Clone, Debug)]
pub(super) struct Program(String);

/// Flags that affect only the output.
const OURS: [&str; 6] = ["--json", "-q", "--quiet", "-v", "-vv", "--verbose"];

impl Program {
    /// Returns the program with this name and these arguments.
    pub(super) fn with(name: &str, arguments: &[String]) -> Program {
        let mut text = quote(name);
        for word in masked(arguments) {
            let _ = write!(text, " {}", quoted(&word));
        }
        Program(text)
    }

    /// Returns the program of this process, up to the name of the command.
    pub(super) fn calling(command: &str) -> Program {
        Program::of(masked::arguments(), command)
    }

    /// Keeps the words before the command's name, because the application may nest the commands
    /// there.
    fn of(arguments: impl IntoIterator<Item = String>, command: &str) -> Program {
        let mut arguments = arguments.into_iter();
        let name = arguments.next().unwrap_or_default();
        let mut before = Vec::new();
        while let Some(argument) = arguments.next().filter(|argument| argument != command) {
            let is_ours = OURS.contains(&argument.as_str()) || argument.starts_with("--color=");
            if argument == "--color" {
                arguments.next();
            } else if !is_ours {
                before.push(argument);
            }
        }
        Program::with(&name, &before)
    }

    /// Returns a command of the program, with each of these words quoted.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let mut text = self.0.clone();
        for word in words {
            let _ = write!(text, " {}", quote(word));
        }
        text
    }

    /// Returns the command with `--reason "..."`, which the user fills in.
    pub(super) fn command_with_reason(&self, words: &[&str]) -> String {
        format!("{} --reason \"...\"", self.command(words))
    }
}

fn quoted(word: &Word) -> String {
    match word {
        Word::Text(text) if text == "..." => "\"...\"".to_owned(),
        Word::Text(text) => quote(text),
        Word::Variable(before, name) if before.is_empty() => format!("\"${name}\""),
        Word::Variable(before, name) => format!("{}\"${name}\"", quote(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(arguments: &[&str], command: &str) -> String {
        Program::of(arguments.iter().map(|one| (*one).to_owned()), command).0
    }

    #[test]
    fn what_stands_before_the_command_is_kept_but_for_flags_of_ours() {
        assert_eq!(begins(&["./my-app", "issue", "show"], "issue"), "./my-app");
        assert_eq!(
            begins(
                &[
                    "my app",
                    "--config",
                    "a b",
                    "--color",
                    "never",
                    "db",
                    "--json",
                    "-v",
                    "--color=always",
                    "issue"
                ],
                "issue"
            ),
            "'my app' --config 'a b' db"
        );
    }

    #[test]
    fn passwords_before_the_command_are_not_repeated() {
        assert_eq!(
            begins(
                &[
                    "my-app",
                    "--db",
                    "postgres://ada:sesame@db/x",
                    "--token",
                    "sesame",
                    "db",
                    "issue"
                ],
                "issue"
            ),
            "my-app --db postgres://ada:...@db/x --token \"...\" db"
        );
        let variable = Word::Variable("--db=".to_owned(), "DATABASE_URL".to_owned());
        assert_eq!(quoted(&variable), "--db=\"$DATABASE_URL\"");
    }

    #[test]
    fn a_shell_takes_every_id_for_one_word() {
        let program = Program("my-app".to_owned());
        assert_eq!(
            program.command(&["issue", "show", "ada's change; $HOME"]),
            r"my-app issue show 'ada'\''s change; $HOME'"
        );
        assert_eq!(
            program.command(&["issue", "show", "a\u{1b}1'\\\n\u{202e}"]),
            r"my-app issue show $'a\0331\'\\\012\342\200\256'"
        );
    }
}
