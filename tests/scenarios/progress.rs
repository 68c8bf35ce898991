//! How far a change is: in the plan, for operators, and for listeners.

use std::sync::atomic::{AtomicI64, Ordering};

use flamingock::audit::{ChangeProgress, ProgressState};
use flamingock::report::Note;
use flamingock::{
    Batch, BoxError, Context, Key, Keyset, Next, Resolution, Runner, TargetSystem, UndoTarget,
    change, changes, rollback,
};
use flamingock_tests::{Backend as _, Recorder, execute, query, strings, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

/// The number of the batch that fails; 0 for none.
#[derive(Debug, Default)]
struct FailsAt(AtomicI64);

#[change(id = "fill", order = "001", batch, register = false)]
async fn fill(
    batch: Batch<i64>,
    db: &mut Connection,
    fails_at: &FailsAt,
) -> Result<Next<i64>, BoxError> {
    let number = batch.cursor().copied().unwrap_or(0) + 1;
    query(db, &format!("INSERT INTO done VALUES ('{number}')")).await?;
    if fails_at.0.load(Ordering::SeqCst) == number {
        return Err("the batch fails".into());
    }
    let next = match number {
        5 => Next::finished(),
        number => Next::after(number),
    };
    // Only the first estimate counts.
    Ok(next.done_rows(20).total_rows(99 + number.unsigned_abs()))
}

#[rollback(fill)]
async fn empty(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

#[change(
    id = "fill-there",
    order = "002",
    batch,
    target = "other",
    register = false
)]
async fn fill_there(
    batch: Batch<i64>,
    db: &mut Connection,
    fails_at: &FailsAt,
) -> Result<Next<i64>, BoxError> {
    fill(batch, db, fails_at).await
}

#[change(
    id = "fill-alone",
    order = "003",
    batch,
    transaction = false,
    register = false
)]
async fn fill_alone(
    batch: Batch<i64>,
    db: &mut Connection,
    fails_at: &FailsAt,
) -> Result<Next<i64>, BoxError> {
    fill(batch, db, fails_at).await
}

fn failing_at(pool: &Pool<Db>, batch: i64) -> Runner {
    Runner::new(pool).provide(FailsAt(AtomicI64::new(batch)))
}

/// The only change's notes about its progress.
async fn notes(runner: &Runner) -> Vec<Note> {
    let plan = runner.plan().await.unwrap();
    let change = plan.changes().last().unwrap();
    let is_progress =
        |note: &&Note| matches!(note, Note::Progress(_) | Note::ProgressUnknown { .. });
    change.notes.iter().filter(is_progress).cloned().collect()
}

fn is_after_two(progress: &ChangeProgress) {
    assert_eq!(progress.state, ProgressState::Running);
    assert_eq!((progress.batches, progress.done_rows), (2, 40));
    assert_eq!(progress.total_rows, Some(100));
    assert!(progress.size.is_some());
    assert_eq!(progress.attempt, 1);
    assert!(progress.started_at <= progress.updated_at);
    let text = progress.to_string();
    assert!(
        text.starts_with("2 batches, 40 of 100 rows (40 %)"),
        "{text}"
    );
}

/// It is shown while the change is unfinished, and forgotten by a rollback.
async fn shown(runner: impl Fn(i64) -> Runner, id: &str) {
    let failed = runner(3).run().await.unwrap_err();
    assert!(failed.to_string().contains(id), "{failed}");
    let found = runner(0).progress().await.unwrap();
    let [progress] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(progress.change_id, id);
    is_after_two(progress);
    assert_eq!(
        notes(&runner(0)).await,
        [Note::Progress(Box::new(progress.clone()))]
    );

    runner(0).run().await.unwrap();
    let [finished] = &runner(0).progress().await.unwrap()[..] else {
        panic!("one change");
    };
    assert_eq!(finished.state, ProgressState::Finished);
    assert_eq!((finished.batches, finished.done_rows), (5, 100));
    assert_eq!(finished.attempt, 2);
    assert_eq!(finished.started_at, progress.started_at);
    assert_eq!(notes(&runner(0)).await, []);
}

#[tokio::test]
async fn progress_is_shown_until_the_change_is_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let runner = |batch| failing_at(&pool, batch).changes(changes![fill]);
    shown(runner, "fill").await;
    runner(0).undo(UndoTarget::Last).await.unwrap();
    assert_eq!(runner(0).progress().await.unwrap(), []);
    assert_eq!(notes(&runner(0)).await, []);
}

