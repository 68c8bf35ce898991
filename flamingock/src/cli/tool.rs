//! The command line of an application's own binary.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use super::answer::{self, Answer};
use super::command::Command;
use super::exit::Exit;
use super::failure::Failure;
use super::masked::{self, masked};
use super::view::{Flags, color_of};
use crate::runner::builder::Runner;
use crate::util::visible::visible;

/// Applies, undoes and shows the changes of this application, and reads their audit
#[derive(Debug, Parser)]
struct Tool {
    #[command(subcommand)]
    chosen: Chosen,
}

#[derive(Debug, Subcommand)]
enum Chosen {
    #[command(flatten)]
    Command(Command),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs the command line with the arguments of this process and this runner, and returns the exit
/// code. Must be awaited in a tokio runtime. See [`Command::execute`].
pub async fn run(runner: Runner) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = has(&arguments, "--json");
    let tool = parsed::<Tool>(Tool::command, &arguments);
    match tool.map(|(tool, _)| tool.chosen) {
        Ok(Chosen::Command(command)) => command.execute(runner).await,
        Ok(Chosen::Completions { shell }) => {
            print_completions(completions(shell, Tool::command(), &arguments), json)
        }
        Err(error) => refuse(&error, json),
    }
}

/// Parses the arguments. An error repeats them without their secrets, and escaped.
pub(super) fn parsed<T: FromArgMatches>(
    command: fn() -> clap::Command,
    arguments: &[OsString],
) -> Result<(T, ArgMatches), clap::Error> {
    let parse = |arguments: &[OsString]| {
        let mut command = command();
        // clap prints its own messages before it parses the flag.
        command = command.color(color(arguments));
        let matches = command.try_get_matches_from_mut(arguments)?;
        let tool = T::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok((tool, matches))
    };
    parse(arguments).map_err(|error: clap::Error| {
        if !error.use_stderr() {
            return error;
        }
        let texts = masked::texts(arguments);
        let shown: Vec<OsString> = masked(&texts)
            .iter()
            .map(|word| visible(&word.text()).into_owned().into())
            .collect();
        if shown == arguments {
            return error;
        }
        match parse(&shown) {
            Err(shown) => shown,
            Ok(_) => clap::Error::raw(error.kind(), "an argument is not valid\n"),
        }
    })
}

/// Prints a parse error, or the requested help, which is no error.
pub(super) fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if json {
        let text = text.to_string();
        let message = text.trim().trim_start_matches("error: ");
        let failure = Failure::refused("usage", message);
        let flags = Flags {
            json,
            ..Flags::default()
        };
        return answer::print(flags, Err(failure)).into();
    }
    // Prints colors if clap itself would print them.
    let _ = error.print();
    Exit::Refused.into()
}

/// Returns when to print colors, as far as the arguments can be parsed.
fn color(arguments: &[OsString]) -> ColorChoice {
    let mut words = arguments.iter().skip(1);
    let mut when = None;
    while let Some(word) = words.next() {
        match word.to_str().and_then(|word| word.strip_prefix("--color")) {
            Some("") => when = words.next().map(OsString::as_os_str),
            Some(value) => when = value.strip_prefix('=').map(OsStr::new).or(when),
            None => {}
        }
    }
    color_of(when)
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
    let name = visible(&name).into_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

pub(super) fn print_completions(script: String, json: bool) -> ExitCode {
    let answer = Answer::file(json!({ "completions": script }), script);
    let flags = Flags {
        json,
        ..Flags::default()
    };
    answer::print(flags, Ok(answer)).into()
}
