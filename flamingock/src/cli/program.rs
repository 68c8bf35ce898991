//! How the person called the program: what a command begins with that works when it is pasted.

use std::fmt::Write;

/// The words before the command's own.
#[derive(Clone, Debug)]
pub(super) struct Program(String);

/// Flags that say how to print, and not what to do it with.
const OURS: [&str; 7] = [
    "--json",
    "--no-color",
    "-q",
    "--quiet",
    "-v",
    "-vv",
    "--verbose",
];

impl Program {
    /// These words, as a shell takes them.
    #[cfg(feature = "standalone")]
    pub(super) fn named(text: String) -> Program {
        Program(text)
    }

    /// The program of this process, whose arguments call the command of that name.
    pub(super) fn calling(command: &str) -> Program {
        let arguments = std::env::args_os().map(|one| one.to_string_lossy().into_owned());
        Program::of(arguments, command)
    }

    /// What stands before the command is kept, since it may be where the application nests it.
    fn of(arguments: impl IntoIterator<Item = String>, command: &str) -> Program {
        let mut arguments = arguments.into_iter();
        let mut text = quote(&arguments.next().unwrap_or_default());
        let before = arguments.take_while(|argument| argument != command);
        for argument in before.filter(|argument| !OURS.contains(&argument.as_str())) {
            let _ = write!(text, " {}", quote(&argument));
        }
        Program(text)
    }

    /// A command of the program: these words, each as one.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let mut text = self.0.clone();
        for word in words {
            let _ = write!(text, " {}", quote(word));
        }
        text
    }

    /// The same with `--reason "..."`, which the person fills in.
    pub(super) fn command_with_reason(&self, words: &[&str]) -> String {
        format!("{} --reason \"...\"", self.command(words))
    }
}

/// A word as a POSIX shell takes it for one.
pub(super) fn quote(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./:=@%+,".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
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
        assert_eq!(begins(&["./my-app", "issue", "get"], "issue"), "./my-app");
        assert_eq!(
            begins(
                &["my app", "--config", "a b", "db", "--json", "-v", "issue"],
                "issue"
            ),
            "'my app' --config 'a b' db"
        );
    }

    #[test]
    fn a_shell_takes_every_id_for_one_word() {
        let program = Program("my-app".to_owned());
        assert_eq!(
            program.command(&["issue", "get", "ada's change; $HOME"]),
            r"my-app issue get 'ada'\''s change; $HOME'"
        );
    }
}
