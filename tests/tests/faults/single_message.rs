//! A process is stopped, or killed, while its server executes a single message: a file with its
//! begin, entry and commit, or the files of an atomic stage.

use flamingock_tests::sql::PlainSql;
use flamingock_tests::{Driver, query};
use sqlx::{Connection, MySqlConnection, PgConnection};
use tokio::time::{Duration, timeout};

use super::ground::{Ground, Kind, rows};
use super::oracle::{Expected, Promise, Scene};
use super::start::{DEADLINE, Start, end_of};

const TEXT: Expected = Expected {
    id: "text",
    steps: &["1", "2"],
    promise: Promise::Once,
};
const ONE: Expected = Expected {
    id: "text-one",
    steps: &["1"],
    promise: Promise::Once,
};
const TWO: Expected = Expected {
    id: "text-two",
    steps: &["1", "2"],
    promise: Promise::Once,
};

/// As many files as it takes until consecutive ones share a connection.
const FILLERS: [Expected; 5] = [
    filler("filler-1"),
    filler("filler-2"),
    filler("filler-3"),
    filler("filler-4"),
    filler("filler-5"),
];

const fn filler(id: &'static str) -> Expected {
    Expected {
        id,
        steps: &["1"],
        promise: Promise::Once,
    }
}

/// A session that has locked the row that the files need.
#[derive(Debug)]
enum Gate {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

impl Gate {
    async fn shut(kind: Kind, url: &str) -> Gate {
        rows(
            url,
            "CREATE TABLE gate (n INT); INSERT INTO gate VALUES (0)",
        )
        .await;
        if kind == Kind::Postgres {
            Gate::Postgres(shut(url).await)
        } else {
            Gate::MariaDb(shut(url).await)
        }
    }

    async fn open(self) {
        match self {
            Gate::Postgres(mut connection) => query(&mut connection, "COMMIT").await.unwrap(),
            Gate::MariaDb(mut connection) => query(&mut connection, "COMMIT").await.unwrap(),
        };
    }
}

async fn shut<C>(url: &str) -> C
where
    C: Connection,
    C::Database: PlainSql<Connection = C>,
{
    let mut connection = C::connect(url).await.unwrap();
    let text = "BEGIN; UPDATE gate SET n = n + 1";
    query(&mut connection, text).await.unwrap();
    connection
}

/// The sessions that wait for the row.
async fn waiting(kind: Kind, url: &str) -> Vec<String> {
    let text = if kind == Kind::Postgres {
        "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    } else {
        "SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = DATABASE()
         AND STATE = 'Updating' AND INFO LIKE 'UPDATE gate%'"
    };
    rows(url, text).await
}

/// Waits until sessions wait for the row, and none of these `ended` ones. Returns them.
async fn at_the_gate(kind: Kind, url: &str, ended: &[String]) -> Vec<String> {
    let there = async {
        loop {
            let waiting = waiting(kind, url).await;
            if !waiting.is_empty() && waiting.iter().all(|session| !ended.contains(session)) {
                break waiting;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, there)
        .await
        .expect("it waits for the row")
}

/// The fate of the process while the server executes its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stopped,
    Killed,
}

/// The second run waits for the row behind the first one's message, or for the lock; then the row
/// is released, and the first process continues.
async fn once(kind: Kind, fate: Fate, changes: &[Expected]) {
    let ground = Ground::with_table(kind).await;
    let gate = Gate::shut(kind, ground.url()).await;
    let names: Vec<&str> = changes.iter().map(|change| change.id).collect();
    let start = || Start::of(&names.join(","), ground.url());
    let mut first: Driver = start().lock(500, 5_000).spawn();
    let sessions = at_the_gate(kind, ground.url(), &[]).await;
    match fate {
        Fate::Stopped => first.pause().unwrap(),
        Fate::Killed => first.kill().unwrap(),
    }
    let second = start().lock(5_000, 40_000).spawn();
    // It has the lock, or has found it taken: a process that is killed at that point has released
    // the row.
    let owner = "SELECT 1 FROM flamingock_lock WHERE fencing_token > 1";
    let tried = async {
        while rows(ground.url(), owner).await.is_empty() && !is_kept(kind, changes) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, tried)
        .await
        .expect("it acquires the lock");
    // The new owner ends the session of the old one, although its client is gone or does nothing.
    if kind == Kind::MariaDb && !is_kept(kind, changes) {
        at_the_gate(kind, ground.url(), &sessions).await;
    }
    gate.open().await;
    let second = end_of(second).await;
    second.expect("ok");
    let scene = Scene::of(ground.url(), ground.url());
    let judge = async |what: &str| {
        for change in changes {
            let found = change.look(&scene).await;
            change.judge(&found, &second, &format!("{kind:?} {fate:?} {what}"));
        }
    };
    judge("before it goes on").await;
    if fate == Fate::Stopped {
        first.resume().unwrap();
        let ran = end_of(first).await;
        let result = ran.result.as_deref();
        assert!(
            matches!(result, Some("LeaseLost" | "InDoubt")),
            "{}",
            ran.output
        );
        judge("after it has gone on").await;
    }
}

/// MariaDB's first entry of an atomic stage keeps the lock until the end: DDL after it would commit
/// it.
fn is_kept(kind: Kind, changes: &[Expected]) -> bool {
    kind == Kind::MariaDb && changes.contains(&TWO)
}

/// Enough files that the last one is sent on a connection that it shares.
fn behind_others(last: Expected) -> Vec<Expected> {
    FILLERS.into_iter().chain([last]).collect()
}

macro_rules! on_servers {
    ($($name:ident: $kind:ident, $fate:ident, $changes:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            once(Kind::$kind, Fate::$fate, &$changes).await;
        }
    )+};
}

on_servers! {
    postgres_message_of_a_paused_process_loses_the_lock: Postgres, Stopped, [TEXT];
    mariadb_message_of_a_paused_process_loses_the_lock: MariaDb, Stopped, [TEXT];
    postgres_message_of_a_killed_process_loses_the_lock: Postgres, Killed, [TEXT];
    mariadb_message_of_a_killed_process_loses_the_lock: MariaDb, Killed, [TEXT];
    postgres_message_on_a_shared_connection_of_a_paused_process_loses_the_lock: Postgres, Stopped, behind_others(TEXT);
    mariadb_message_on_a_shared_connection_of_a_paused_process_loses_the_lock: MariaDb, Stopped, behind_others(TEXT);
    postgres_message_on_a_shared_connection_of_a_killed_process_loses_the_lock: Postgres, Killed, behind_others(TEXT);
    mariadb_message_on_a_shared_connection_of_a_killed_process_loses_the_lock: MariaDb, Killed, behind_others(TEXT);
    postgres_message_of_a_paused_atomic_stage_loses_the_lock: Postgres, Stopped, [ONE, TWO];
    mariadb_message_of_a_paused_atomic_stage_loses_the_lock_once_idle: MariaDb, Stopped, [ONE, TWO];
    postgres_message_of_a_killed_atomic_stage_loses_the_lock: Postgres, Killed, [ONE, TWO];
    mariadb_message_of_a_killed_atomic_stage_loses_the_lock: MariaDb, Killed, [ONE, TWO];
}
