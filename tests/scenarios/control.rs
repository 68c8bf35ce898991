//! Operators pause, resume, cancel and tune a change in batches, and throttles let it wait.

mod anew;
mod elsewhere;
mod refused;
mod throttled;
mod undone;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use flamingock::audit::{HistoryFilter, ProgressState, State};
use flamingock::{
    Batch, BoxError, Controlled, ErrorKind, Next, Outcome, Runner, Tuning, change, changes,
};
use flamingock_tests::{Backend as _, done, query, until, with_table};
use sqlx::Pool;
use tokio::sync::Semaphore;

use super::{Backend, Connection, Db};

/// The number of batches.
const BATCHES: i64 = 6;

/// Lets a test do the batches one by one.
#[derive(Clone, Debug)]
struct Steps {
    /// A batch needs a permit.
    permits: Arc<Semaphore>,
    /// The sizes of the batches that began, and how many.
    size: Arc<AtomicI64>,
    began: Arc<AtomicI64>,
    /// The batch that fails.
    fails_at: i64,
    /// The number of batches.
    last: i64,
}

impl Steps {
    fn new(permits: usize) -> Steps {
        Steps {
            permits: Arc::new(Semaphore::new(permits)),
            size: Arc::default(),
            began: Arc::default(),
            fails_at: 0,
            last: BATCHES,
        }
    }

    /// Batches without a wait, of which one fails.
    fn failing_at(batch: i64) -> Steps {
        Steps {
            fails_at: batch,
            ..Steps::new(100)
        }
    }

    fn began(&self) -> i64 {
        self.began.load(Ordering::SeqCst)
    }

    async fn until_batch(&self, number: i64) {
        until("the batch has begun", async || self.began() >= number).await;
    }

    async fn batch(&self, batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
        let number = batch.cursor().copied().unwrap_or(0) + 1;
        self.size.store(batch.size(), Ordering::SeqCst);
        self.began.store(number, Ordering::SeqCst);
        self.permits.acquire().await?.forget();
        if number == self.fails_at {
            return Err("the batch failed".into());
        }
        query(db, &format!("INSERT INTO done VALUES ('batch {number}')")).await?;
        Ok(match number == self.last {
            true => Next::finished().done_rows(1),
            false => Next::after(number).done_rows(1),
        })
    }
}

/// Outside a transaction, which would have locked the row of the progress during a batch.
#[change(
    id = "fill",
    order = "001",
    phase = "background",
    transaction = false,
    batch,
    register = false
)]
async fn in_background(
    batch: Batch<i64>,
    db: &mut Connection,
    steps: &Steps,
) -> Result<Next<i64>, BoxError> {
    steps.batch(batch, db).await
}

#[change(
    id = "fill",
    order = "001",
    transaction = false,
    batch,
    register = false
)]
async fn at_the_start(
    batch: Batch<i64>,
    db: &mut Connection,
    steps: &Steps,
) -> Result<Next<i64>, BoxError> {
    steps.batch(batch, db).await
}

fn background(pool: &Pool<Db>, steps: &Steps) -> Runner {
    Runner::new(pool)
        .changes(changes![in_background])
        .provide(steps.clone())
}

fn startup(pool: &Pool<Db>, steps: &Steps) -> Runner {
    Runner::new(pool)
        .changes(changes![at_the_start])
        .provide(steps.clone())
}

/// An operator's program, which has no code.
fn operator(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).changes([]).operator("ada")
}

async fn state(pool: &Pool<Db>) -> ProgressState {
    let progress = operator(pool).progress().await.unwrap();
    progress[0].state
}

/// The states of the entries, with the operators and the reasons of those that have one.
async fn entries(pool: &Pool<Db>) -> Vec<String> {
    let all = HistoryFilter::default();
    let entries = operator(pool).history(&all).await.unwrap();
    let text = |entry: &flamingock::audit::Entry| match &entry.operator {
        Some(operator) => format!(
            "{} by {operator}: {}",
            entry.state,
            entry.reason.as_deref().unwrap_or_default()
        ),
        None => entry.state.to_string(),
    };
    entries.iter().map(text).collect()
}

