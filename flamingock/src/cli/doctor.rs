//! The command `doctor`: checks the database of the audit, and says what to do next.

use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::table::{Sheet, Tone, plain};
use super::view::View;
use crate::audit::snapshot::Snapshot;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::audit::tables::TableNames;
use crate::engine::collect::open_storage;
use crate::runner::builder::Runner;
use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;
use crate::util::error_chain::ErrorChain;
use crate::util::time;

/// The result of one check.
#[derive(Debug, Serialize)]
struct Checked {
    check: &'static str,
    verdict: Verdict,
    finding: String,
    /// What to do; `None` if there is nothing to do.
    next: Option<String>,
}

/// The verdict of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    /// Works, within the limits that the finding names.
    Note,
    /// A run would fail.
    Problem,
}

impl Verdict {
    fn cell(self) -> (String, Tone) {
        let (word, tone) = match self {
            Verdict::Ok => ("ok", Tone::Good),
            Verdict::Note => ("note", Tone::Waiting),
            Verdict::Problem => ("problem", Tone::Bad),
        };
        (word.to_owned(), tone)
    }
}

impl Checked {
    fn ok(check: &'static str, finding: impl Into<String>) -> Checked {
        Checked {
            check,
            verdict: Verdict::Ok,
            finding: finding.into(),
            next: None,
        }
    }

    fn note(check: &'static str, finding: impl Into<String>, next: impl Into<String>) -> Checked {
        Checked {
            verdict: Verdict::Note,
            next: Some(next.into()),
            ..Checked::ok(check, finding)
        }
    }

    fn problem(
        check: &'static str,
        finding: impl Into<String>,
        next: impl Into<String>,
    ) -> Checked {
        Checked {
            verdict: Verdict::Problem,
            ..Checked::note(check, finding, next)
        }
    }
}

pub(super) async fn doctor(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let checks = examine(runner, view).await?;
    let mut sheet = Sheet::new(view, &["CHECK", "VERDICT", "FINDING", "NEXT"]);
    for one in &checks {
        sheet.row(vec![
            plain(one.check),
            one.verdict.cell(),
            plain(&one.finding),
            plain(one.next.as_deref().unwrap_or_default()),
        ]);
    }
    let has_problem = checks.iter().any(|one| one.verdict == Verdict::Problem);
    let answer = Answer::data(json!({ "checks": checks }), sheet.text());
    Ok(if has_problem {
        answer.ending(Exit::Database)
    } else {
        answer
    })
}

/// Runs the checks, up to the first one without which the others say nothing.
async fn examine(runner: &Runner, view: &View) -> Result<Vec<Checked>, Failure> {
    let settings = &runner.settings;
    let storage = open_storage(settings).map_err(|error| Failure::of(error, &view.program))?;
    let began = Instant::now();
    let read = storage.store.snapshot(&settings.service, "").await;
    let took = began.elapsed().as_millis();
    let mut checks = Vec::new();
    if let Err(error) = &read
        && error.kind == StoreErrorKind::Disconnected
    {
        let next = "check the address, the network and the user, and whether the server runs";
        checks.push(Checked::problem("connection", text(error), next));
        return Ok(checks);
    }
    checks.push(Checked::ok("connection", format!("answered in {took} ms")));
    let database = storage.target.database.as_deref();
    if let Some(database) = database {
        checks.push(version(database).await);
    }
    let tables = tables(runner, &read, view);
    let is_usable = tables.verdict != Verdict::Problem;
    checks.push(tables);
    let snapshot = read.ok().filter(|_| is_usable);
    let has_tables = snapshot.as_ref().is_some_and(|snapshot| snapshot.tables);
    if let (Some(database), true) = (database, has_tables) {
        checks.push(rights(database, &settings.tables, view).await);
    }
    if let Some(database) = database {
        checks.extend(clock(database).await);
    }
    checks.extend(snapshot.map(|snapshot| lock(&snapshot, view)));
    if let Some(database) = database {
        checks.push(pooler(database).await);
    }
    Ok(checks)
}

/// Returns an error with its causes, in one line.
fn text(error: &StoreError) -> String {
    ErrorChain::of(error).causes().join(": ")
}

fn version_query(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Sqlite => "SELECT 'SQLite ' || sqlite_version()",
        DatabaseKind::Postgres => "SELECT version()",
        DatabaseKind::MySql => "SELECT CAST(VERSION() AS BINARY)",
    }
}

