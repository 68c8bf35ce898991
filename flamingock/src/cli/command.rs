//! The public command, which a clap program nests.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches, Subcommand};

use super::answer::{self, Answer};
use super::arguments::{Action, Audit, Issue, Lock};
use super::failure::Failure;
use super::program::Program;
use super::view::{Flags, View};
use super::{
    adopt, apply, baseline, batch, check, doctor, export, history, issue, lock, log, manifest, new,
    panics, plan, services, status, verify,
};
use crate::runner::builder::Runner;

/// The commands of [`run`](super::run), except `completions`, for a program that uses clap already:
///
/// ```no_run
/// use std::process::ExitCode;
/// use clap::Parser;
/// use flamingock::{MemoryStore, Runner};
///
/// #[derive(Parser)]
/// enum App {
///     /// Listen for requests
///     Serve,
///     /// Apply, undo and show changes
///     #[command(subcommand)]
///     Changes(flamingock::cli::Command),
/// }
///
/// #[tokio::main]
/// async fn main() -> ExitCode {
///     let runner = Runner::new(MemoryStore::new());
///     match App::parse() {
///         App::Changes(command) => command.execute(runner).await,
///         App::Serve => ExitCode::SUCCESS,
///     }
/// }
/// ```
///
/// It adds the flags `--json`, `--color WHEN`, `--quiet` (`-q`) and `--verbose` (`-v`). If the
/// program has global flags with these names, give each of them the same id (`json`, `color`,
/// `quiet`, `verbose`), and make it a `bool`, except for `color`, whose values are `auto`, `always`
/// and `never`. The flag then applies to these commands, too.
#[derive(Debug)]
pub struct Command {
    flags: Flags,
    action: Action,
}

impl Command {
    /// Executes the command, prints its result, and returns the exit code.
    ///
    /// The command takes precedence over the runner's `mode` and over the variable
    /// `FLAMINGOCK_MODE`.
    ///
    /// `apply` and `undo` listen for SIGINT and SIGTERM until the process ends: the first signal
    /// asks the run to stop, the second one ends the process.
    ///
    /// From this call until the process ends, a panic whose text has control characters or several
    /// lines is printed escaped, in one line, and not passed to the panic hook of the program.
    pub async fn execute(self, runner: Runner) -> ExitCode {
        let flags = self.flags;
        log::show(flags);
        panics::escape();
        let view = View::new(flags, Program::calling(self.action.name()));
        let result = answer(self.action, runner, &view).await;
        answer::print(flags, result).into()
    }
}

pub(super) async fn answer(action: Action, runner: Runner, view: &View) -> Result<Answer, Failure> {
    let runner = match action.by() {
        Some(by) => by.name(runner),
        None => runner,
    };
    match action {
        Action::Apply(how) => apply::apply(runner, how.background, view).await,
        Action::Plan(how) => plan::plan(runner, &how, view).await,
        Action::Status(of) if of.all_services => services::services(&runner, view).await,
        Action::Status(_) => status::status(&runner, view).await,
        Action::Undo(undo) if undo.plan => apply::plan_undo(&runner, undo.undo(), view).await,
        Action::Undo(undo) => apply::undo(runner, undo.undo(), view).await,
        Action::Check(how) => check::check(runner, &how, view).await,
        Action::Verify => verify::verify(runner, view).await,
        Action::Audit(Audit::List(list)) => history::list(&runner, list, view).await,
        Action::Audit(Audit::Export(how)) => export::export(&runner, how, view).await,
        Action::Audit(Audit::Fix(fix)) => {
            issue::resolve(&runner, &fix.change, fix.resolution, &fix.reason, view).await
        }
        Action::Issue(Issue::List) => issue::list(&runner, view).await,
        Action::Issue(Issue::Show { id, guidance }) => {
            issue::show(&runner, &id, guidance, view).await
        }
        Action::Issue(Issue::Resolve(one)) => {
            issue::resolve(&runner, &one.id, one.finding(), &one.reason, view).await
        }
        Action::Adopt(adopt) => adopt::adopt(&runner, &adopt, view).await,
        Action::Baseline(baseline) => baseline::baseline(&runner, &baseline, view).await,
        Action::Lock(Lock::Status) => lock::status(&runner, view).await,
        Action::Lock(Lock::Release { reason, change, .. }) => {
            lock::release(&runner, change.as_deref(), &reason, view).await
        }
        Action::Batch(of) => batch::batch(runner, of, view).await,
        Action::Doctor => doctor::doctor(&runner, view).await,
        Action::New(chosen) => new::new(&runner, &chosen, view),
        Action::Manifest(chosen) => manifest::manifest(&runner, &chosen, view),
        Action::Schema(schema) if schema.upgrade => manifest::upgrade(&runner, view).await,
        Action::Schema(schema) if schema.grants => manifest::grants(&runner, view),
        Action::Schema(_) => manifest::schema(&runner, view),
    }
}

impl FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Command {
            flags: Flags::of(matches),
            action: Action::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        let message = "a command cannot be changed: parse it anew";
        Err(clap::Error::raw(ErrorKind::InvalidSubcommand, message))
    }
}

impl Subcommand for Command {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        Flags::augment(Action::augment_subcommands(command))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Flags::augment(Action::augment_subcommands_for_update(command))
    }

    fn has_subcommand(name: &str) -> bool {
        Action::has_subcommand(name)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct App {
        /// The application's own flag.
        #[arg(short, long, global = true)]
        verbose: bool,
        #[command(subcommand)]
        chosen: Chosen,
    }

    #[derive(Debug, Subcommand)]
    enum Chosen {
        #[command(subcommand)]
        Changes(Command),
    }

    #[test]
    fn a_program_with_a_flag_of_the_same_name_nests_the_command() {
        App::command().debug_assert();
        for arguments in [
            ["app", "-v", "changes", "--json", "audit", "list"],
            ["app", "changes", "audit", "list", "--json", "--verbose"],
        ] {
            let app = App::parse_from(arguments);
            let Chosen::Changes(command) = app.chosen;
            assert!(matches!(command.action, Action::Audit(Audit::List(_))));
            assert!(command.flags.json && command.flags.verbose > 0 && app.verbose);
            assert!(!command.flags.quiet);
        }
    }

    #[test]
    fn verbose_may_be_said_again() {
        #[derive(Debug, Parser)]
        struct Plain {
            #[command(subcommand)]
            chosen: Command,
        }
        Plain::command().debug_assert();
        for arguments in [
            ["app", "-vv", "status", "-q"],
            ["app", "-v", "status", "-qv"],
            ["app", "status", "--verbose", "-v"],
        ] {
            let command = Plain::parse_from(arguments).chosen;
            assert!(command.flags.verbose > 0, "{arguments:?}");
        }
        let silent = Plain::parse_from(["app", "status"]).chosen;
        assert_eq!(silent.flags.verbose, 0);
    }
}
