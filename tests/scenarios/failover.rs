//! The writer moves to another server, which has every committed transaction: nothing is lost,
//! nothing runs twice, and a run that has time left to wait needs no restart.

use std::time::Duration;

use flamingock::{BoxError, LockOptions, Report, Runner, Stage, change, changes};
use flamingock_tests::{Gate, query, until};

use super::super::pair::Pair;
use super::{APPLIED, Backend, Connection, Db, FIRST_WRITE, SOON};
use crate::holding_proxy::{HoldingProxy, Where};

const DONE: &str = "SELECT what FROM done ORDER BY what";

const AUDIT: &str = "SELECT change_id, state FROM flamingock_audit \
     WHERE NOT (state = 'STARTED' AND transaction_mode = 'shared') ORDER BY seq";

#[change(id = "before", order = "001", register = false)]
async fn before(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')")
        .await
        .map(drop)
}

#[change(id = "shared", order = "002", register = false)]
async fn shared(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('shared 1')").await?;
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('shared 2')")
        .await
        .map(drop)
}

#[change(id = "outside", order = "002", register = false)]
async fn outside(gate: &Gate) {
    gate.pass().await;
}

#[change(id = "plain", order = "002", transaction = false, register = false)]
async fn plain(db: &mut Connection, gate: &Gate) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('plain 1')").await?;
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('plain 2')").await?;
    Ok(())
}

#[change(id = "behind", order = "003", register = false)]
async fn behind(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('behind')")
        .await
        .map(drop)
}

fn lock() -> LockOptions {
    LockOptions::default().wait(Duration::from_secs(40))
}

fn applied(report: &Report) -> usize {
    report.counts().newly_applied
}

/// The statement that shows that a run has checked whether the server accepts writes.
fn asked(pair: &Pair<Backend>) -> usize {
    pair.proxy.count("pg_is_in_recovery") + pair.proxy.count("GLOBAL_VARIABLES")
}

#[tokio::test]
async fn run_that_starts_during_a_failover_waits_for_the_next_writer() {
    let mut pair = Pair::<Backend>::start().await;
    let direct = pair.tell_old("SELECT 1");
    assert_eq!(direct.await, ["1"]);
    pair.demote().await;
    let pool = pair.pool(3).await;
    let run = Runner::new(&pool).changes(changes![before]).lock(lock());
    let run = tokio::spawn(run.run());
    until("the run has found a server without writes", async || {
        asked(&pair) >= 2
    })
    .await;
    assert!(!run.is_finished());
    pair.promote().await;
    assert_eq!(applied(&run.await.unwrap().unwrap()), 1);
    assert_eq!(pair.tell_new(AUDIT).await, ["before|APPLIED"]);
    assert_eq!(pair.tell_new(DONE).await, ["before"]);
}

#[tokio::test]
async fn run_that_times_out_during_a_failover_names_the_failover() {
    let mut pair = Pair::<Backend>::start().await;
    pair.demote().await;
    let pool = pair.pool(3).await;
    let wait = Duration::from_millis(500);
    let run = Runner::new(&pool)
        .changes(changes![before])
        .lock(lock().wait(wait));
    let error = run.run().await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("takes no writes"), "{text}");
}

#[tokio::test]
async fn waiter_continues_at_the_next_writer() {
    let mut pair = Pair::<Backend>::start().await;
    let pool = pair.pool(3).await;
    let runner = || Runner::new(&pool).lock(lock());
    runner().changes(changes![before]).run().await.unwrap();
    pair.tell_old("UPDATE flamingock_lock SET run_id = 'somebody'")
        .await;
    let lease = format!("UPDATE flamingock_lease SET run_id = 'somebody', expires_at = {SOON}");
    pair.tell_old(&lease).await;
    let waiter = tokio::spawn(runner().changes(changes![before, behind]).run());
    until("the waiter has looked", async || {
        pair.proxy.count("flamingock_lease") >= 3
    })
    .await;
    // The old server lives, but no owner renews the lease there.
    pair.move_over().await;
    pair.tell_new("UPDATE flamingock_lease SET expires_at = '2099-01-01'")
        .await;
    pair.proxy.forget();
    until("the waiter has looked at the next writer", async || {
        pair.proxy.count("flamingock_lease") >= 3
    })
    .await;
    assert!(!waiter.is_finished());
    pair.tell_new("UPDATE flamingock_lease SET expires_at = '2000-01-01'")
        .await;
    assert_eq!(applied(&waiter.await.unwrap().unwrap()), 1);
    assert_eq!(pair.tell_new(DONE).await, ["before", "behind"]);
}

