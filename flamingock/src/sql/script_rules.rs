//! What a script contains by the rules of a database: its statements, and the problems that prevent
//! it from running.

use crate::change::problem::{Location, Problem};
use crate::change::script::Script;
use crate::statements;
use crate::statements::quotes::{Quoting, depends_on_backslashes};
use crate::statements::script::Blocks;
use crate::statements::{Pragma, SplitError, pragma};
use crate::util::database_kind::DatabaseKind;

/// The longest script that shares a connection, in bytes. For a longer one, a connection of its own
/// costs little in comparison, and reading it once more would cost more.
const MAX_SHARED_BYTES: usize = 64 * 1024;

/// The setting of PostgreSQL that determines whether backslashes escape.
const POSTGRES_SETTING: &str = "standard_conforming_strings";

impl Script {
    /// Splits the script into statements, by the rules of a database with default settings.
    pub(crate) fn read(
        &self,
        kind: DatabaseKind,
    ) -> Result<statements::Script<'static>, SplitError> {
        self.read_as(kind, Quoting::of(kind))
    }

    /// Splits the script into statements, by the rules of a database and the meaning of quotes in a
    /// session.
    pub(crate) fn read_as(
        &self,
        kind: DatabaseKind,
        quoting: Quoting,
    ) -> Result<statements::Script<'static>, SplitError> {
        let blocks = if self.has_blocks {
            Blocks::Goose
        } else {
            Blocks::None
        };
        let first = usize::try_from(self.line).unwrap_or(1);
        statements::read_as(kind, self.text, blocks, quoting)
            .map_err(|error| error.in_file(self.file).from_line(first))
    }

    /// Reports whether the meaning of quotes in the session must be known to read the script.
    pub(crate) fn depends_on_quoting(&self, kind: DatabaseKind) -> bool {
        match kind {
            DatabaseKind::MySql => depends_on_backslashes(self.text),
            DatabaseKind::Postgres => {
                depends_on_backslashes(self.text) || self.text.contains(POSTGRES_SETTING)
            }
            DatabaseKind::Sqlite => false,
        }
    }

    /// Reports whether the script can be sent in one message, with statements after it. `longest`
    /// is the limit in bytes.
    pub(crate) fn fits_one_message(&self, kind: DatabaseKind, longest: usize) -> bool {
        if self.text.len() > longest || self.depends_on_quoting(kind) {
            return false;
        }
        let is_sure = self.begins_with_a_statement() && !self.text.contains("/*!");
        is_sure || !self.read(kind).is_ok_and(|read| read.may_be_empty)
    }

    /// Reports whether the first character after blanks and `--` comments is a letter. That saves
    /// reading most scripts to the end.
    fn begins_with_a_statement(&self) -> bool {
        let mut lines = self.text.lines().map(str::trim_start);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with("--"));
        first.is_some_and(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
    }

    /// Reports whether other scripts may run on the same connection before and after this one,
    /// because it neither sets nor reads session state. Functions and triggers of a server could
    /// still do that.
    pub(crate) fn leaves_session_alone(&self, kind: DatabaseKind) -> bool {
        if self.text.len() > MAX_SHARED_BYTES {
            return false;
        }
        if kind != DatabaseKind::Sqlite {
            return statements::leaves_session_alone(kind, self.text)
                && !self.depends_on_quoting(kind);
        }
        const WORDS: [&str; 6] = [
            "pragma",
            "temp",
            "attach",
            "detach",
            "last_insert_rowid",
            "changes",
        ];
        let text = self.text.to_ascii_lowercase();
        !WORDS.iter().any(|word| text.contains(word))
    }

    /// Reports whether the script may drop a table of SQLite.
    pub(crate) fn may_drop(&self) -> bool {
        self.text.to_ascii_lowercase().contains("drop")
    }

    /// Returns the pragmas that the script sets.
    fn pragmas(&self) -> Vec<Pragma> {
        let may_set = self.text.to_ascii_lowercase().contains("pragma");
        let read = may_set.then(|| self.read(DatabaseKind::Sqlite).ok());
        let statements = read.flatten().map(|read| read.statements);
        let statements = statements.into_iter().flatten();
        statements.filter_map(|one| pragma(&one)).collect()
    }

    /// Returns whether the script switches foreign keys on or off, on SQLite. Inside the
    /// transaction the pragma would have no effect, so it is set before. Off has precedence: a
    /// script that also contains ON means what follows its transaction.
    pub(crate) fn enforces_foreign_keys(&self) -> Option<bool> {
        if self.client.leaves_foreign_keys_off() {
            return None;
        }
        let said = self.pragmas().into_iter();
        let said = said.filter(|one| one.name == "foreign_keys");
        said.map(|one| one.is_on())
            .reduce(|one, other| one && other)
    }

    /// Returns the pragmas that have no effect in a transaction of SQLite, unless they set the
    /// current value.
    pub(crate) fn pragmas_without_effect(&self) -> Vec<Pragma> {
        const NAMES: [&str; 4] = ["journal_mode", "page_size", "auto_vacuum", "encoding"];
        let mut pragmas = self.pragmas();
        pragmas.retain(|one| NAMES.contains(&one.name.as_str()));
        pragmas
    }

    /// Returns the problem of such a pragma.
    pub(crate) fn without_effect(&self, pragma: &Pragma) -> Problem {
        Problem::at(
            self.location(pragma.line),
            format!(
                "`PRAGMA {}` does nothing in a transaction, which is begun before the file: {}",
                pragma.name, self.without_transaction
            ),
        )
    }

    /// Returns the location of a line of the script, counted from 1.
    pub(crate) fn location(&self, line: usize) -> Location {
        let further = u32::try_from(line.saturating_sub(1)).unwrap_or(u32::MAX);
        Location {
            file: self.file,
            line: self.line.saturating_add(further),
        }
    }

    /// Returns the problem that prevents the script from running, as far as that is known without a
    /// session.
    pub(crate) fn problem(&self, kind: DatabaseKind, transaction: bool) -> Option<Problem> {
        let quoting = Quoting::of(kind);
        let problem = self.problem_as(kind, quoting, transaction)?;
        // The problem does not depend on the meaning of quotes.
        let is_sure = !self.depends_on_quoting(kind)
            || self.problem_as(kind, quoting.flipped(), transaction) == Some(problem.clone());
        is_sure.then_some(problem)
    }

    /// Returns the problem that prevents the script from running in a session in which quotes have
    /// this meaning.
    pub(crate) fn problem_as(
        &self,
        kind: DatabaseKind,
        quoting: Quoting,
        transaction: bool,
    ) -> Option<Problem> {
        let read = match self.read_as(kind, quoting) {
            Ok(read) => read,
            Err(error) => return Some(Problem::general(error.to_string())),
        };
        if let Some(parameter) = read.parameter {
            return Some(Problem::at(
                self.location(parameter.line),
                format!(
                    "`{}` is a parameter, and no value is bound to it: SQLite would take NULL. Write the value; text stands in quotes",
                    parameter.text
                ),
            ));
        }
        if transaction && kind == DatabaseKind::Sqlite {
            // SQLite rejects it in a transaction, whatever its value is.
            let mut pragmas = self.pragmas().into_iter();
            if let Some(pragma) = pragmas.find(|one| one.name == "synchronous") {
                return Some(self.without_effect(&pragma));
            }
        }
        let key = self.without_transaction;
        if let Some(line) = leaves_tables_locked(&read).filter(|_| transaction) {
            return Some(Problem::at(
                self.location(line),
                format!(
                    "`LOCK TABLES` without `UNLOCK TABLES` behind it: nothing could be recorded while the tables are locked. Write `UNLOCK TABLES` at the end; or, for a file that is to have no transaction, {key}"
                ),
            ));
        }
        let control = read.control.filter(|_| transaction)?;
        Some(Problem::at(
            self.location(control.line),
            format!(
                "{} has no place in a file that runs in a transaction: the transaction is begun before it, and committed behind it together with its entry. Leave it out; or, for a file that is to have transactions of its own, {key}",
                control.what
            ),
        ))
    }

    /// Returns the problem that prevents the script from sharing a transaction with other changes.
    pub(crate) fn commits(&self, kind: DatabaseKind) -> Option<Problem> {
        if kind == DatabaseKind::Sqlite {
            self.enforces_foreign_keys()?;
            let mut pragmas = self.pragmas().into_iter();
            let pragma = pragmas.find(|one| one.name == "foreign_keys")?;
            return Some(Problem::at(
                self.location(pragma.line),
                "`PRAGMA foreign_keys` has no place in an atomic stage: it does nothing in a transaction, and the stage's has begun before it. Put the file in another stage",
            ));
        }
        // A script that cannot be split is reported elsewhere. A statement begins with its keyword,
        // whatever quotes mean.
        let quoting = Quoting::of(kind);
        let read = self.read_as(kind, quoting);
        let read = read.or_else(|_| self.read_as(kind, quoting.flipped()));
        let read = read.ok()?;
        let (line, what) = read
            .statements
            .iter()
            .find_map(|one| Some((one.line, statements::commits_by_itself(kind, one)?)))?;
        Some(Problem::at(
            self.location(line),
            format!(
                "{what} has no place in an atomic stage: MySQL and MariaDB commit the transaction before such a statement. Put the file in another stage"
            ),
        ))
    }
}

/// Returns the line of the last `LOCK TABLES` without an `UNLOCK TABLES` after it. Only MySQL and
/// MariaDB have such statements; a `LOCK TABLE` of PostgreSQL ends with its transaction.
fn leaves_tables_locked(read: &statements::Script<'_>) -> Option<usize> {
    let mut locked = None;
    for statement in &read.statements {
        let mut words = statement.text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default();
        if !second.eq_ignore_ascii_case("TABLES") {
            continue;
        }
        if first.eq_ignore_ascii_case("LOCK") {
            locked = Some(statement.line);
        } else if first.eq_ignore_ascii_case("UNLOCK") {
            locked = None;
        }
    }
    locked
}
