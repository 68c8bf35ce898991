//! A change in batches: each commits its work and its cursor together, and the next one begins after
//! it, in whatever way the run before ended.

mod elsewhere;
mod ended;
mod failed_rows;
mod lease;
mod no_connection;
mod refused;
mod rollback;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use flamingock::audit::HistoryFilter;
use flamingock::report::Cause;
use flamingock::{
    Batch, BoxError, ErrorKind, Next, Outcome, Resolution, Runner, UndoTarget, change, changes,
    rollback,
};
use flamingock_tests::{
    Backend as _, Recorder, TestDatabase, audit, execute, query, strings, with_table,
};
use sqlx::Pool;

use super::{Backend, Connection, Db};

/// How many rows there are, with gaps between their keys, and how many a batch does.
const ROWS: i64 = 100;
const SIZE: i64 = 7;

/// What is to happen in a run.
#[derive(Debug, Default)]
struct Wanted {
    /// The batch that fails, after its work.
    fails_at: AtomicI64,
    /// How many batches were called.
    called: AtomicI64,
    /// Whether the batch that fails panics.
    panics: AtomicBool,
    /// Rows that each batch adds.
    adds: AtomicI64,
}

impl Wanted {
    fn failing_at(batch: i64) -> Wanted {
        let wanted = Wanted::default();
        wanted.fails_at.store(batch, Ordering::SeqCst);
        wanted
    }
}

/// A database with the table `items` and its rows.
async fn fresh() -> (TestDatabase<Backend>, Pool<Db>) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let items = "CREATE TABLE items (id INT PRIMARY KEY, times INT NOT NULL)";
    execute(&pool, items).await;
    let keys = (1..=ROWS).map(|row| format!("({}, 0)", row * 1000 + row % 7));
    let values: Vec<String> = keys.collect();
    let insert = format!("INSERT INTO items VALUES {}", values.join(", "));
    execute(&pool, &insert).await;
    (database, pool)
}

/// How many rows were done how often.
async fn times(pool: &Pool<Db>) -> Vec<String> {
    strings(
        pool,
        "SELECT times, count(*) FROM items GROUP BY times ORDER BY times",
    )
    .await
}

async fn progress(pool: &Pool<Db>) -> Vec<String> {
    let columns = "change_id, state, batches, done_rows, batch_cursor, upper_bound";
    strings(pool, &format!("SELECT {columns} FROM flamingock_progress")).await
}

async fn one_batch(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    let called = wanted.called.fetch_add(1, Ordering::SeqCst) + 1;
    let after = batch.cursor().copied().unwrap_or(0);
    assert!(batch.size() > 0);
    let bound = match batch.bound() {
        Some(bound) => *bound,
        None => query(db, "SELECT max(id) FROM items").await?[0].parse()?,
    };
    let keys = format!(
        "SELECT id FROM items WHERE id > {after} AND id <= {bound} ORDER BY id LIMIT {SIZE}"
    );
    let keys = query(db, &keys).await?;
    for added in 0..wanted.adds.load(Ordering::SeqCst) {
        let key = 1_000_000 + called * 1000 + added;
        query(db, &format!("INSERT INTO items VALUES ({key}, 0)")).await?;
    }
    let Some(last) = keys.last() else {
        return Ok(Next::finished());
    };
    let update = format!("UPDATE items SET times = times + 1 WHERE id > {after} AND id <= {last}");
    query(db, &update).await?;
    if wanted.fails_at.load(Ordering::SeqCst) == called {
        assert!(!wanted.panics.load(Ordering::SeqCst), "the batch panics");
        return Err("the batch fails".into());
    }
    let next = Next::after(last.parse()?).bound(bound);
    Ok(next.done_rows(keys.len().try_into()?))
}

/// Counts each row once.
#[change(id = "count-items", order = "001", batch, register = false)]
async fn count_items(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    one_batch(batch, db, wanted).await
}

#[rollback(count_items)]
async fn uncount_items(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "UPDATE items SET times = 0").await.map(drop)
}

fn runner(pool: &Pool<Db>, wanted: Wanted) -> Runner {
    Runner::new(pool)
        .changes(changes![count_items])
        .provide(wanted)
}

#[tokio::test]
async fn every_row_is_done_once_and_the_change_is_applied() {
    let (_database, pool) = fresh().await;
    let recorder = Recorder::default();
    let run = runner(&pool, Wanted::default()).listener(recorder.listener());
    let report = run.run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(times(&pool).await, ["1|100"]);
    let committed: Vec<String> = recorder
        .lines()
        .into_iter()
        .filter(|line| line.contains("batch"))
        .collect();
    assert_eq!(committed.len(), 16);
    assert_eq!(committed[0], "count-items batch 1, 7 rows done");
    assert_eq!(committed[15], "count-items batch 16, 100 rows done");
    let entries = runner(&pool, Wanted::default())
        .history(&HistoryFilter::default())
        .await
        .unwrap();
    let states: Vec<&str> = entries.iter().map(|entry| entry.state.as_str()).collect();
    assert_eq!(states, ["STARTED", "APPLIED"]);
    let last = ROWS * 1000 + ROWS % 7;
    let expected = format!("count-items|finished|16|100|{last}|{last}");
    assert_eq!(progress(&pool).await, [expected]);
    let again = runner(&pool, Wanted::default()).run().await.unwrap();
    assert!(again.is_up_to_date());
    assert_eq!(times(&pool).await, ["1|100"]);
}

