//! Runs the checks, and prints a row for each.

use std::time::Instant;

use serde_json::json;

use super::checked::{Checked, Verdict, first, text};
use super::clock::clock;
use super::rights::rights;
use crate::audit::snapshot::Snapshot;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::cli::answer::Answer;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::table::{Sheet, plain};
use crate::cli::view::View;
use crate::engine::collect::open_storage;
use crate::runner::builder::Runner;
use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;
use crate::util::time;

pub(in crate::cli) async fn doctor(runner: &Runner, view: &View) -> Result<Answer, Failure> {
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
