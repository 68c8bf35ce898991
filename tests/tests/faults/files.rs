//! SQLite: one file, many processes, and readers that do not finish.

use std::time::{Duration, Instant};

use flamingock_tests::query;
use futures_util::StreamExt;
use sqlx::{Connection, SqliteConnection};

use super::ground::{Ground, Kind, rows};
use super::start::{Start, end_of};

/// Another process in a read transaction.
async fn reader(url: &str) -> SqliteConnection {
    let mut reader = SqliteConnection::connect(url).await.unwrap();
    query(&mut reader, "BEGIN; SELECT count(*) FROM done")
        .await
        .unwrap();
    reader
}

async fn many_processes(journal: &str) {
    let ground = Ground::with_table(Kind::Sqlite).await;
    rows(ground.url(), &format!("PRAGMA journal_mode = {journal}")).await;
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let start = Start::of("shared,verified,plain,last", ground.url()).lock(3_000, 30_000);
    let first = start.clone().spawn_held("shared 2", &go).await;
    let others: Vec<_> = (0..6).map(|_| start.spawn()).collect();
    // It reads during the commit of the first process and for some time after it, so the commit is
    // slow.
    let reading = reader(ground.url()).await;
    std::fs::write(&go, "").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    reading.close().await.unwrap();
    for driver in others.into_iter().chain([first]) {
        end_of(driver).await.expect("ok");
    }
    let done = rows(ground.url(), "SELECT what FROM done ORDER BY what").await;
    let expected = [
        "t last 1",
        "t plain 1",
        "t plain 2",
        "t shared 1",
        "t shared 2",
        "t verified 1",
    ];
    assert_eq!(done, expected);
    let applied = "SELECT count(*) FROM flamingock_audit WHERE state = 'APPLIED'";
    assert_eq!(rows(ground.url(), applied).await, ["4"]);
}

#[tokio::test]
async fn many_processes_share_a_file_with_a_rollback_journal_and_a_slow_reader() {
    many_processes("delete").await;
}

#[tokio::test]
async fn many_processes_share_a_file_with_a_write_ahead_log_and_a_slow_reader() {
    many_processes("wal").await;
}

/// A commit waits for the reader as long as the run may wait; then nothing is applied.
#[tokio::test]
async fn reader_that_outlasts_the_wait_leaves_the_change_unapplied() {
    let ground = Ground::with_table(Kind::Sqlite).await;
    Start::of("last", ground.url()).run().await.expect("ok");
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let start = Start::of("shared,last", ground.url()).lock(3_000, 1_000);
    let driver = start.clone().spawn_held("shared 2", &go).await;
    let reading = reader(ground.url()).await;
    std::fs::write(&go, "").unwrap();
    let began = Instant::now();
    let ran = end_of(driver).await;
    ran.expect("ChangesFailed").says("database is locked");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    reading.close().await.unwrap();
    assert_eq!(
        rows(ground.url(), "SELECT what FROM done").await,
        ["t last 1"]
    );
    start.lock(3_000, 10_000).run().await.expect("ok");
    assert_eq!(rows(ground.url(), "SELECT what FROM done").await.len(), 3);
}

/// The owner writes all the time, so no other process can. Its entry renews the lease.
#[tokio::test]
async fn live_owner_keeps_the_lock_during_a_change_longer_than_its_lease() {
    const ROUNDS: usize = 20;
    // Long enough for the owner to keep it while it waits for its file on a busy machine.
    const LEASE: u32 = 2_000;
    let round = async |number: usize| {
        let ground = Ground::with_table(Kind::Sqlite).await;
        let journal = if number.is_multiple_of(2) {
            "delete"
        } else {
            "wal"
        };
        rows(ground.url(), &format!("PRAGMA journal_mode = {journal}")).await;
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let start = Start::of("shared,last", ground.url()).lock(LEASE, 20_000);
        let owner = start.clone().spawn_held("shared 1", &go).await;
        let waiters: Vec<_> = (0..3).map(|_| start.spawn()).collect();
        // More than two leases.
        tokio::time::sleep(Duration::from_millis(u64::from(LEASE) * 23 / 10)).await;
        std::fs::write(&go, "").unwrap();
        end_of(owner).await.expect("ok").says("2 newly applied");
        for waiter in waiters {
            end_of(waiter).await.expect("ok").says("up to date");
        }
        let tokens = rows(
            ground.url(),
            "SELECT DISTINCT fencing_token FROM flamingock_audit",
        )
        .await;
        assert_eq!(tokens, ["1"]);
    };
    let rounds = futures_util::stream::iter(0..ROUNDS)
        .map(round)
        .buffer_unordered(5);
    assert_eq!(rounds.count().await, ROUNDS);
}
