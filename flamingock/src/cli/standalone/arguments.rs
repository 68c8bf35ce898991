//! The arguments of the stand-alone program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::adopt::Adopt;
use crate::cli::arguments::{Action, Audit, Issue, Lock, Schema, Status};
use crate::cli::baseline::Baseline;
use crate::cli::batch::Batch;
use crate::cli::new::New;
use crate::cli::program::Program;

/// Operates the services whose audit is in a database, without the code of their changes
#[derive(Debug, Parser)]
#[command(name = "flamingock", version, subcommand_required = true)]
pub(super) struct Tool {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(subcommand)]
    pub(super) chosen: Chosen,
}

/// Where to look.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// sqlite:FILE, postgres://.. or mysql://.. [default: the variable DATABASE_URL]
    #[arg(long, value_name = "URL", global = true)]
    pub(super) database_url: Option<String>,
    /// The service [default: default]
    #[arg(long, value_name = "NAME", global = true)]
    service: Option<String>,
    /// The schema of the tables; on MySQL, the database
    #[arg(
        long = "schema",
        value_name = "NAME",
        global = true,
        id = "place_schema"
    )]
    pub(super) schema: Option<String>,
    /// The prefix of the table names [default: flamingock_]
    #[arg(long, value_name = "TEXT", global = true)]
    pub(super) prefix: Option<String>,
    /// Allow a database that is not tested, such as Galera or `CockroachDB`
    #[arg(long, global = true)]
    pub(super) allow_untested_database: bool,
    /// The manifest that the application has committed; it names the pending changes
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) manifest: Option<PathBuf>,
}

impl Place {
    pub(super) fn service(&self) -> &str {
        self.service
            .as_deref()
            .unwrap_or(crate::change::names::DEFAULT)
    }

    /// Returns the beginning of suggested commands for the same place, without the password.
    pub(super) fn program(&self, name: &str) -> Program {
        let manifest = self.manifest.as_ref().map(|file| file.to_string_lossy());
        let options = [
            ("--database-url", self.database_url.as_deref()),
            ("--service", self.service.as_deref()),
            ("--schema", self.schema.as_deref()),
            ("--prefix", self.prefix.as_deref()),
            ("--manifest", manifest.as_deref()),
        ];
        let given = options
            .into_iter()
            .filter_map(|(option, value)| Some([option, value?]));
        let mut words: Vec<String> = given.flatten().map(str::to_owned).collect();
        if self.allow_untested_database {
            words.push("--allow-untested-database".to_owned());
        }
        Program::with(name, &words)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Chosen {
    /// Show the state of every change in the audit
    Status(Status),
    /// Read the audit
    #[command(subcommand)]
    Audit(Audit),
    /// Show the changes that need manual resolution according to the audit, or resolve one
    #[command(subcommand)]
    Issue(Issue),
    /// Show the lock, or release it in place of an owner that no longer runs
    #[command(subcommand)]
    Lock(Lock),
    /// Show how far changes in batches are, or pause, resume, cancel or tune one in this database
    #[command(subcommand)]
    Batch(Batch),
    /// Adopt the history of another tool or service (needs --manifest)
    Adopt(Adopt),
    /// Record changes that were applied by hand as applied (needs --manifest)
    Baseline(Baseline),
    /// Check the connection, the rights, the tables, the clock and the lock, and say what to do next
    Doctor,
    /// Create a change with the next order, without a connection: its file, its `mod` line and its
    /// line in the manifest
    New(New),
    /// Print the statements that create the tables, without a connection, or that upgrade those of
    /// the database to the current format
    Schema(Schema),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What a command requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Files only, and the database's product if a URL is there.
    Files,
    /// No connection.
    Nothing,
    /// The database, whatever is in it.
    Database,
    /// The tables of the audit.
    Tables,
    /// The service.
    Service,
    /// The changes, which a manifest names. Anything else that is missing is created.
    Changes,
}

impl Chosen {
    /// Returns the corresponding command of an application's own program.
    pub(super) fn action(self) -> Result<Action, Shell> {
        match self {
            Chosen::Status(of) => Ok(Action::Status(of)),
            Chosen::Audit(audit) => Ok(Action::Audit(audit)),
            Chosen::Issue(issue) => Ok(Action::Issue(issue)),
            Chosen::Lock(lock) => Ok(Action::Lock(lock)),
            Chosen::Batch(batch) => Ok(Action::Batch(batch)),
            Chosen::Adopt(adopt) => Ok(Action::Adopt(adopt)),
            Chosen::Baseline(baseline) => Ok(Action::Baseline(baseline)),
            Chosen::Doctor => Ok(Action::Doctor),
            Chosen::New(new) => Ok(Action::New(new)),
            Chosen::Schema(schema) => Ok(Action::Schema(schema)),
            Chosen::Completions { shell } => Err(shell),
        }
    }

    pub(super) fn needs(&self) -> Needs {
        match self {
            Chosen::Schema(Schema { upgrade: true, .. }) => Needs::Database,
            Chosen::New(_) => Needs::Files,
            // It reports by itself whether it can connect.
            Chosen::Doctor | Chosen::Completions { .. } | Chosen::Schema(_) => Needs::Nothing,
            Chosen::Adopt(_) | Chosen::Baseline(_) => Needs::Changes,
            Chosen::Status(of) if of.all_services => Needs::Tables,
            Chosen::Status(_)
            | Chosen::Audit(_)
            | Chosen::Issue(_)
            | Chosen::Lock(_)
            | Chosen::Batch(_) => Needs::Service,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn suggested_commands_look_at_the_same_place_without_its_password() {
        Tool::command().debug_assert();
        let program = |arguments: &[&str]| {
            let all = [&["flamingock"], arguments, &["status"]].concat();
            let place = Tool::parse_from(all).place;
            place.program("flamingock").command(&["issue", "list"])
        };
        assert_eq!(program(&[]), "flamingock issue list");
        assert_eq!(
            program(&["--database-url", "sqlite:a b.db", "--service", "orders"]),
            "flamingock --database-url 'sqlite:a b.db' --service orders issue list"
        );
        assert_eq!(
            program(&["--database-url=mysql://ada:sesame@db/x", "--prefix", "ops_"]),
            "flamingock --database-url mysql://ada:...@db/x --prefix ops_ issue list"
        );
        assert_eq!(
            program(&["--allow-untested-database"]),
            "flamingock --allow-untested-database issue list"
        );
    }
}
