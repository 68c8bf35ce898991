//! A change in batches: each commits its work and its cursor together, and the next one begins after
//! it, in whatever way the run before ended.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use flamingock::audit::HistoryFilter;
use flamingock::report::Cause;
use flamingock::{
    Batch, BoxError, Error, ErrorKind, MemoryStore, Next, Outcome, Resolution, Runner, Stage,
    TargetSystem, UndoTarget, change, changes, rollback,
};
use flamingock_tests::{
    Backend as _, Gate, Recorder, audit, count, execute, query, strings, with_table,
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

async fn fill(pool: &Pool<Db>) {
    execute(
        pool,
        "CREATE TABLE items (id INT PRIMARY KEY, times INT NOT NULL)",
    )
    .await;
    let keys = (1..=ROWS).map(|row| format!("({}, 0)", row * 1000 + row % 7));
    let values: Vec<String> = keys.collect();
    execute(
        pool,
        &format!("INSERT INTO items VALUES {}", values.join(", ")),
    )
    .await;
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

#[change(
    id = "count-items",
    order = "001",
    target = "other",
    batch,
    register = false
)]
async fn count_elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    one_batch(batch, db, wanted).await
}

#[rollback(count_elsewhere)]
async fn uncount_elsewhere(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "UPDATE items SET times = 0").await.map(drop)
}

fn runner(pool: &Pool<Db>, wanted: Wanted) -> Runner {
    Runner::new(pool)
        .changes(changes![count_items])
        .provide(wanted)
}

#[tokio::test]
async fn every_row_is_done_once_and_the_change_is_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
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
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        fill(&pool).await;
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
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
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
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
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
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
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
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
    runner(&pool, Wanted::failing_at(4))
        .run()
        .await
        .unwrap_err();
    execute(&pool, "DELETE FROM flamingock_progress").await;

    // Without its progress, it is not known which batches were applied.
    let error = runner(&pool, Wanted::default()).run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap().clone();
    assert_eq!(change.issue, Some(Cause::Interrupted), "{error:?}");
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
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
    let wanted = Wanted::default();
    wanted.adds.store(SIZE, Ordering::SeqCst);
    runner(&pool, wanted).run().await.unwrap();
    let all = times(&pool).await;
    assert_eq!(all.last().unwrap(), "1|100");
}

#[tokio::test]
async fn batches_elsewhere_keep_their_cursor_there() {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let other = with_table(&databases[1], 2).await;
    fill(&other).await;
    let runner = |wanted| {
        Runner::new(&pool)
            .changes(changes![count_elsewhere])
            .target(TargetSystem::sqlx("other", &other))
            .provide::<Wanted>(wanted)
    };
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    assert_eq!(times(&other).await, ["0|79", "1|21"]);
    assert_eq!(
        audit(&pool).await.last().unwrap(),
        "count-items 1 FAILED separate"
    );
    assert_eq!(progress(&pool).await, [""; 0]);
    execute(&pool, "DELETE FROM flamingock_audit WHERE state = 'FAILED'").await;
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
    assert!(
        runner(Wanted::default())
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );

    runner(Wanted::default())
        .undo(UndoTarget::Last)
        .await
        .unwrap();
    assert_eq!(times(&other).await, ["0|100"]);
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
}

#[tokio::test]
async fn attempt_elsewhere_that_an_operator_marked_as_rolled_back_begins_anew() {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let other = with_table(&databases[1], 2).await;
    fill(&other).await;
    let runner = |wanted| {
        Runner::new(&pool)
            .changes(changes![count_elsewhere])
            .target(TargetSystem::sqlx("other", &other))
            .provide::<Wanted>(wanted)
    };
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    let killed = "DELETE FROM flamingock_audit WHERE state = 'FAILED'";
    execute(&pool, killed).await;
    execute(&other, "UPDATE items SET times = 0").await;
    let resolution = Resolution::RolledBack;
    let resolving = runner(Wanted::default());
    let resolved = resolving.resolve("count-items", resolution, "the rows were reset");
    resolved.await.unwrap();
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
}

#[tokio::test]
async fn audit_elsewhere_is_no_obstacle() {
    let database = Backend::fresh().await;
    let other = with_table(&database, 2).await;
    fill(&other).await;
    let store = MemoryStore::new();
    let runner = |wanted| {
        Runner::new(&store)
            .changes(changes![count_elsewhere])
            .target(TargetSystem::sqlx("other", &other))
            .provide::<Wanted>(wanted)
    };
    runner(Wanted::failing_at(2)).run().await.unwrap_err();
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
}

