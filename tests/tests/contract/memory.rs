//! Stores in this process's memory: SQLite's, and the one for tests of changes.

mod answers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flamingock::audit::HistoryFilter;
use flamingock::{
    BoxError, ErrorKind, LockOptions, MemoryStore, Outcome, Runner, UndoTarget, change, changes,
};
use flamingock_tests::{Gate, audit, done, execute, query, until};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

#[change(id = "kept", order = "002", register = false)]
async fn kept(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('kept')").await?;
    // Ten leases, if there were any; waiters read the audit meanwhile.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

#[change(id = "fails", order = "003", register = false)]
async fn fails(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('fails')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

async fn in_memory(connections: u32) -> SqlitePool {
    let options = SqlitePoolOptions::new().max_connections(connections);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    execute(&pool, "CREATE TABLE done (what TEXT)").await;
    pool
}

/// Shorter than the changes take: here is no renewal, and nothing that could expire.
fn short() -> LockOptions {
    LockOptions::default().lease(Duration::from_millis(20))
}

#[tokio::test]
async fn two_runs_on_one_database_in_memory_exclude_each_other() {
    for connections in [1, 3] {
        let pool = in_memory(connections).await;
        let gate = Gate::default();
        let start = || {
            let runner = Runner::new(&pool)
                .changes(changes![gated, kept])
                .provide(gate.clone());
            tokio::spawn(runner.lock(short()).run())
        };
        let (one, other) = (start(), start());
        gate.reached().await;
        gate.open();
        let limit = Duration::from_secs(30);
        let (one, other) = tokio::time::timeout(limit, async { (one.await, other.await) })
            .await
            .unwrap();
        let (one, other) = (one.unwrap().unwrap(), other.unwrap().unwrap());
        assert_eq!(one.counts().newly_applied + other.counts().newly_applied, 2);
        assert_eq!(gate.visitors(), 1);
        assert_eq!(done(&pool).await, ["kept"]);
        assert_eq!(audit(&pool).await.len(), 3);
    }
}

#[tokio::test]
async fn failure_in_memory_leaves_nothing_and_the_next_run_does_not_wait() {
    let pool = in_memory(1).await;
    for attempt in 1..=2 {
        let runner = Runner::new(&pool).changes(changes![fails]).lock(short());
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert_eq!(done(&pool).await, Vec::<String>::new());
        assert_eq!(audit(&pool).await.len(), 2 * attempt);
    }
}

#[tokio::test]
async fn databases_in_memory_are_separate() {
    let (one, other) = (in_memory(1).await, in_memory(1).await);
    let gate = Gate::default();
    let start = |pool: &SqlitePool| {
        tokio::spawn(
            Runner::new(pool)
                .changes(changes![gated])
                .provide(gate.clone())
                .run(),
        )
    };
    let runs = (start(&one), start(&other));
    until("both stand at the gate", async || gate.visitors() == 2).await;
    gate.open();
    assert_eq!(runs.0.await.unwrap().unwrap().counts().newly_applied, 1);
    assert_eq!(runs.1.await.unwrap().unwrap().counts().newly_applied, 1);
}

#[change(id = "counted", order = "001", register = false)]
async fn counted(calls: &AtomicUsize, gate: &Gate) -> Result<(), BoxError> {
    calls.fetch_add(1, Ordering::Relaxed);
    gate.pass().await;
    Ok(())
}

#[tokio::test]
async fn runs_on_a_memory_store_exclude_each_other() {
    let store = MemoryStore::new();
    let (calls, gate) = (std::sync::Arc::new(AtomicUsize::new(0)), Gate::default());
    let start = || {
        let runner = Runner::new(&store)
            .changes(changes![counted])
            .provide_arc(calls.clone());
        tokio::spawn(runner.provide(gate.clone()).run())
    };
    let runs = [start(), start(), start()];
    gate.reached().await;
    gate.open();
    let mut applied = 0;
    for run in runs {
        applied += run.await.unwrap().unwrap().counts().newly_applied;
    }
    assert_eq!((applied, calls.load(Ordering::Relaxed)), (1, 1));
    let again = Runner::new(&store)
        .changes(changes![counted])
        .provide_arc(calls)
        .provide(gate);
    assert!(again.run().await.unwrap().is_up_to_date());
}

#[change(id = "connects", order = "002", register = false)]
async fn connects(_db: &mut SqliteConnection) {}

#[tokio::test]
async fn change_that_needs_a_database_is_refused_by_a_memory_store() {
    let runner = Runner::new(MemoryStore::new()).changes(changes![connects]);
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(
        format!("{error:#}").contains("the audit is kept in no database"),
        "{error}"
    );
}

#[change(id = "breaks", order = "001", register = false)]
async fn breaks() -> Result<(), BoxError> {
    Err("broken".into())
}

#[tokio::test]
async fn memory_store_keeps_a_failure_as_an_issue() {
    let store = MemoryStore::new();
    Runner::new(&store)
        .changes(changes![breaks])
        .run()
        .await
        .unwrap_err();
    let error = Runner::new(&store)
        .changes(changes![breaks])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error}");
    assert_eq!(
        error.report().unwrap().changes().next().unwrap().outcome,
        Outcome::Blocked
    );
}

#[tokio::test]
async fn forced_release_in_memory_is_recorded_and_services_are_listed() {
    let store = MemoryStore::new();
    let gate = Gate::default();
    let runner = || {
        Runner::new(&store)
            .changes(changes![gated])
            .provide(gate.clone())
    };
    let owner = tokio::spawn(runner().run());
    gate.reached().await;
    let taken_from = runner().release_lock("gone").await.unwrap();
    assert!(taken_from.is_some_and(|lock| lock.fencing_token == 1));
    gate.open();
    let lost = owner.await.unwrap();
    assert!(
        matches!(&lost, Err(error) if error.kind() == ErrorKind::LeaseLost),
        "{lost:?}"
    );

    let entries = runner().history(&HistoryFilter::default()).await.unwrap();
    let last = entries.last().unwrap();
    assert_eq!((last.fencing_token, last.is_of_a_change()), (2, false));
    assert_eq!(runner().issues().await.unwrap().len(), 1);
    let services = runner().services().await.unwrap();
    let found: Vec<_> = services
        .iter()
        .map(|one| (one.service.as_str(), one.issues, one.applied))
        .collect();
    assert_eq!(found, [("default", 1, 0)]);
}

#[tokio::test]
async fn undo_without_applied_changes_is_refused() {
    let runner = Runner::new(MemoryStore::new())
        .changes(changes![gated])
        .provide(Gate::default());
    let report = runner.undo(UndoTarget::Last).await.unwrap();
    assert_eq!(report.to_string(), "default: nothing to do");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["counts"]["total"], 0, "{json}");
}
