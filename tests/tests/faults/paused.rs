//! A process that is stopped for longer than its lease, and continues.

use std::time::{Duration, Instant};

use flamingock_tests::Driver;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::start::{DEADLINE, Start, end_of};

/// The lease of the process that is stopped, in milliseconds. It must reach its point before the
/// lease expires, even on a busy machine.
const LEASE: u32 = 1_500;

/// Without the fencing checks that MariaDB writes next to the entry of success.
async fn audit(url: &str) -> Vec<String> {
    let rows = rows(
        url,
        "SELECT change_id, state, transaction_mode, origin FROM flamingock_audit
         WHERE state <> 'STARTED' OR transaction_mode <> 'shared' ORDER BY seq",
    );
    rows.await
}

async fn done(url: &str) -> Vec<String> {
    rows(url, "SELECT what FROM done ORDER BY what").await
}

/// A process that is paused in a change.
struct Paused {
    driver: Driver,
    folder: TempDir,
}

impl Paused {
    async fn at(point: &str, start: Start) -> Paused {
        let folder = tempfile::tempdir().unwrap();
        let start = start.holding(point, &folder.path().join("go"));
        let mut driver = start.lock(LEASE, 5_000).spawn();
        driver.line(&format!("at {point}"), DEADLINE).await.unwrap();
        driver.pause().unwrap();
        Paused { driver, folder }
    }

    /// The process continues, and so does its change.
    async fn goes_on(mut self) -> super::start::Ran {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
        self.driver.resume().unwrap();
        end_of(self.driver).await
    }
}

async fn shared_change_loses_the_lock(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let start = || Start::of("shared,last", ground.url());
    let paused = Paused::at("shared 1", start()).await;
    start().lock(5_000, 20_000).run().await.expect("ok");
    let resolved = (audit(ground.url()).await, done(ground.url()).await);
    assert_eq!(
        resolved.0,
        ["shared|APPLIED|shared|run", "last|APPLIED|shared|run"]
    );
    assert_eq!(resolved.1, ["t last 1", "t shared 1", "t shared 2"]);

    paused.goes_on().await.expect("LeaseLost").says("Run again");
    assert_eq!(
        (audit(ground.url()).await, done(ground.url()).await),
        resolved
    );
}