fn batches(range: std::ops::RangeInclusive<i64>) -> Vec<String> {
    range.map(|number| format!("batch {number}")).collect()
}

#[tokio::test]
async fn pause_takes_effect_after_the_batch_and_lasts_until_a_resume() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let steps = Steps::new(1);
    let work = background(&pool, &steps).spawn();
    steps.until_batch(2).await;
    let paused = operator(&pool).pause("fill", "too much load").await;
    assert_eq!(paused.unwrap(), Controlled::Requested);
    let progress = operator(&pool).progress().await.unwrap();
    let request = progress[0].request.as_ref().unwrap();
    assert_eq!(request.operator.as_deref(), Some("ada"));
    let text = progress[0].to_string();
    assert!(text.contains("to be paused after this batch"), "{text}");
    steps.permits.add_permits(100);
    until("the change is paused", async || {
        state(&pool).await == ProgressState::Paused
    })
    .await;
    assert_eq!(done(&pool).await, batches(1..=2));
    assert_eq!(
        entries(&pool).await,
        ["STARTED", "PAUSED by ada: too much load"]
    );

    // Other instances leave it alone: no failure, and no batch.
    let report = background(&pool, &steps).run().await.unwrap();
    assert!(report.is_success());
    let change = report.changes().next().unwrap();
    assert_eq!(change.outcome, Outcome::Paused);
    let error = change.error.as_ref().unwrap().to_string();
    assert_eq!(
        error,
        "ada paused it: too much load; `batch resume fill` continues"
    );
    assert!(background(&pool, &steps).issues().await.unwrap().is_empty());

    // The instance that waits continues.
    let resumed = operator(&pool).resume("fill", "the night has come").await;
    assert_eq!(resumed.unwrap(), Controlled::Done);
    let report = work.wait().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
    assert_eq!(
        entries(&pool).await,
        [
            "STARTED",
            "PAUSED by ada: too much load",
            "RESUMED by ada: the night has come",
            "STARTED",
            "APPLIED"
        ]
    );
}

#[tokio::test]
async fn pause_and_cancel_without_an_owner_take_effect_at_once() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    startup(&pool, &Steps::failing_at(3))
        .run()
        .await
        .unwrap_err();
    let steps = Steps::new(100);
    let operator = operator(&pool);
    for (state, word) in [
        (ProgressState::Paused, "paused"),
        (ProgressState::Cancelled, "cancelled"),
    ] {
        let controlled = match state {
            ProgressState::Paused => operator.pause("fill", "a reason").await,
            _ => operator.cancel("fill", "a reason").await,
        };
        assert_eq!(controlled.unwrap(), Controlled::Done);
        assert_eq!(self::state(&pool).await, state);
        // A start must not go on without it.
        let error = startup(&pool, &steps).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pending, "{error}");
        let report = error.report().unwrap();
        assert_eq!(report.changes().next().unwrap().outcome, Outcome::Blocked);
        let expected = format!("ada {word} it: a reason; `batch resume fill` continues");
        assert!(error.to_string().contains(&expected), "{error}");
        assert_eq!(steps.began(), 0);
        let resumed = operator.resume("fill", "go on").await.unwrap();
        assert_eq!(resumed, Controlled::Done);
    }
    startup(&pool, &steps).run().await.unwrap();
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
    let expected = [
        "STARTED",
        "FAILED",
        "PAUSED by ada: a reason",
        "RESUMED by ada: go on",
        "CANCELLED by ada: a reason",
        "RESUMED by ada: go on",
        "STARTED",
        "APPLIED",
    ];
    assert_eq!(entries(&pool).await, expected);
}