async fn version(database: &dyn Database) -> Checked {
    const CHECK: &str = "versions";
    let own = env!("CARGO_PKG_VERSION");
    let server = match first(database, version_query(database.kind())).await {
        Ok(version) => version,
        Err(error) => return Checked::problem(CHECK, text(&error), "check the server"),
    };
    let finding = format!("Flamingock {own}, {server}");
    match database.check_fitness().await {
        Err(error) if error.kind == StoreErrorKind::Untested => Checked::problem(
            CHECK,
            format!("{finding}: {}", text(&error)),
            "use a tested database, or Runner::allow_untested_database",
        ),
        Err(error) => Checked::problem(
            CHECK,
            format!("{finding}: {}", text(&error)),
            "connect to a server that takes writes",
        ),
        Ok(()) if is_untested_mysql(database.kind(), &server) => Checked::note(
            CHECK,
            format!("{finding}: MySQL has the SQL of MariaDB, but is not tested"),
            "test your changes on it",
        ),
        Ok(()) => Checked::ok(CHECK, finding),
    }
}

fn is_untested_mysql(kind: DatabaseKind, version: &str) -> bool {
    kind == DatabaseKind::MySql && !version.to_lowercase().contains("mariadb")
}

fn tables(runner: &Runner, read: &Result<Snapshot, StoreError>, view: &View) -> Checked {
    const CHECK: &str = "tables";
    let create = view.program.command(&["schema"]);
    match read {
        Ok(snapshot) if snapshot.tables => Checked::ok(CHECK, "in the current format"),
        Ok(_) if runner.settings.create_tables => Checked::note(
            CHECK,
            "not there yet",
            format!("the first run creates them, or the statements of `{create}`"),
        ),
        Ok(_) => Checked::problem(
            CHECK,
            "not there, and `create_tables(false)` keeps a run from creating them",
            format!("execute the statements of `{create}`"),
        ),
        Err(error) => {
            let next = match error.kind {
                StoreErrorKind::OtherFormat => view.program.command(&["schema", "--upgrade"]),
                StoreErrorKind::Denied => view.program.command(&["schema", "--grants"]),
                StoreErrorKind::MissingTable => create,
                _ => "resolve what the finding says".to_owned(),
            };
            Checked::problem(CHECK, text(error), next)
        }
    }
}

/// Tries each right with a statement that affects no row.
async fn rights(database: &dyn Database, names: &TableNames, view: &View) -> Checked {
    const CHECK: &str = "rights";
    let mut missing = Vec::new();
    for (right, statement) in statements(database.kind(), names) {
        match database.read(statement).await {
            Ok(_) => {}
            Err(error) if error.kind == StoreErrorKind::Denied => missing.push(right),
            Err(error) => {
                let finding = format!("{right}: {}", text(&error));
                return Checked::problem(CHECK, finding, "connect to a server that takes writes");
            }
        }
    }
    let next = view.program.command(&["schema", "--grants"]);
    if missing.is_empty() {
        Checked::ok(CHECK, "can read and write the audit and the lock")
    } else if missing.iter().any(|right| right.starts_with("SELECT")) {
        Checked::problem(CHECK, format!("missing: {}", missing.join(", ")), next)
    } else {
        let finding = format!(
            "can only read: `apply` and `issue resolve` would fail. Missing: {}",
            missing.join(", ")
        );
        Checked::note(CHECK, finding, next)
    }
}

fn statements(kind: DatabaseKind, names: &TableNames) -> Vec<(String, String)> {
    let quote = match kind {
        DatabaseKind::MySql => '`',
        DatabaseKind::Sqlite | DatabaseKind::Postgres => '"',
    };
    let prefix = names.prefix.as_deref().unwrap_or("flamingock_");
    let schema = names.schema.as_ref();
    let schema = schema.map_or_else(String::new, |name| format!("{quote}{name}{quote}."));
    let mut statements = Vec::new();
    for (table, write) in [("audit", "INSERT"), ("lock", "UPDATE"), ("lease", "UPDATE")] {
        let name = format!("{schema}{quote}{prefix}{table}{quote}");
        let select = format!("SELECT 1 FROM {name} WHERE 1 = 0");
        let write_none = match (write, kind) {
            // A number of the sequence cannot be inserted.
            ("INSERT", DatabaseKind::Postgres) => {
                format!("INSERT INTO {name} (service) SELECT service FROM {name} WHERE 1 = 0")
            }
            ("INSERT", _) => format!("INSERT INTO {name} SELECT * FROM {name} WHERE 1 = 0"),
            _ => format!("UPDATE {name} SET service = service WHERE 1 = 0"),
        };
        statements.push((format!("SELECT on {prefix}{table}"), select));
        statements.push((format!("{write} on {prefix}{table}"), write_none));
    }
    statements
}

