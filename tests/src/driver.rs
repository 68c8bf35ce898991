//! An application with its own changes, as a process:
//! `driver-sqlite <url> <lease in ms> [where to stop]`. One binary per database includes it.

use std::process::ExitCode;
use std::time::Duration;

use flamingock::events::Event;
use flamingock::events::EventKind;
use flamingock::{LockOptions, Runner, change};
use flamingock_tests::query;

use super::{Connection, Db};

/// The id of the change that prints "holding" and never ends; with "waits", a waiter prints
/// "waiting".
#[derive(Debug)]
struct HoldAt(String);

impl HoldAt {
    async fn hold(&self, id: &str) {
        if self.0 == id {
            println!("holding");
            std::future::pending::<()>().await;
        }
    }
}

#[change(id = "first", order = "0001")]
async fn first(db: &mut Connection, at: &HoldAt) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')").await?;
    at.hold("first").await;
    Ok(())
}

#[change(id = "plain", order = "0002", transaction = false)]
async fn plain(db: &mut Connection, at: &HoldAt) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')").await?;
    at.hold("plain").await;
    Ok(())
}

#[change(id = "last", order = "0003")]
async fn last(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('last')")
        .await
        .map(drop)
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("the first argument is a URL");
    let lease = arguments.next().and_then(|lease| lease.parse().ok());
    let lease = lease.map_or(LockOptions::default().lease, Duration::from_millis);
    let hold_at = HoldAt(arguments.next().unwrap_or_default());
    let pool = match sqlx::Pool::<Db>::connect(&url).await {
        Ok(pool) => pool,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let lock = LockOptions::default().lease(lease);
    let says_so = hold_at.0 == "waits";
    let runner = Runner::new(&pool).lock(lock).provide(hold_at);
    let runner = runner.listener(move |event: &Event| {
        if says_so && matches!(event.kind, EventKind::LockWaited { .. }) {
            println!("waiting");
        }
    });
    match runner.run().await {
        Ok(report) => {
            println!("{} newly applied", report.counts().newly_applied);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
