//! What a text of SQL says, by the rules of a database: its statements, and what keeps it from being run.

#[cfg(feature = "_sqlx")]
use crate::change::problem::{Location, Problem};
use crate::change::script::Script;
#[cfg(feature = "_sqlx")]
use crate::statements;
#[cfg(feature = "_sqlx")]
use crate::statements::quotes::{Quoting, depends_on_backslashes};
#[cfg(feature = "_sqlx")]
use crate::statements::script::Blocks;
#[cfg(feature = "_sqlx")]
use crate::statements::{Pragma, SplitError, pragma};
#[cfg(feature = "_sqlx")]
use crate::util::database_kind::DatabaseKind;

/// The longest script that shares a connection, in bytes: for a longer one, a connection of its own costs
/// little, and to read it once more would cost more.
#[cfg(feature = "_sqlx")]
const LONGEST_TO_SHARE: usize = 64 * 1024;

/// What says on PostgreSQL whether backslashes escape.
#[cfg(feature = "_sqlx")]
const SETTING_OF_POSTGRES: &str = "standard_conforming_strings";

#[cfg(feature = "_sqlx")]
impl Script {
    /// Takes it apart by the rules of a database whose settings are the default ones.
    pub(crate) fn read(
        &self,
        kind: DatabaseKind,
    ) -> Result<statements::Script<'static>, SplitError> {
        self.read_as(kind, Quoting::of(kind))
    }

    /// Takes it apart by the rules of a database, and the meaning of quotes in a session.
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

    /// Whether it has to be known what quotes mean in the session that runs it.
    pub(crate) fn depends_on_quoting(&self, kind: DatabaseKind) -> bool {
        match kind {
            DatabaseKind::MySql => depends_on_backslashes(self.text),
            DatabaseKind::Postgres => {
                depends_on_backslashes(self.text) || self.text.contains(SETTING_OF_POSTGRES)
            }
            DatabaseKind::Sqlite => false,
        }
    }

    /// Whether the server can be given all of it at once, with something behind it. The longest text has so
    /// many bytes.
    pub(crate) fn is_one_text(&self, kind: DatabaseKind, longest: usize) -> bool {
        if self.text.len() > longest || self.depends_on_quoting(kind) {
            return false;
        }
        let is_sure = self.begins_with_a_statement() && !self.text.contains("/*!");
        is_sure || !self.read(kind).is_ok_and(|read| read.may_be_empty)
    }

    /// Whether the first thing behind blanks and `--` comments is a letter. It saves reading most scripts
    /// to the end.
    fn begins_with_a_statement(&self) -> bool {
        let mut lines = self.text.lines().map(str::trim_start);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with("--"));
        first.is_some_and(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
    }

    /// Whether other scripts may run on the same connection before and after it, because it neither sets nor
    /// reads session state. A server's functions and triggers could still do that.
    pub(crate) fn leaves_session_alone(&self, kind: DatabaseKind) -> bool {
        if self.text.len() > LONGEST_TO_SHARE {
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

    /// Whether it may drop a table of SQLite.
    pub(crate) fn may_drop(&self) -> bool {
        self.text.to_ascii_lowercase().contains("drop")
    }

    /// The pragmas that it sets.
    fn pragmas(&self) -> Vec<Pragma> {
        let may_set = self.text.to_ascii_lowercase().contains("pragma");
        let read = may_set.then(|| self.read(DatabaseKind::Sqlite).ok());
        let statements = read.flatten().map(|read| read.statements);
        let statements = statements.into_iter().flatten();
        statements.filter_map(|one| pragma(&one)).collect()
    }

    /// Whether foreign keys are to be enforced in a transaction of SQLite that runs it, if the script says
    /// so. Inside the transaction the pragma would do nothing: it is set before. Off wins: a script that
    /// also says ON means what comes behind it.
    pub(crate) fn enforces_foreign_keys(&self) -> Option<bool> {
        if self.client.leaves_foreign_keys_off() {
            return None;
        }
        let said = self.pragmas().into_iter();
        let said = said.filter(|one| one.name == "foreign_keys");
        said.map(|one| one.is_on())
            .reduce(|one, other| one && other)
    }

    /// The pragmas that do nothing in a transaction of SQLite, unless what they say is so already.
    pub(crate) fn pragmas_without_effect(&self) -> Vec<Pragma> {
        const NAMES: [&str; 4] = ["journal_mode", "page_size", "auto_vacuum", "encoding"];
        let mut pragmas = self.pragmas();
        pragmas.retain(|one| NAMES.contains(&one.name.as_str()));
        pragmas
    }

    /// What to say of such a pragma.
    pub(crate) fn without_effect(&self, pragma: &Pragma) -> Problem {
        Problem::at(
            self.location(pragma.line),
            format!(
                "`PRAGMA {}` does nothing in a transaction, which is begun before the file: {}",
                pragma.name, self.without_transaction
            ),
        )
    }

    /// The place of a line of the text, counted from 1.
    pub(crate) fn location(&self, line: usize) -> Location {
        let further = u32::try_from(line.saturating_sub(1)).unwrap_or(u32::MAX);
        Location {
            file: self.file,
            line: self.line.saturating_add(further),
        }
    }

    /// What keeps it from being run on a database, as far as that is known without asking it.
    pub(crate) fn problem(&self, kind: DatabaseKind, transaction: bool) -> Option<Problem> {
        let quoting = Quoting::of(kind);
        let problem = self.problem_as(kind, quoting, transaction)?;
        // What is wrong whatever quotes mean.
        let is_sure = !self.depends_on_quoting(kind)
            || self.problem_as(kind, quoting.flipped(), transaction) == Some(problem.clone());
        is_sure.then_some(problem)
    }

    /// What keeps it from being run in a session in which quotes have this meaning.
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
            // SQLite refuses it there, whatever it says.
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

    /// What keeps it from sharing a transaction with other changes on a database.
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
        // Text that cannot be split is reported elsewhere. Whatever quotes mean, a statement begins with its word.
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

/// The line of the last `LOCK TABLES`, if nothing behind it unlocks them. Only MySQL and MariaDB have it with
/// this meaning, and `LOCK TABLE` of PostgreSQL ends with its transaction.
#[cfg(feature = "_sqlx")]
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
