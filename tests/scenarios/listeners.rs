//! The events that listeners receive from a run, and the limits of their influence on it.

use std::time::Duration;

use async_trait::async_trait;
use flamingock::events::EventKind;
use flamingock::events::{Event, Listener};
use flamingock::{
    BoxError, ErrorKind, LockOptions, Runner, Stage, UndoTarget, change, changes, rollback,
};
use flamingock_tests::{Backend as _, Gate, Recorder, audit, done, query, strings, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const LONG: Duration = Duration::from_secs(30);

/// Steals the lock, like a run that finds the lease expired.
const TAKE_OVER: &str = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'";

#[change(id = "shared", order = "001", stage = "schema", register = false)]
async fn shared(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('shared')")
        .await
        .map(drop)
}

#[rollback(shared)]
async fn unshared(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

#[change(id = "plain", order = "002", stage = "schema", register = false)]
async fn plain() {}

#[change(id = "fails", order = "001", stage = "messaging", register = false)]
async fn fails(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('fails')").await?;
    Err("no broker".into())
}

#[change(id = "behind", order = "002", stage = "messaging", register = false)]
async fn behind() {}

#[change(id = "breaks", order = "001", stage = "search", register = false)]
async fn breaks() -> Result<(), BoxError> {
    Err("no index".into())
}

fn staged(pool: &Pool<Db>, recorder: &Recorder) -> Runner {
    Runner::new(pool)
        .changes(changes![shared, plain, fails, behind, breaks])
        .stage(Stage::new("schema"))
        .stage(Stage::new("messaging"))
        .stage(Stage::new("search"))
        .listener(recorder.listener())
}

#[tokio::test]
async fn listeners_receive_the_outcome_of_every_change_in_order() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let recorder = Recorder::default();
    let error = staged(&pool, &recorder).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let expected = [
        "run started",
        "lock obtained",
        "planned 5",
        "stage schema started",
        "shared 1 started",
        "shared 1 newly applied",
        "plain 1 started",
        "plain 1 newly applied",
        "stage schema ended",
        "stage messaging started",
        "fails 1 started",
        "fails 1 rolled back: no broker",
        "stage messaging halted",
        "stage search started",
        "breaks 1 started",
        "breaks 1 failed: no index",
        "breaks issue: Failed",
        "stage search halted",
        "lock released",
        "run ended: changes_failed",
    ];
    assert_eq!(recorder.lines(), expected);

    // The issue is found before anything runs, and emitted once.
    let recorder = Recorder::default();
    staged(&pool, &recorder).run().await.unwrap_err();
    let expected = [
        "run started",
        "lock obtained",
        "planned 2",
        "breaks issue: Failed",
        "stage messaging started",
        "fails 2 started",
        "fails 2 rolled back: no broker",
        "stage messaging halted",
        "lock released",
        "run ended: changes_failed",
    ];
    assert_eq!(recorder.lines(), expected);
}

#[tokio::test]
async fn run_with_nothing_to_do_emits_start_and_end_and_takes_no_lock() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![shared, plain]);
    runner().run().await.unwrap();
    let recorder = Recorder::default();
    let report = runner().listener(recorder.listener()).run().await.unwrap();
    assert!(report.is_up_to_date());
    assert_eq!(recorder.lines(), ["run started", "run ended: well"]);
    let token = strings(&pool, "SELECT fencing_token FROM flamingock_lock").await;
    assert_eq!(token, ["1"]);
}

#[tokio::test]
async fn undo_emits_each_undone_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let recorder = Recorder::default();
    let runner = || Runner::new(&pool).changes(changes![shared]);
    runner().run().await.unwrap();
    let undo = runner().listener(recorder.listener());
    undo.undo(UndoTarget::Last).await.unwrap();
    let expected = [
        "undo started",
        "lock obtained",
        "planned 1",
        "shared 1 started",
        "shared 1 undone",
        "lock released",
        "undo ended: well",
    ];
    assert_eq!(recorder.lines(), expected);
}

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

#[tokio::test]
async fn waiter_emits_that_it_waits_and_that_nothing_is_pending() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    let (gate, recorder) = (Gate::default(), Recorder::default());
    let runner = |pool: &Pool<Db>| {
        Runner::new(pool)
            .changes(changes![gated])
            .provide(gate.clone())
    };
    let owner = tokio::spawn(runner(&pool).run());
    gate.reached().await;
    let waiter = tokio::spawn(runner(&other).listener(recorder.listener()).run());
    tokio::time::timeout(LONG, recorder.hears("lock waited"))
        .await
        .unwrap();
    gate.open();
    owner.await.unwrap().unwrap();
    waiter.await.unwrap().unwrap();
    let expected = ["run started", "lock waited", "run ended: well"];
    assert_eq!(recorder.lines(), expected);
}

#[change(id = "robbed", order = "001", transaction = false, register = false)]
async fn robbed(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, TAKE_OVER).await.map(drop)
}

#[tokio::test]
async fn lost_lock_is_emitted_once_and_not_released() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let recorder = Recorder::default();
    let runner = Runner::new(&pool).changes(changes![robbed, plain]);
    let error = runner
        .listener(recorder.listener())
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    let lines = recorder.lines();
    let lost: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("lock lost: "))
        .collect();
    assert_eq!(lost.len(), 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line == "lock released"));
    assert_eq!(lines.last().unwrap(), "run ended: lease_lost");
}

/// Blocks at the end of a run until it is released.
struct Hanging(Gate);

#[async_trait]
impl Listener for Hanging {
    async fn on_event(&self, _: &Event) -> Result<(), BoxError> {
        self.0.pass().await;
        Ok(())
    }

    fn name(&self) -> &str {
        "hanging"
    }
}

#[tokio::test]
async fn hanging_listener_blocks_neither_a_transaction_nor_the_lock() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    let (gate, recorder) = (Gate::default(), Recorder::default());
    let run = Runner::new(&pool)
        .changes(changes![shared, plain])
        .listener(Hanging(gate.clone()))
        .listener(recorder.listener())
        .listener_timeout(LONG)
        .run();
    let run = tokio::spawn(run);
    // Another listener receives the end of the run meanwhile.
    tokio::time::timeout(LONG, recorder.hears("run ended: well"))
        .await
        .unwrap();
    assert!(!run.is_finished());
    let expected = [
        "shared 1 APPLIED shared",
        "plain 1 STARTED none",
        "plain 1 APPLIED none",
    ];
    assert_eq!(audit(&other).await, expected);
    assert_eq!(done(&other).await, ["shared"]);
    let impatient = LockOptions::default().wait(Duration::ZERO);
    let undo = Runner::new(&other).changes(changes![shared, plain]);
    undo.lock(impatient)
        .undo(UndoTarget::Change("shared".to_owned()))
        .await
        .unwrap();
    gate.open();
    let report = run.await.unwrap().unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
}

/// Writes the events into the database of the changes, on the only connection of the pool.
struct InTheDatabase(Pool<Db>);

#[async_trait]
impl Listener for InTheDatabase {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        if let EventKind::ChangeEnded { change, .. } = &event.kind {
            let mut connection = self.0.acquire().await?;
            let line = format!("INSERT INTO done VALUES ('heard {}')", change.id);
            query(&mut *connection, &line).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn listener_can_use_the_only_connection() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = Runner::new(&pool)
        .changes(changes![shared, plain])
        .listener(InTheDatabase(pool.clone()));
    let report = tokio::time::timeout(LONG, runner.run())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(done(&pool).await, ["heard plain", "heard shared", "shared"]);
}
