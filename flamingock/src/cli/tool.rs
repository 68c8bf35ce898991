//! The application's binary as the tool.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
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
    match parse(&arguments) {
        Ok(Chosen::Command(command)) => command.execute(runner).await,
        Ok(Chosen::Completions { shell }) => {
            let script = completions(shell, &arguments);
            let answer = Answer::data(json!({ "completions": script }), script.clone());
            let json = has(&arguments, "--json");
            answer::print(
                Flags {
                    json,
                    ..Flags::default()
                },
                Ok(answer),
            )
            .into()
        }
        Err(error) => refuse(&error, has(&arguments, "--json")),
    }
}

fn parse(arguments: &[OsString]) -> Result<Chosen, clap::Error> {
    let mut command = Tool::command();
    if has(arguments, "--no-color") {
        // Its own messages are printed before the flag is parsed.
        command = command.color(ColorChoice::Never);
    }
    let matches = command.try_get_matches_from(arguments)?;
    Tool::from_arg_matches(&matches).map(|tool| tool.chosen)
}

/// A request for help is no mistake.
fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        let failure = Failure::refused("usage", message);
        let flags = Flags {
            json,
            ..Flags::default()
        };
        return answer::print(flags, Err(failure)).into();
    }
    let _ = error.print();
    if error.use_stderr() {
        Exit::Refused.into()
    } else {
        ExitCode::SUCCESS
    }
}

fn has(arguments: &[OsString], flag: &str) -> bool {
    arguments.iter().skip(1).any(|argument| argument == flag)
}

fn completions(shell: Shell, arguments: &[OsString]) -> String {
    let program = arguments.first().map(Path::new).and_then(Path::file_name);
    let name = program.map_or_else(|| "flamingock".into(), |name| name.to_string_lossy());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Tool::command(), name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