/// Sends the numbers from 1 to 10, three at a time.
#[change(id = "send", order = "001", batch, register = false)]
async fn send(batch: Batch<i64>, sent: &Sent) -> Result<Next<i64>, BoxError> {
    let after = batch.cursor().copied().unwrap_or(0);
    let last = (after + 3).min(10);
    sent.numbers.lock().await.extend(after + 1..=last);
    let fails = &sent.fails_after;
    if fails
        .compare_exchange(last, 0, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
    {
        return Err("the broker did not answer".into());
    }
    Ok(match last {
        10 => Next::finished().done_rows(1),
        _ => Next::after(last).done_rows(3),
    })
}

#[derive(Debug, Default)]
struct Sent {
    numbers: tokio::sync::Mutex<Vec<i64>>,
    fails_after: AtomicI64,
}

#[tokio::test]
async fn without_a_connection_only_the_failed_batch_runs_again() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let store = MemoryStore::new();
    for memory in [false, true] {
        let runner = if memory {
            Runner::new(&store)
        } else {
            Runner::new(&pool)
        };
        let sent = std::sync::Arc::new(Sent::default());
        sent.fails_after.store(6, Ordering::SeqCst);
        let runner = runner
            .changes(changes![send])
            .provide_arc(std::sync::Arc::clone(&sent));
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        runner.run().await.unwrap();
        let numbers = sent.numbers.lock().await.clone();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 10]);
        assert!(runner.run().await.unwrap().is_up_to_date());
    }
    let expected = ["send|finished|4|10|9|NULL"];
    assert_eq!(progress(&pool).await, expected);
}

/// What another version of the code returned.
#[change(id = "count-items", order = "001", batch, register = false)]
async fn count_by_name(
    batch: Batch<(String, i64)>,
    _db: &mut Connection,
) -> Result<Next<(String, i64)>, BoxError> {
    panic!("{batch:?}");
}

#[tokio::test]
async fn cursor_of_another_type_is_refused_with_its_version() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    fill(&pool).await;
    let runner = runner(&pool, Wanted::failing_at(3)).app_version("1.8.0");
    runner.run().await.unwrap_err();
    let other = Runner::new(&pool).changes(changes![count_by_name]);
    let error = other.run().await.unwrap_err();
    let text = format!("{error:?}");
    for part in [
        "`14000`",
        "1.8.0",
        "(alloc::string::String, i64)",
        "begins anew",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(times(&pool).await, ["0|86", "1|14"]);
    assert_eq!(
        audit(&pool).await.last().unwrap(),
        "count-items 1 FAILED shared"
    );
}

#[change(id = "unequal", order = "001", batch, register = false)]
async fn unequal(batch: Batch<i64>, _db: &mut Connection) -> Result<Next<String>, BoxError> {
    Ok(Next::after(format!("{batch:?}")))
}

#[tokio::test]
async fn mistakes_are_refused_before_anything_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let invalid = async |runner: Runner| -> String {
        let error: Error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        format!("{error:?}")
    };
    let text = invalid(Runner::new(&pool).changes(changes![unequal])).await;
    for part in ["batches.rs:", "`Batch<i64>`", "`Next<String>`"] {
        assert!(text.contains(part), "{text}");
    }
    let atomic = runner(&pool, Wanted::default()).stage(Stage::new("default").atomic());
    let text = invalid(atomic).await;
    assert!(text.contains("works in batches"), "{text}");
}

/// Waits in its second batch.
#[change(id = "waits", order = "001", batch, register = false)]
async fn waits(batch: Batch<i64>, db: &mut Connection, gate: &Gate) -> Result<Next<i64>, BoxError> {
    let done = batch.cursor().copied().unwrap_or(0);
    query(
        db,
        &format!("INSERT INTO done VALUES ('batch {}')", done + 1),
    )
    .await?;
    if done == 1 {
        gate.pass().await;
    }
    Ok(match done {
        3 => Next::finished(),
        done => Next::after(done + 1),
    })
}

#[tokio::test]
async fn stopped_run_is_continued_by_the_next_one() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || {
        Runner::new(&pool)
            .changes(changes![waits])
            .provide(Gate::default())
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let gate = std::sync::Arc::new(Gate::default());
    let run = Runner::new(&pool)
        .changes(changes![waits])
        .provide_arc(std::sync::Arc::clone(&gate))
        .run()
        .cancel_on(async {
            let _ = stopped.await;
        });
    let run = tokio::spawn(run);
    gate.reached().await;
    stop.send(()).unwrap();
    // The batch in progress is completed.
    gate.open();
    let error = tokio::time::timeout(Duration::from_secs(30), run)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    assert!(
        format!("{error:?}").contains("2 batches are committed"),
        "{error:?}"
    );
    assert_eq!(flamingock_tests::done(&pool).await, ["batch 1", "batch 2"]);
    assert_eq!(audit(&pool).await.last().unwrap(), "waits 1 FAILED shared");
    let next = runner();
    let open = Gate::default();
    open.open();
    next.provide(open).run().await.unwrap();
    let all = ["batch 1", "batch 2", "batch 3", "batch 4"];
    assert_eq!(flamingock_tests::done(&pool).await, all);
}

/// Ends the transaction of its batch.
#[change(id = "commits", order = "001", batch, register = false)]
async fn commits(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    let done = batch.cursor().copied().unwrap_or(0);
    query(
        db,
        &format!("INSERT INTO done VALUES ('batch {}')", done + 1),
    )
    .await?;
    if done == 1 {
        query(db, "COMMIT").await?;
        return Err("after its own commit".into());
    }
    Ok(Next::after(done + 1))
}

#[tokio::test]
async fn batch_that_commits_by_itself_and_fails_is_an_issue() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![commits]);
    runner().run().await.unwrap_err();
    assert_eq!(audit(&pool).await.last().unwrap(), "commits 1 FAILED none");
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
    assert_eq!(flamingock_tests::done(&pool).await, ["batch 1", "batch 2"]);
    assert_eq!(
        count(&pool, "SELECT batches FROM flamingock_progress").await,
        1
    );
}
