//! Stages side by side.

use std::sync::Mutex;

use flamingock::{BoxError, Context, Outcome, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, audit, done, query, with_table};
use tokio::sync::Barrier;

use super::{Backend, Connection};

/// Lets two changes continue only when both have arrived.
#[derive(Debug)]
struct Meeting(Barrier);

/// The changes that ran, in order.
#[derive(Debug, Default)]
struct Trace(Mutex<Vec<String>>);

impl Trace {
    fn note(&self, context: &Context) {
        self.0.lock().unwrap().push(context.change_id().to_owned());
    }
}

#[change(id = "left", order = "001", stage = "left", register = false)]
async fn left(meeting: &Meeting, trace: &Trace, context: &Context) {
    trace.note(context);
    meeting.0.wait().await;
}

#[change(id = "left again", order = "002", stage = "left", register = false)]
async fn left_again(trace: &Trace, context: &Context) {
    trace.note(context);
}

#[change(id = "right", order = "001", stage = "right", register = false)]
async fn right(meeting: &Meeting, trace: &Trace, context: &Context) {
    trace.note(context);
    meeting.0.wait().await;
}

#[change(id = "behind", order = "001", stage = "behind", register = false)]
async fn behind(trace: &Trace, context: &Context) {
    trace.note(context);
}

fn stages(runner: Runner) -> Runner {
    runner
        .stage(Stage::new("left"))
        .stage(Stage::new("right"))
        .stage(Stage::new("behind").after("left").after("right"))
        .parallel_stages(2)
}

#[tokio::test]
async fn stages_without_after_run_side_by_side_and_keep_their_order() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let trace = std::sync::Arc::new(Trace::default());
    // Each of the two waits for the other, so running one after the other would never end.
    let runner = stages(Runner::new(&pool))
        .changes(changes![left, left_again, right, behind])
        .provide(Meeting(Barrier::new(2)))
        .provide_arc(trace.clone());
    let report = runner.run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 4);
    let trace = trace.0.lock().unwrap().clone();
    let place = |id: &str| trace.iter().position(|one| one == id).unwrap();
    assert!(place("left") < place("left again"), "{trace:?}");
    assert_eq!(place("behind"), 3, "{trace:?}");
    let rows = audit(&pool).await;
    assert_eq!(
        rows.iter().filter(|row| row.contains("APPLIED")).count(),
        4,
        "{rows:?}"
    );
}

#[change(id = "fails", order = "001", stage = "left", register = false)]
async fn fails() -> Result<(), BoxError> {
    Err("no further".into())
}

#[change(id = "alone", order = "001", stage = "right", register = false)]
async fn alone(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('alone')")
        .await
        .map(drop)
}

#[tokio::test]
async fn failure_stops_only_its_stage_and_dependent_stages() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let runner = stages(Runner::new(&pool)).changes(changes![fails, left_again, alone, behind]);
    let error = runner.provide(Trace::default()).run().await.unwrap_err();
    let outcomes: Vec<_> = error
        .report()
        .unwrap()
        .changes()
        .map(|change| (change.id.clone(), change.outcome))
        .collect();
    let expected = [
        ("fails", Outcome::Failed),
        ("left again", Outcome::Blocked),
        ("alone", Outcome::NewlyApplied),
        ("behind", Outcome::Blocked),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(id, outcome)| (id.to_owned(), outcome))
    );
    assert_eq!(done(&pool).await, ["alone"]);
}

macro_rules! shared {
    ($($name:ident $id:literal $stage:literal),+) => {$(
        #[change(id = $id, order = "001", stage = $stage, register = false)]
        async fn $name(db: &mut Connection) -> Result<(), sqlx::Error> {
            query(db, concat!("INSERT INTO done VALUES ('", $id, "')")).await?;
            // Holds its connection for a while, during which other changes need one.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            Ok(())
        }
    )+};
}

shared!(one "one" "one", two "two" "two", three "three" "three", four "four" "four");

#[change(
    id = "bare",
    order = "002",
    stage = "one",
    transaction = false,
    register = false
)]
async fn bare(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('bare')")
        .await
        .map(drop)
}

#[change(id = "outside", order = "002", stage = "two", register = false)]
async fn outside() {}

/// With more stages than connections, and with a pool of one.
#[tokio::test]
async fn changes_with_connections_of_all_kinds_run_side_by_side() {
    for connections in [1, 2, 5] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, connections).await;
        let runner = ["one", "two", "three", "four"]
            .into_iter()
            .fold(Runner::new(&pool), |runner, name| {
                runner.stage(Stage::new(name))
            });
        let report = runner
            .changes(changes![one, two, three, four, bare, outside])
            .parallel_stages(8)
            .run()
            .await
            .unwrap();
        assert_eq!(report.counts().newly_applied, 6, "{report}");
        assert_eq!(done(&pool).await, ["bare", "four", "one", "three", "two"]);
    }
}

#[tokio::test]
async fn atomic_stage_runs_side_by_side_with_others() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let report = Runner::new(&pool)
        .stage(Stage::new("one").atomic())
        .stage(Stage::new("two").atomic())
        .changes(changes![one, two])
        .parallel_stages(2)
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 2, "{report}");
}
