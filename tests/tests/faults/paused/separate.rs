//! A process that is stopped while its change has a transaction of another database.

use std::time::{Duration, Instant};

use flamingock_tests::Driver;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{LEASE, Paused, audit, done};
use crate::ground::{Ground, Kind, rows};
use crate::holding_proxy::{HoldingProxy, Where};
use crate::start::{Start, end_of};

on_each! {
    postgres_session_paused_before_its_separate_commit_is_ended: paused_before_separate_commit(Postgres);
    mariadb_session_paused_before_its_separate_commit_is_ended: paused_before_separate_commit(MariaDb);
    postgres_tombstone_refuses_the_commit_of_a_paused_attempt: entombed(Postgres);
    sqlite_tombstone_waits_for_a_paused_attempt: still_open(Sqlite);
    mariadb_tombstone_waits_for_a_paused_attempt: still_open(MariaDb);
}

/// Pauses a process whose audit is a SQLite file, but not while it renews its lease: it would keep
/// the file's write lock for as long as it is paused.
async fn pause_outside_a_write(process: &mut Driver, audit: &str) {
    let options: SqliteConnectOptions = audit.parse().unwrap();
    let options = options.busy_timeout(Duration::from_millis(100));
    let mut connection = options.connect().await.unwrap();
    loop {
        process.pause().unwrap();
        if let Ok(write) = connection.begin_with("BEGIN IMMEDIATE").await {
            write.rollback().await.unwrap();
            return;
        }
        process.resume().unwrap();
    }
}

/// The marker is written, and the commit is never sent: the server ends the session, and with it
/// the attempt.
async fn paused_before_separate_commit(target: Kind) {
    let (ground, other) = (
        Ground::with_table(Kind::Sqlite).await,
        Ground::with_table(target).await,
    );
    let valve = HoldingProxy::at("=COMMIT", Where::BeforeServer);
    let through = valve.url(other.url()).await;
    let start = |target: &str| Start::of("separate,last", ground.url()).with("--target", target);
    let mut first = start(&through).lock(LEASE, 5_000).spawn();
    valve.closed().await;
    pause_outside_a_write(&mut first, ground.url()).await;
    start(other.url())
        .lock(5_000, 40_000)
        .run()
        .await
        .expect("ok");
    valve.open();
    first.resume().unwrap();
    end_of(first).await;
    assert_eq!(done(other.url()).await, ["t separate 1", "t separate 2"]);
    assert_eq!(done(ground.url()).await, ["t last 1"]);
    start(other.url())
        .lock(5_000, 40_000)
        .run()
        .await
        .expect("ok");
}

/// The attempt's last insert would be its marker, but the tombstone is there first.
async fn entombed(target: Kind) {
    let (ground, other) = (
        Ground::with_table(Kind::MariaDb).await,
        Ground::with_table(target).await,
    );
    let start = || Start::of("separate,last", ground.url()).with("--target", other.url());
    let paused = Paused::at("separate 1", start()).await;
    start().lock(5_000, 20_000).run().await.expect("ok");
    paused.goes_on().await.expect("LeaseLost");
    assert_eq!(done(other.url()).await, ["t separate 1", "t separate 2"]);
    let expected = [
        "separate|STARTED|separate|run",
        "separate|STARTED|separate|run",
        "separate|APPLIED|separate|run",
        "last|APPLIED|shared|run",
    ];
    assert_eq!(audit(ground.url()).await, expected);
    let markers = "SELECT kind FROM flamingock_marker ORDER BY kind";
    assert_eq!(rows(other.url(), markers).await, ["tombstone"]);
}

/// From its first statement, the attempt has the lock that the tombstone needs: it is reported as
/// still open. When it continues, it may commit, which the next run detects, or be rolled back.
async fn still_open(target: Kind) {
    let (ground, other) = (
        Ground::with_table(Kind::Postgres).await,
        Ground::with_table(target).await,
    );
    let start = || Start::of("separate,last", ground.url()).with("--target", other.url());
    let paused = Paused::at("separate 1", start()).await;
    let began = Instant::now();
    let second = start().lock(5_000, 2_000).run().await;
    second.expect("Issues").says("still open");
    // The list shows what the run reported, and so does the next run.
    let listed = start().with("--issues", "list").run().await;
    listed.says("issue separate: the transaction of an interrupted attempt is still open");
    let third = start().lock(5_000, 2_000).run().await;
    third.expect("Issues").says("still open");
    let started = "SELECT count(*) FROM flamingock_audit WHERE change_id = 'separate'";
    assert_eq!(rows(ground.url(), started).await, ["2"]);
    assert!(
        began.elapsed() < Duration::from_secs(45),
        "{:?}",
        began.elapsed()
    );
    // The marker is found, whatever reason the run recorded that could not resolve it.
    let reworded = "UPDATE flamingock_audit SET error = '[\"in other words\"]' WHERE change_id = 'separate' AND error IS NOT NULL RETURNING attempt";
    assert_eq!(rows(ground.url(), reworded).await, ["1"]);
    paused.goes_on().await.expect("LeaseLost");
    let left = done(other.url()).await.len();
    assert!(left == 0 || left == 2, "half of it exists");
    start().lock(5_000, 20_000).run().await.expect("ok");
    assert_eq!(done(other.url()).await, ["t separate 1", "t separate 2"]);
    assert_eq!(done(ground.url()).await, ["t last 1"]);
}
