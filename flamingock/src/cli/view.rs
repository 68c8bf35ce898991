//! The output flags of every command.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, ColorChoice};

use super::program::Program;
use super::source::{Code, Source};

/// The flags.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) json: bool,
    pub(super) color: ColorChoice,
    pub(super) quiet: bool,
    /// How often `-v` was passed.
    pub(super) verbose: usize,
}

const JSON: &str = "json";
const COLOR: &str = "color";
const QUIET: &str = "quiet";
const VERBOSE: &str = "verbose";

impl Flags {
    /// Adds the flags to the program, or to the command in which the commands are nested. Each is a
    /// `bool`, like a flag of the same name in the program; `verbose` can be repeated.
    pub(super) fn augment(command: clap::Command) -> clap::Command {
        let flag = |id: &'static str| Arg::new(id).action(ArgAction::SetTrue).global(true);
        command
            .arg(
                flag(JSON)
                    .long("json")
                    .help("Print one JSON document, even for an error"),
            )
            .arg(
                Arg::new(COLOR)
                    .long("color")
                    .value_name("WHEN")
                    .value_parser(["auto", "always", "never"])
                    .global(true)
                    .help("When to print colors; the variable NO_COLOR turns `auto` off"),
            )
            .arg(
                flag(QUIET)
                    .short('q')
                    .long("quiet")
                    .help("Print only the result and errors"),
            )
            .arg(
                flag(VERBOSE)
                    .short('v')
                    .long("verbose")
                    .overrides_with(VERBOSE)
                    .help("Print every change, and progress to standard error; -vv prints more"),
            )
    }

    pub(super) fn of(matches: &ArgMatches) -> Flags {
        Flags {
            json: matches.get_flag(JSON),
            color: color_of(matches.get_raw(COLOR).and_then(Iterator::last)),
            quiet: matches.get_flag(QUIET),
            verbose: if matches.get_flag(VERBOSE) {
                times(std::env::args_os().skip(1)).max(1)
            } else {
                0
            },
        }
    }
}

/// Counts `-v`: a flag that the program may share cannot count itself.
fn times(arguments: impl Iterator<Item = OsString>) -> usize {
    let said = |argument: OsString| match argument.to_str()? {
        "--verbose" => Some(1),
        other => {
            let letters = other.strip_prefix('-')?;
            let ours = letters.chars().all(|letter| "qv".contains(letter));
            ours.then(|| letters.matches('v').count())
        }
    };
    arguments.filter_map(said).sum()
}

/// Returns when to print colors; `auto` for any other word.
pub(super) fn color_of(when: Option<&OsStr>) -> ColorChoice {
    match when.and_then(OsStr::to_str) {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// Reports whether to print colors, depending on whether the output is a terminal.
pub(super) fn wants_color(flags: Flags, is_terminal: bool) -> bool {
    let refused = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match flags.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && !refused(),
    }
}

/// Everything that the texts depend on.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) program: Program,
    pub(super) color: bool,
    pub(super) json: bool,
    pub(super) verbose: bool,
    /// Whether to show the progress line.
    pub(super) progress: bool,
    pub(super) source: Arc<dyn Source>,
}

impl View {
    pub(super) fn new(flags: Flags, program: Program) -> View {
        View {
            program,
            color: wants_color(flags, std::io::stdout().is_terminal()),
            json: flags.json,
            verbose: flags.verbose > 0,
            // Lines of the log would mix with it.
            progress: !flags.json
                && !flags.quiet
                && flags.verbose == 0
                && std::io::stderr().is_terminal()
                && can_move(),
            source: Arc::new(Code),
        }
    }
}

/// Reports whether the terminal can overwrite its output.
fn can_move() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbose_counts_how_often_it_is_said() {
        for (arguments, said) in [
            (&["status"][..], 0),
            (&["-v", "status"], 1),
            (&["-vv", "status"], 2),
            (&["status", "-qvv"], 2),
            (&["status", "--verbose", "-v", "--json"], 2),
            (&["audit", "list", "-cvv"], 0),
        ] {
            let arguments = arguments.iter().map(OsString::from);
            assert_eq!(times(arguments), said);
        }
    }
}