#[tokio::test]
async fn batches_before_a_failure_stay_and_the_next_run_continues() {
    for panics in [false, true] {
        let (_database, pool) = fresh().await;
        let wanted = Wanted::failing_at(4);
        wanted.panics.store(panics, Ordering::SeqCst);
        let error = runner(&pool, wanted).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("batch 4 failed"), "{text}");
        assert!(text.contains("3 batches are committed"), "{text}");
        let change = error.report().unwrap().changes().next().unwrap().clone();
        assert_eq!(change.outcome, Outcome::Failed);
        assert_eq!(change.issue, None);
        assert_eq!(times(&pool).await, ["0|79", "1|21"]);
        assert_eq!(
            audit(&pool).await.last().unwrap(),
            "count-items 1 FAILED shared"
        );

        // No issue, for a plan neither.
        let plan = runner(&pool, Wanted::default()).plan().await.unwrap();
        assert_eq!(plan.changes().next().unwrap().issue, None);
        runner(&pool, Wanted::default()).run().await.unwrap();
        assert_eq!(times(&pool).await, ["1|100"]);
        assert_eq!(
            audit(&pool).await.last().unwrap(),
            "count-items 2 APPLIED shared"
        );
    }
}

#[tokio::test]
async fn interrupted_attempt_is_continued() {
    let (_database, pool) = fresh().await;
    runner(&pool, Wanted::failing_at(4))
        .run()
        .await
        .unwrap_err();
    // As a process that was killed leaves it.
    let killed = "DELETE FROM flamingock_audit WHERE state = 'FAILED'";
    execute(&pool, killed).await;
    runner(&pool, Wanted::failing_at(3))
        .run()
        .await
        .unwrap_err();
    execute(&pool, killed).await;
    assert_eq!(times(&pool).await, ["0|65", "1|35"]);
    runner(&pool, Wanted::default()).run().await.unwrap();
    assert_eq!(times(&pool).await, ["1|100"]);
}

#[tokio::test]
async fn run_that_ended_after_the_last_batch_is_completed_without_another_one() {
    let (_database, pool) = fresh().await;
    runner(&pool, Wanted::default()).run().await.unwrap();
    let killed = "DELETE FROM flamingock_audit WHERE state = 'APPLIED';
                  UPDATE flamingock_lock SET pipeline_digest = NULL";
    execute(&pool, killed).await;
    let report = runner(&pool, Wanted::failing_at(1)).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(times(&pool).await, ["1|100"]);
}

#[tokio::test]
async fn change_that_was_undone_begins_anew() {
    let (_database, pool) = fresh().await;
    runner(&pool, Wanted::default()).run().await.unwrap();
    let undone = runner(&pool, Wanted::default())
        .undo(UndoTarget::Last)
        .await
        .unwrap();
    assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
    assert_eq!(times(&pool).await, ["0|100"]);
    let cleared = ["count-items|cleared|0|0|NULL|NULL"];
    assert_eq!(progress(&pool).await, cleared);
    runner(&pool, Wanted::default()).run().await.unwrap();
    assert_eq!(times(&pool).await, ["1|100"]);
}

#[tokio::test]
async fn change_that_an_operator_marked_as_rolled_back_begins_anew() {
    let (_database, pool) = fresh().await;
    runner(&pool, Wanted::failing_at(4))
        .run()
        .await
        .unwrap_err();
    execute(&pool, "DELETE FROM flamingock_progress").await;

    // Without its progress, it is not known which batches were applied.
    let error = runner(&pool, Wanted::default()).run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap().clone();
    assert_eq!(change.issue, Some(Cause::ProgressGone), "{error:?}");
    assert!(
        format!("{error:?}").contains("flamingock_progress"),
        "{error:?}"
    );
    assert_eq!(times(&pool).await, ["0|79", "1|21"]);

    execute(&pool, "UPDATE items SET times = 0").await;
    let resolved = runner(&pool, Wanted::default());
    let reason = "the rows were reset";
    resolved
        .resolve("count-items", Resolution::RolledBack, reason)
        .await
        .unwrap();
    runner(&pool, Wanted::default()).run().await.unwrap();
    assert_eq!(times(&pool).await, ["1|100"]);
}

#[tokio::test]
async fn rows_that_are_inserted_meanwhile_do_not_keep_it_from_ending() {
    let (_database, pool) = fresh().await;
    let wanted = Wanted::default();
    wanted.adds.store(SIZE, Ordering::SeqCst);
    runner(&pool, wanted).run().await.unwrap();
    let all = times(&pool).await;
    assert_eq!(all.last().unwrap(), "1|100");
}