/// The change was called on the old server and ends on the new one, or not at all.
#[tokio::test]
async fn shared_change_that_is_running_is_applied_once() {
    let mut pair = Pair::<Backend>::start().await;
    let pool = pair.pool(3).await;
    let gate = Gate::default();
    let runner = || {
        Runner::new(&pool)
            .changes(changes![before, shared, behind])
            .provide(gate.clone())
            .lock(lock())
    };
    let run = tokio::spawn(runner().run());
    gate.reached().await;
    pair.move_over().await;
    gate.open();
    // A lost connection fails the change; a refused write is retried.
    let _ = run.await.unwrap();
    runner().run().await.unwrap();
    assert_eq!(
        pair.tell_new(DONE).await,
        ["before", "behind", "shared 1", "shared 2"]
    );
}

/// The old server still has the connection of the run, and the commit has been sent.
#[tokio::test]
async fn shared_change_that_is_committing_is_applied_once() {
    let mut pair = Pair::<Backend>::start().await;
    let pool = pair.pool(3).await;
    Runner::new(&pool)
        .changes(changes![before])
        .run()
        .await
        .unwrap();
    let valve = HoldingProxy::at("=COMMIT", Where::BeforeServer);
    let slow = valve.url(&pair.url).await;
    let slow = sqlx::Pool::<Db>::connect(&slow).await.unwrap();
    let runner = |pool| {
        Runner::new(pool)
            .changes(changes![before, behind])
            .lock(lock())
    };
    let run = tokio::spawn(runner(&slow).run());
    valve.closed().await;
    pair.move_over().await;
    valve.open();
    let _ = run.await.unwrap();
    runner(&slow).run().await.unwrap();
    assert_eq!(pair.tell_new(DONE).await, ["before", "behind"]);
    let applied =
        "SELECT count(*) FROM flamingock_audit WHERE change_id = 'behind' AND state = 'APPLIED'";
    assert_eq!(pair.tell_new(applied).await, ["1"]);
}

/// Files are sent in one message with their begin, entries and commit, one file or a whole atomic
/// stage. The message has not reached the old server, or it was committed there without an answer.
async fn files_under_way(stage: Option<&str>, held: Where) {
    let mut pair = Pair::<Backend>::start().await;
    let pool = pair.pool(3).await;
    let header = stage.map(|stage| format!("-- flamingock: stage={stage}\n"));
    let text = |what: &str| {
        let header = header.as_deref().unwrap_or_default();
        format!(
            "{header}INSERT INTO done VALUES ('{what} 1');\nINSERT INTO done VALUES ('{what} 2');\n"
        )
    };
    let files = flamingock_tests::folder(&[
        ("100__moved.sql", &text("moved")),
        ("101__next.sql", &text("next")),
    ]);
    let runner = |pool| {
        let runner = Runner::new(pool).changes(changes![before]).lock(lock());
        match stage {
            Some(stage) => runner.stage(Stage::new(stage).atomic()),
            None => runner,
        }
    };
    runner(&pool).run().await.unwrap();
    let valve = HoldingProxy::at("moved 1", held);
    let slow = valve.url(&pair.url).await;
    let slow = sqlx::Pool::<Db>::connect(&slow).await.unwrap();
    let run = tokio::spawn(runner(&slow).files(files).run());
    valve.closed().await;
    pair.move_over().await;
    valve.open();
    let _ = run.await.unwrap();
    runner(&slow).files(files).run().await.unwrap();
    let all = ["before", "moved 1", "moved 2", "next 1", "next 2"];
    assert_eq!(pair.tell_new(DONE).await, all);
    let applied = "SELECT change_id FROM flamingock_audit WHERE state = 'APPLIED' ORDER BY 1";
    assert_eq!(pair.tell_new(applied).await, ["before", "moved", "next"]);
}