#[tokio::test]
async fn postgres_paused_shared_change_loses_the_lock_and_cannot_commit() {
    shared_change_loses_the_lock(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_paused_shared_change_loses_the_lock_and_cannot_commit() {
    shared_change_loses_the_lock(Kind::MariaDb).await;
}

/// In its second batch, whose transaction is open.
async fn batch_loses_the_lock(audit_kind: Kind, target: Option<Kind>) {
    let ground = Ground::with_table(audit_kind).await;
    let other = match target {
        Some(kind) => Some(Ground::with_table(kind).await),
        None => None,
    };
    let id = if other.is_some() {
        "batches-there"
    } else {
        "batches"
    };
    let start = || {
        let start = Start::of(id, ground.url());
        match &other {
            Some(other) => start.with("--target", other.url()),
            None => start,
        }
    };
    let effects = async || done(other.as_ref().unwrap_or(&ground).url()).await;
    let paused = Paused::at(&format!("{id} 2"), start()).await;
    start().lock(5_000, 20_000).run().await.expect("ok");
    let all = [1, 2, 3].map(|step| format!("t {id} {step}"));
    assert_eq!(effects().await, all);
    let resolved = audit(ground.url()).await;
    assert!(
        resolved
            .last()
            .unwrap()
            .starts_with(&format!("{id}|APPLIED|")),
        "{resolved:?}"
    );

    paused.goes_on().await.expect("LeaseLost");
    assert_eq!(effects().await, all);
    assert_eq!(audit(ground.url()).await, resolved);
}

#[tokio::test]
async fn postgres_paused_batch_loses_the_lock_and_cannot_commit() {
    batch_loses_the_lock(Kind::Postgres, None).await;
}

#[tokio::test]
async fn mariadb_paused_batch_loses_the_lock_and_cannot_commit() {
    batch_loses_the_lock(Kind::MariaDb, None).await;
}

#[tokio::test]
async fn postgres_to_mariadb_paused_batch_loses_the_lock_and_cannot_commit() {
    batch_loses_the_lock(Kind::Postgres, Some(Kind::MariaDb)).await;
}

#[tokio::test]
async fn mariadb_to_postgres_paused_batch_loses_the_lock_and_cannot_commit() {
    batch_loses_the_lock(Kind::MariaDb, Some(Kind::Postgres)).await;
}

/// Between its two changes: the entry of the first one is written and not committed.
#[tokio::test]
async fn postgres_paused_atomic_stage_loses_the_lock_and_cannot_commit() {
    let ground = Ground::with_table(Kind::Postgres).await;
    let start = || Start::of("together,beside", ground.url());
    let paused = Paused::at("beside 0", start()).await;
    start().lock(5_000, 20_000).run().await.expect("ok");
    let resolved = (audit(ground.url()).await, done(ground.url()).await);
    assert_eq!(
        resolved.0,
        ["together|APPLIED|shared|run", "beside|APPLIED|shared|run"]
    );
    paused.goes_on().await.expect("LeaseLost");
    assert_eq!(
        (audit(ground.url()).await, done(ground.url()).await),
        resolved
    );
}

/// The DDL of its second change would commit the first one: no takeover may happen before that.
#[tokio::test]
async fn mariadb_paused_atomic_stage_keeps_the_lock_and_continues() {
    let ground = Ground::with_table(Kind::MariaDb).await;
    let start = || Start::of("together,beside", ground.url());
    let paused = Paused::at("beside 0", start()).await;
    let second = start().lock(5_000, 2_000).run().await;
    second.expect("LockTimeout");
    paused.goes_on().await.expect("ok");
    assert_eq!(
        audit(ground.url()).await,
        ["together|APPLIED|shared|run", "beside|APPLIED|shared|run"]
    );
    assert_eq!(
        done(ground.url()).await,
        ["t beside 1", "t together 1", "t together 2"]
    );
}

/// Its transaction has the only write lock of the file: a takeover is neither possible nor needed.
#[tokio::test]
async fn sqlite_paused_shared_change_keeps_the_file_and_continues() {
    let ground = Ground::with_table(Kind::Sqlite).await;
    let start = || Start::of("shared,last", ground.url());
    let paused = Paused::at("shared 1", start()).await;
    let began = Instant::now();
    start()
        .lock(5_000, 1_500)
        .run()
        .await
        .expect("LockTimeout")
        .says("not acquired in time");
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    paused.goes_on().await.expect("ok");
    assert_eq!(
        done(ground.url()).await,
        ["t last 1", "t shared 1", "t shared 2"]
    );
}

/// Another run that finds the attempt reports an issue and does not take over, because it has
/// nothing to run. Until the issue is resolved, the attempt belongs to its owner.
async fn non_transactional_change_continues(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let start = || Start::of("plain,last", ground.url());
    let paused = Paused::at("plain 1", start()).await;
    let second = start().lock(5_000, 20_000).run().await;
    second
        .expect("Issues")
        .says("\"plain\" needs manual resolution");
    paused.goes_on().await.expect("ok");
    start()
        .lock(5_000, 20_000)
        .run()
        .await
        .expect("ok")
        .says("up to date");
    assert_eq!(
        done(ground.url()).await,
        ["t last 1", "t plain 1", "t plain 2"]
    );
}

/// Once the issue is resolved, the attempt's entries are refused and nothing starts after it.
async fn non_transactional_change_is_resolved(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let start = || Start::of("plain,last", ground.url());
    let paused = Paused::at("plain 1", start()).await;
    start().lock(5_000, 20_000).run().await.expect("Issues");
    let resolved = start()
        .with("--resolve", "plain")
        .lock(5_000, 20_000)
        .run()
        .await;
    resolved.expect("ok");
    paused.goes_on().await.expect("LeaseLost").says("Run again");
    let expected = [
        "plain|STARTED|none|run",
        "plain|MANUAL_MARKED_AS_APPLIED|none|operator",
    ];
    assert_eq!(audit(ground.url()).await, expected);
    assert!(!done(ground.url()).await.contains(&"t last 1".to_owned()));
    start().lock(5_000, 20_000).run().await.expect("ok");
}

async fn verified_change_is_resolved(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let start = || Start::of("verified,last", ground.url());
    let paused = Paused::at("verified 1", start()).await;
    start().lock(5_000, 20_000).run().await.expect("ok");
    paused.goes_on().await.expect("LeaseLost");
    let expected = [
        "verified|STARTED|none|run",
        "verified|APPLIED|none|verify",
        "last|APPLIED|shared|run",
    ];
    assert_eq!(audit(ground.url()).await, expected);
    assert_eq!(done(ground.url()).await, ["t last 1", "t verified 1"]);
}

macro_rules! on_each {
    ($($name:ident: $scenario:ident($kind:ident);)+) => {$(
        #[tokio::test]
        async fn $name() {
            $scenario(Kind::$kind).await;
        }
    )+};
}

on_each! {
    postgres_paused_non_transactional_change_belongs_to_its_owner_until_resolved: non_transactional_change_continues(Postgres);
    mariadb_paused_non_transactional_change_belongs_to_its_owner_until_resolved: non_transactional_change_continues(MariaDb);
    sqlite_paused_non_transactional_change_belongs_to_its_owner_until_resolved: non_transactional_change_continues(Sqlite);
    postgres_paused_non_transactional_change_does_not_overwrite_a_resolution: non_transactional_change_is_resolved(Postgres);
    mariadb_paused_non_transactional_change_does_not_overwrite_a_resolution: non_transactional_change_is_resolved(MariaDb);
    sqlite_paused_non_transactional_change_does_not_overwrite_a_resolution: non_transactional_change_is_resolved(Sqlite);
    postgres_paused_verified_change_is_resolved_by_its_verify_function: verified_change_is_resolved(Postgres);
    mariadb_paused_verified_change_is_resolved_by_its_verify_function: verified_change_is_resolved(MariaDb);
    sqlite_paused_verified_change_is_resolved_by_its_verify_function: verified_change_is_resolved(Sqlite);
    postgres_owner_paused_before_its_commit_does_not_block_the_others: paused_before_commit(Postgres);
    mariadb_owner_paused_before_its_commit_does_not_block_the_others: paused_before_commit(MariaDb);
    postgres_session_paused_before_its_separate_commit_is_ended: paused_before_separate_commit(Postgres);
    mariadb_session_paused_before_its_separate_commit_is_ended: paused_before_separate_commit(MariaDb);
    postgres_tombstone_refuses_the_commit_of_a_paused_attempt: entombed(Postgres);
    sqlite_tombstone_waits_for_a_paused_attempt: still_open(Sqlite);
    mariadb_tombstone_waits_for_a_paused_attempt: still_open(MariaDb);
}

/// The entry is written, with its share of the row lock on the lock row; the commit is never sent.
async fn paused_before_commit(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let valve = HoldingProxy::at("=COMMIT", Where::BeforeServer);
    let through = valve.url(ground.url()).await;
    let mut first = Start::of("shared,last", &through)
        .lock(LEASE, 5_000)
        .spawn();
    valve.closed().await;
    first.pause().unwrap();
    let second = Start::of("shared,last", ground.url())
        .lock(5_000, 40_000)
        .run()
        .await;
    second.expect("ok");
    let resolved = (audit(ground.url()).await, done(ground.url()).await);
    assert_eq!(
        resolved.0,
        ["shared|APPLIED|shared|run", "last|APPLIED|shared|run"]
    );
    valve.open();
    first.resume().unwrap();
    let first = end_of(first).await;
    assert!(
        matches!(first.result.as_deref(), Some("LeaseLost" | "InDoubt")),
        "{first:?}"
    );
    assert_eq!(
        (audit(ground.url()).await, done(ground.url()).await),
        resolved
    );
}

/// Pauses a process whose audit is a SQLite file, but not while it renews its lease: it would keep the file's
/// write lock for as long as it is paused.
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