#[tokio::test]
async fn progress_without_a_transaction_is_shown() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let runner = |batch| failing_at(&pool, batch).changes(changes![fill_alone]);
    shown(runner, "fill-alone").await;
}

#[tokio::test]
async fn progress_in_another_database_is_shown() {
    let (database, elsewhere) = (Backend::fresh().await, Backend::fresh().await);
    let pool = database.pool(3).await;
    let other = with_table(&elsewhere, 3).await;
    let runner = |batch| {
        failing_at(&pool, batch)
            .changes(changes![fill_there])
            .target(TargetSystem::sqlx("other", &other))
    };
    shown(runner, "fill-there").await;
}

#[tokio::test]
async fn database_that_does_not_answer_is_named() {
    let (database, elsewhere) = (Backend::fresh().await, Backend::fresh().await);
    let pool = database.pool(3).await;
    let other = with_table(&elsewhere, 3).await;
    let runner = |other: &Pool<Db>| {
        failing_at(&pool, 3)
            .changes(changes![fill_there])
            .target(TargetSystem::sqlx("other", other))
    };
    runner(&other).run().await.unwrap_err();
    execute(&other, "DROP TABLE flamingock_progress").await;
    execute(&other, "CREATE TABLE flamingock_progress (n INT)").await;
    let [Note::ProgressUnknown { error }] = &notes(&runner(&other)).await[..] else {
        panic!("no note");
    };
    let text = "could not read the progress of the changes in batches";
    assert!(error.to_string().contains(text), "{error}");
    let error = runner(&other).progress().await.unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
}

#[tokio::test]
async fn progress_of_a_change_that_begins_anew_is_not_shown() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let runner = |batch| failing_at(&pool, batch).changes(changes![fill]);
    runner(3).run().await.unwrap_err();
    let resolved = Resolution::RolledBack;
    let by_hand = runner(0);
    by_hand
        .resolve("fill", resolved, "emptied the table")
        .await
        .unwrap();
    assert_eq!(notes(&runner(0)).await, []);
    execute(&pool, "DELETE FROM done").await;
    runner(0).run().await.unwrap();
    let done = strings(&pool, "SELECT what FROM done ORDER BY what").await;
    assert_eq!(done, ["1", "2", "3", "4", "5"]);
}

#[change(id = "keyset", order = "004", batch, register = false)]
async fn keyset(batch: Batch<Key>, db: &mut Connection) -> Result<Next<Key>, sqlx::Error> {
    let items = Keyset::table("items").key("id").count_rows();
    let update = "UPDATE items SET times = times + 1 WHERE {range}";
    items.execute(update, &batch, db).await
}

#[tokio::test]
async fn keyset_counts_the_rows_once() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let create = "CREATE TABLE items (id INT PRIMARY KEY, times INT NOT NULL)";
    execute(&pool, create).await;
    let rows: Vec<String> = (1..=1_200).map(|row| format!("({}, 0)", row * 3)).collect();
    let insert = format!("INSERT INTO items VALUES {}", rows.join(", "));
    execute(&pool, &insert).await;
    let runner = Runner::new(&pool).changes(changes![keyset]);
    runner.run().await.unwrap();
    let [progress] = &runner.progress().await.unwrap()[..] else {
        panic!("one change");
    };
    assert_eq!(
        (progress.done_rows, progress.total_rows),
        (1_200, Some(1_200))
    );
    assert!(progress.batches > 1);
}

/// Reports each of its hundred steps; only the first and the last one are due.
#[change(id = "reports", order = "005", register = false)]
async fn reports(_db: &mut Connection, context: &Context) {
    for step in 1..=100 {
        context.progress(step, 100);
    }
}

#[change(id = "reports-no-whole", order = "006", register = false)]
async fn reports_no_whole(_db: &mut Connection, context: &Context) {
    context.progress(7, None);
}

#[tokio::test]
async fn function_reports_its_progress() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let recorder = Recorder::default();
    let runner = Runner::new(&pool).changes(changes![reports, reports_no_whole]);
    runner.listener(recorder.listener()).run().await.unwrap();
    let mut lines = recorder.lines();
    lines.retain(|line| line.contains(" did "));
    // A stalled process may report more of them.
    assert_eq!(lines[0], "reports did 1 of Some(100)");
    assert!(lines.len() < 50, "{lines:?}");
    let last = &lines[lines.len() - 2..];
    assert_eq!(
        last,
        [
            "reports did 100 of Some(100)",
            "reports-no-whole did 7 of None"
        ]
    );
}