#[tokio::test]
async fn file_sent_to_the_previous_writer_is_applied_once() {
    files_under_way(None, Where::BeforeServer).await;
}

#[tokio::test]
async fn file_whose_answer_is_lost_in_a_failover_is_applied_once() {
    files_under_way(None, Where::AfterServer).await;
}

#[tokio::test]
async fn atomic_stage_sent_to_the_previous_writer_is_applied_once() {
    files_under_way(Some("seed"), Where::BeforeServer).await;
}

#[tokio::test]
async fn atomic_stage_whose_answer_is_lost_in_a_failover_is_applied_once() {
    files_under_way(Some("seed"), Where::AfterServer).await;
}

#[tokio::test]
async fn change_without_connection_is_recorded_at_the_next_writer() {
    let mut pair = Pair::<Backend>::start().await;
    let pool = pair.pool(3).await;
    let gate = Gate::default();
    let runner = Runner::new(&pool)
        .changes(changes![before, outside, behind])
        .provide(gate.clone())
        .lock(lock());
    let run = tokio::spawn(runner.run());
    gate.reached().await;
    pair.demote().await;
    gate.open();
    pair.promote().await;
    assert_eq!(applied(&run.await.unwrap().unwrap()), 3);
    let expected = [
        "before|APPLIED",
        "outside|STARTED",
        "outside|APPLIED",
        "behind|APPLIED",
    ];
    assert_eq!(pair.tell_new(AUDIT).await, expected);
}

/// Its effects stay, so an operator decides.
#[tokio::test]
async fn failed_change_without_transaction_is_recorded_at_the_next_writer() {
    let mut pair = Pair::<Backend>::start().await;
    let pool = pair.pool(3).await;
    let gate = Gate::default();
    let runner = Runner::new(&pool)
        .changes(changes![before, plain, behind])
        .provide(gate.clone())
        .lock(lock());
    let run = tokio::spawn(runner.run());
    gate.reached().await;
    pair.move_over().await;
    gate.open();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(
        error.kind(),
        flamingock::ErrorKind::ChangesFailed,
        "{error:?}"
    );
    let expected = ["before|APPLIED", "plain|STARTED", "plain|FAILED"];
    assert_eq!(pair.tell_new(AUDIT).await, expected);
    assert_eq!(pair.tell_new(DONE).await, ["before", "plain 1"]);
}

/// The lock was acquired on the writer, and the connection of a change leads to a standby.
#[tokio::test]
async fn shared_change_at_a_read_only_server_is_retried() {
    let pair = Pair::<Backend>::start().await;
    // The entry of the first change is written, and its connection is gone before the second change
    // begins.
    let valve = HoldingProxy::at(APPLIED, Where::AfterServer);
    let slow = valve.url(&pair.url).await;
    let slow = sqlx::Pool::<Db>::connect(&slow).await.unwrap();
    let gate = Gate::default();
    gate.open();
    let runner = Runner::new(&slow)
        .changes(changes![outside, behind])
        .provide(gate)
        .lock(lock());
    let run = tokio::spawn(runner.run());
    valve.closed().await;
    pair.lead_astray();
    pair.proxy.reset();
    pair.proxy.forget();
    valve.open();
    until("a write was refused", async || {
        pair.proxy.count(FIRST_WRITE) > 0
    })
    .await;
    pair.lead_back();
    assert_eq!(applied(&run.await.unwrap().unwrap()), 2);
    assert_eq!(pair.tell_old(DONE).await, ["behind"]);
    let expected = ["outside|STARTED", "outside|APPLIED", "behind|APPLIED"];
    assert_eq!(pair.tell_old(AUDIT).await, expected);
}