/// The difference between two clocks that is not worth a note.
const TOLERATED: Duration = Duration::from_secs(5);

/// Compares the clocks. SQLite has that of the host.
async fn clock(database: &dyn Database) -> Option<Checked> {
    const CHECK: &str = "clock";
    let query = match database.kind() {
        DatabaseKind::Sqlite => return None,
        DatabaseKind::Postgres => {
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        }
        DatabaseKind::MySql => {
            "SELECT CAST(DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ') AS BINARY)"
        }
    };
    let before = SystemTime::now();
    let there = match first(database, query).await {
        Ok(text) => humantime::parse_rfc3339_weak(&text).ok()?,
        Err(error) => return Some(Checked::problem(CHECK, text(&error), "check the server")),
    };
    Some(compared(before, there, SystemTime::now()))
}

/// Compares the time `there`, which was read between the other two.
fn compared(before: SystemTime, there: SystemTime, after: SystemTime) -> Checked {
    let ahead = there.duration_since(after).unwrap_or_default();
    let behind = before.duration_since(there).unwrap_or_default();
    let (distance, word) = if ahead > behind {
        (ahead, "ahead of")
    } else {
        (behind, "behind")
    };
    if distance <= TOLERATED {
        return Checked::ok("clock", "the server and this machine agree");
    }
    let distance = humantime::format_duration(Duration::from_secs(distance.as_secs()));
    Checked::note(
        "clock",
        format!(
            "the server is {distance} {word} this machine. Leases and times of the audit follow the server"
        ),
        "synchronise both by NTP, so that logs and audit have the same times",
    )
}

fn lock(snapshot: &Snapshot, view: &View) -> Checked {
    const CHECK: &str = "lock";
    let status = view.program.command(&["lock", "status"]);
    match &snapshot.lock {
        Some(lock) if lock.held => {
            let until = lock
                .expires_at
                .map_or_else(|| "its process ends".to_owned(), time::text);
            Checked::note(
                CHECK,
                format!("held by {}, until {until} unless it is renewed", lock.owner),
                format!("wait for that run; `{status}` shows it"),
            )
        }
        Some(lock) if lock.run_id.as_ref().is_some_and(|run| !run.is_empty()) => Checked::note(
            CHECK,
            format!("{} did not release it, and its lease is over", lock.owner),
            "the next run takes it and resolves what was interrupted",
        ),
        _ => Checked::ok(CHECK, "free"),
    }
}

async fn pooler(database: &dyn Database) -> Checked {
    const CHECK: &str = "pooler";
    if database.is_behind_pooler().await {
        Checked::note(
            CHECK,
            "a transaction pooler: time limits of non-transactional changes are refused",
            "use the server's own address for changes, if you need such limits",
        )
    } else {
        Checked::ok(CHECK, "no transaction pooler")
    }
}

/// Returns the first column of the first row.
async fn first(database: &dyn Database, query: &str) -> Result<String, StoreError> {
    let mut rows = database.read(query.to_owned()).await?.into_iter();
    let columns = rows.next().unwrap_or_default();
    Ok(columns.into_iter().next().flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_more_than_the_answer_took_are_noted() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        for (before, there, after, verdict, part) in [
            (100, 100, 101, Verdict::Ok, "agree"),
            (100, 130, 140, Verdict::Ok, "agree"),
            (100, 104, 101, Verdict::Ok, "agree"),
            (100, 162, 101, Verdict::Note, "1m 1s ahead of"),
            (100, 40, 101, Verdict::Note, "1m behind"),
        ] {
            let compared = compared(at(before), at(there), at(after));
            assert_eq!(compared.verdict, verdict, "{compared:?}");
            assert!(compared.finding.contains(part), "{compared:?}");
        }
    }

    #[test]
    fn rights_are_tried_in_the_schema_of_the_tables() {
        let names = TableNames::default().schema("ops").prefix("x_");
        let statements = statements(DatabaseKind::Postgres, &names);
        assert_eq!(statements.len(), 6);
        assert_eq!(
            statements[0].1,
            "SELECT 1 FROM \"ops\".\"x_audit\" WHERE 1 = 0"
        );
        assert_eq!(statements[3].0, "UPDATE on x_lock");
    }
}