#[tokio::test]
async fn each_instance_that_waits_for_an_operator_ends_once_the_change_is_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 8).await;
    let steps = Steps::new(1);
    let first = background(&pool, &steps).spawn();
    steps.until_batch(2).await;
    operator(&pool).pause("fill", "a look").await.unwrap();
    steps.permits.add_permits(100);
    let second = background(&pool, &steps).spawn();
    until("the change is paused", async || {
        state(&pool).await == ProgressState::Paused
    })
    .await;
    // A cancel of what is paused leaves no request, once the run that was paused has let go.
    until("the change is cancelled", async || {
        let cancelled = operator(&pool).cancel("fill", "for good").await;
        cancelled.unwrap() == Controlled::Done
    })
    .await;
    let progress = operator(&pool).progress().await.unwrap().remove(0);
    assert_eq!(progress.state, ProgressState::Cancelled);
    assert_eq!(progress.request, None);
    operator(&pool).resume("fill", "after all").await.unwrap();
    let (first, second) = tokio::join!(first.wait(), second.wait());
    let reports = [first.unwrap(), second.unwrap()];
    let applied = |report: &flamingock::Report| report.counts().newly_applied;
    assert_eq!(reports.iter().map(applied).sum::<usize>(), 1);
    assert!(reports.iter().all(|report| report.counts().paused == 0));
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
}

#[tokio::test]
async fn request_whose_run_ended_before_is_taken_up_by_the_next_one() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let failing = Steps {
        fails_at: 2,
        ..Steps::new(1)
    };
    let run = tokio::spawn(startup(&pool, &failing).run());
    failing.until_batch(2).await;
    let paused = operator(&pool).pause("fill", "look first").await.unwrap();
    assert_eq!(paused, Controlled::Requested);
    failing.permits.add_permits(1);
    run.await.unwrap().unwrap_err();
    let steps = Steps::new(100);
    let error = startup(&pool, &steps).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending, "{error}");
    assert_eq!(steps.began(), 0);
    assert_eq!(state(&pool).await, ProgressState::Paused);
    // One that is withdrawn has no effect.
    operator(&pool).resume("fill", "seen").await.unwrap();
    let slow = Steps::new(0);
    let run = tokio::spawn(startup(&pool, &slow).run());
    slow.until_batch(2).await;
    operator(&pool).cancel("fill", "a mistake").await.unwrap();
    let withdrawn = operator(&pool).resume("fill", "it was one").await.unwrap();
    assert_eq!(withdrawn, Controlled::Done);
    slow.permits.add_permits(100);
    run.await.unwrap().unwrap();
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
    let all = HistoryFilter::default().state(State::Cancelled);
    assert!(operator(&pool).history(&all).await.unwrap().is_empty());
}

#[tokio::test]
async fn size_and_pause_are_set_while_a_change_works() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let steps = Steps::new(1);
    let work = background(&pool, &steps).spawn();
    steps.until_batch(2).await;
    let tuning = Tuning::default().size(7);
    operator(&pool).tune("fill", tuning).await.unwrap();
    steps.permits.add_permits(2);
    steps.until_batch(4).await;
    assert_eq!(steps.size.load(Ordering::SeqCst), 7);
    let tuning = Tuning::default().pause(Duration::from_secs(600));
    operator(&pool).tune("fill", tuning).await.unwrap();
    steps.permits.add_permits(100);
    until("batch 4 is committed", async || {
        operator(&pool).progress().await.unwrap()[0].batches == 4
    })
    .await;
    let progress = operator(&pool).progress().await.unwrap().remove(0);
    assert_eq!(progress.pause, Some(Duration::from_secs(600)));
    assert_eq!(progress.fixed_size, None);
    // A pause of an operator does not wait for the end of the one between two batches.
    operator(&pool).pause("fill", "enough").await.unwrap();
    until("the change is paused", async || {
        state(&pool).await == ProgressState::Paused
    })
    .await;
    assert_eq!(steps.began(), 4);
    operator(&pool)
        .tune("fill", Tuning::default())
        .await
        .unwrap();
    operator(&pool).resume("fill", "go on").await.unwrap();
    work.wait().await.unwrap();
    assert_ne!(steps.size.load(Ordering::SeqCst), 7);
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
}
