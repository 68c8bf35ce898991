//! The arguments of the stand-alone program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::adopt::Adopt;
use crate::cli::arguments::{Action, Audit, Issue, Lock, Schema, Status};
use crate::cli::baseline::Baseline;
use crate::cli::program::Program;

/// Looks after the services whose audit is in a database, without the code of their changes
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
    /// sqlite:FILE, postgres://.. or mysql://..; the variable `DATABASE_URL` if it is not given
    #[arg(long, value_name = "URL", global = true)]
    pub(super) database_url: Option<String>,
    /// The service whose changes they are
    #[arg(long, value_name = "NAME", global = true)]
    service: Option<String>,
    /// Where the tables stand: a schema, on MySQL a database
    #[arg(
        long = "schema",
        value_name = "NAME",
        global = true,
        id = "place_schema"
    )]
    pub(super) schema: Option<String>,
    /// What the names of the tables begin with, if not with `flamingock_`
    #[arg(long, value_name = "TEXT", global = true)]
    pub(super) prefix: Option<String>,
    /// Take the lock also in a database that is not tested, such as Galera or `CockroachDB`
    #[arg(long, global = true)]
    pub(super) allow_untested_database: bool,
    /// The manifest that the application has committed: what is pending is known by it
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
    /// Show where every change stands that was ever tried
    Status(Status),
    /// Read the audit
    #[command(subcommand)]
    Audit(Audit),
    /// Show the changes that need manual resolution, as far as the audit tells, or resolve one
    #[command(subcommand)]
    Issue(Issue),
    /// Show the lock, or take it from an owner that is gone
    #[command(subcommand)]
    Lock(Lock),
    /// Adopt the history of another tool or service; needs --manifest
    Adopt(Adopt),
    /// Record changes as applied that people have applied by hand; needs --manifest
    Baseline(Baseline),
    /// Print the statements that create the tables of the audit, which connects to nothing, or bring those of
    /// the database to the current format
    Schema(Schema),
    /// Print what a shell needs to complete these commands
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What a command requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
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
            Chosen::Adopt(adopt) => Ok(Action::Adopt(adopt)),
            Chosen::Baseline(baseline) => Ok(Action::Baseline(baseline)),
            Chosen::Schema(schema) => Ok(Action::Schema(schema)),
            Chosen::Completions { shell } => Err(shell),
        }
    }

    pub(super) fn needs(&self) -> Needs {
        match self {
            Chosen::Schema(Schema { upgrade: true }) => Needs::Database,
            Chosen::Completions { .. } | Chosen::Schema(_) => Needs::Nothing,
            Chosen::Adopt(_) | Chosen::Baseline(_) => Needs::Changes,
            Chosen::Status(of) if of.all_services => Needs::Tables,
            Chosen::Status(_) | Chosen::Audit(_) | Chosen::Issue(_) | Chosen::Lock(_) => {
                Needs::Service
            }
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
