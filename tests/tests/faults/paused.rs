//! A process that is stopped for longer than its lease, and continues.

use std::time::{Duration, Instant};

use flamingock_tests::Driver;
use tempfile::TempDir;

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::start::{Start, end_of};

macro_rules! on_each {
    ($($name:ident: $scenario:ident($kind:ident);)+) => {$(
        #[tokio::test]
        async fn $name() {
            $scenario(Kind::$kind).await;
        }
    )+};
}

mod separate;

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
        let go = folder.path().join("go");
        let mut driver = start.lock(LEASE, 5_000).spawn_held(point, &go).await;
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
