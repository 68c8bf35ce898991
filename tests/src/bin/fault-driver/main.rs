//! An application that the fault suite starts, kills, stops and cuts off.
//!
//! `fault-driver --audit URL [--target URL] [--changes shared,plain,..] [--service S] [--tag T]`
//! `[--lease MS] [--wait MS] [--pool N] [--hold POINT=FILE]... [--die-at N] [--resolve CHANGE]`
//!
//! It prints `at POINT` when a change comes to a point, stays there until the point's file is there,
//! and says at last `result: ok` or `result: NAME OF THE ERROR`.

#![allow(clippy::unwrap_used)] // Nothing here runs outside a test.
#![allow(clippy::duplicate_mod)] // The changes are written once and compiled for each database.

mod arguments;
mod files;
mod points;
mod script;

#[path = "."]
mod sqlite {
    pub(crate) use flamingock_tests::on::sqlite::*;
    pub(crate) mod changes;
}

#[path = "."]
mod postgres {
    pub(crate) use flamingock_tests::on::postgres::*;
    pub(crate) mod changes;
}

#[path = "."]
mod mariadb {
    pub(crate) use flamingock_tests::on::mariadb::*;
    pub(crate) mod changes;
}

use std::process::ExitCode;
use std::time::Duration;

use flamingock::{Error, LockOptions, Resolution, Runner, Stage, TargetSystem};
use sqlx::pool::PoolOptions;

use crate::arguments::Arguments;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    if let Some(point) = arguments.die_at {
        points::die_at(point);
    }
    let runner = with_audit(&arguments).await;
    let runner = with_target(runner, &arguments).await;
    let runner = arguments.files.iter().fold(runner, |runner, file| {
        runner.files(flamingock_tests::folder(&[(file.name, file.text)]))
    });
    let options = LockOptions {
        lease: arguments.lease,
        wait: arguments.wait,
        poll: Duration::from_millis(20),
    };
    let runner = runner
        .lock(options)
        .service(&arguments.service)
        .stage(Stage::new("seed").atomic())
        .provide(arguments.script());
    let ended = match &arguments.resolve {
        Some(change) => {
            let resolved = runner.resolve(change, Resolution::Applied, "looked").await;
            resolved.map(|resolved| format!("{resolved:?}"))
        }
        None => runner.run().await.map(|report| report.to_string()),
    };
    match ended {
        Ok(told) => {
            println!("{told}\nresult: ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error:?}\nresult: {}", name(&error));
            ExitCode::FAILURE
        }
    }
}

fn name(error: &Error) -> &'static str {
    match error {
        Error::Invalid(_) => "Invalid",
        Error::ChangesFailed(_) => "ChangesFailed",
        Error::Issues(_) => "Issues",
        Error::Pending(_) => "Pending",
        Error::LockTimeout { .. } => "LockTimeout",
        Error::LeaseLost { .. } => "LeaseLost",
        Error::OutcomeUnknown(_) => "OutcomeUnknown",
        Error::Cancelled(_) => "Cancelled",
        Error::Store { .. } => "Store",
        _ => "another",
    }
}

/// A database that is away answers within the wait, not within the pool's 30 seconds.
fn pool<D: sqlx::Database>(arguments: &Arguments) -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(arguments.pool)
        .acquire_timeout(Duration::from_secs(2))
}

async fn with_audit(arguments: &Arguments) -> Runner {
    let (url, chosen) = (arguments.audit.as_str(), arguments.changes.as_slice());
    if url.starts_with("sqlite") {
        let pool = pool::<sqlx::Sqlite>(arguments).connect_lazy(url).unwrap();
        let runner = Runner::new(&pool).templates(sqlite::changes::known());
        runner.changes(sqlite::changes::chosen(chosen, arguments.others()))
    } else if url.starts_with("postgres") {
        let pool = pool::<sqlx::Postgres>(arguments).connect_lazy(url).unwrap();
        let runner = Runner::new(&pool).templates(postgres::changes::known());
        runner.changes(postgres::changes::chosen(chosen, arguments.others()))
    } else {
        let pool = pool::<sqlx::MySql>(arguments).connect_lazy(url).unwrap();
        let runner = Runner::new(&pool).templates(mariadb::changes::known());
        runner.changes(mariadb::changes::chosen(chosen, arguments.others()))
    }
}

async fn with_target(runner: Runner, arguments: &Arguments) -> Runner {
    let Some(url) = arguments.target.as_deref() else {
        return runner;
    };
    let target = if url.starts_with("sqlite") {
        TargetSystem::sqlx(
            "other",
            &pool::<sqlx::Sqlite>(arguments).connect_lazy(url).unwrap(),
        )
    } else if url.starts_with("postgres") {
        TargetSystem::sqlx(
            "other",
            &pool::<sqlx::Postgres>(arguments).connect_lazy(url).unwrap(),
        )
    } else {
        TargetSystem::sqlx(
            "other",
            &pool::<sqlx::MySql>(arguments).connect_lazy(url).unwrap(),
        )
    };
    runner.target(target)
}
