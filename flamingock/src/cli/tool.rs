//! The application's binary as the tool.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use super::answer::{self, Answer};
use super::command::Command;
use super::exit::Exit;
use super::failure::Failure;
use super::view::Flags;
use crate::runner::Runner;

/// Applies, undoes and shows the changes of this application, and what is on record of them
#[derive(Debug, Parser)]
struct Tool {
    #[command(subcommand)]
    chosen: Chosen,
}

#[derive(Debug, Subcommand)]
enum Chosen {
    #[command(flatten)]
    Command(Command),
    /// Print what a shell needs to complete these commands
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Does what the arguments of this process ask for, with this runner, and gives the code to exit
/// with. Must be awaited in a tokio runtime. See [`Command::execute`].
pub async fn run(runner: Runner) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = has(&arguments, "--json");
    let tool =
        parsed(Tool::command(), &arguments).and_then(|matches| Tool::from_arg_matches(&matches));
    match tool.map(|tool| tool.chosen) {
        Ok(Chosen::Command(command)) => command.execute(runner).await,
        Ok(Chosen::Completions { shell }) => {
            print_completions(completions(shell, Tool::command(), &arguments), json)
        }
        Err(error) => refuse(&error, json, str::to_owned),
    }
}

pub(super) fn parsed(
    mut command: clap::Command,
    arguments: &[OsString],
) -> Result<ArgMatches, clap::Error> {
    if has(arguments, "--no-color") {
        // Its own messages are printed before the flag is parsed.
        command = command.color(ColorChoice::Never);
    }
    command.try_get_matches_from(arguments)
}

/// A request for help is no mistake. `hide` takes out of a mistake what nobody may see.
pub(super) fn refuse(error: &clap::Error, json: bool, hide: impl Fn(&str) -> String) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let shown = hide(&text);
    if json {
        let message = shown.trim().trim_start_matches("error: ");
        let failure = Failure::refused("usage", message);
        let flags = Flags {
            json,
            ..Flags::default()
        };
        return answer::print(flags, Err(failure)).into();
    }
    if shown == text {
        let _ = error.print();
    } else {
        eprint!("{shown}");
    }
    Exit::Refused.into()
}

pub(super) fn has(arguments: &[OsString], flag: &str) -> bool {
    arguments.iter().skip(1).any(|argument| argument == flag)
}

pub(super) fn completions(
    shell: Shell,
    mut command: clap::Command,
    arguments: &[OsString],
) -> String {
    let program = arguments.first().map(Path::new).and_then(Path::file_name);
    let name = program.map_or_else(|| "flamingock".into(), |name| name.to_string_lossy());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

pub(super) fn print_completions(script: String, json: bool) -> ExitCode {
    let answer = Answer::data(json!({ "completions": script }), script);
    let flags = Flags {
        json,
        ..Flags::default()
    };
    answer::print(flags, Ok(answer)).into()
}
