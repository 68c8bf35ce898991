//! How to print: the flags that every command takes.

use std::io::IsTerminal;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches};

use super::program::Program;
use super::source::{Code, Source};

/// The flags.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) json: bool,
    pub(super) no_color: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

const JSON: &str = "json";
const NO_COLOR: &str = "no_color";
const QUIET: &str = "quiet";
const VERBOSE: &str = "verbose";

impl Flags {
    /// Adds them to the program, or to the command that ours are nested in.
    pub(super) fn augment(command: clap::Command) -> clap::Command {
        let flag = |id: &'static str| Arg::new(id).action(ArgAction::SetTrue).global(true);
        command
            .arg(
                flag(JSON)
                    .long("json")
                    .help("Print one JSON document, also for an error"),
            )
            .arg(
                flag(NO_COLOR)
                    .long("no-color")
                    .help("Print without colors, as the variable NO_COLOR does"),
            )
            .arg(
                flag(QUIET)
                    .short('q')
                    .long("quiet")
                    .help("Print nothing but errors and what was asked for"),
            )
            .arg(
                flag(VERBOSE)
                    .short('v')
                    .long("verbose")
                    .help("Print every change, also those that need nothing"),
            )
    }

    pub(super) fn of(matches: &ArgMatches) -> Flags {
        Flags {
            json: matches.get_flag(JSON),
            no_color: matches.get_flag(NO_COLOR),
            quiet: matches.get_flag(QUIET),
            verbose: matches.get_flag(VERBOSE),
        }
    }
}

/// What the texts depend on.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) program: Program,
    pub(super) color: bool,
    pub(super) verbose: bool,
    /// Whether somebody looks on while it works.
    pub(super) progress: bool,
    pub(super) source: Arc<dyn Source>,
}

impl View {
    pub(super) fn new(flags: Flags, program: Program) -> View {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        View {
            program,
            color: !flags.no_color && !refused && std::io::stdout().is_terminal(),
            verbose: flags.verbose,
            progress: !flags.json && !flags.quiet && std::io::stderr().is_terminal() && can_move(),
            source: Arc::new(Code),
        }
    }
}

/// Whether the terminal can write over what it has written.
fn can_move() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}
