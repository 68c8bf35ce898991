//! The end of a batch in the middle: its run is stopped, or it ends its own transaction.

use std::sync::Arc;
use std::time::Duration;

use flamingock::{Batch, BoxError, ErrorKind, Next, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, audit, count, done, query, with_table};

use super::{Backend, Connection};

/// Writes the number of this batch to `done`, and returns that of the batch before it, which is the
/// cursor.
async fn leave_a_trace(batch: &Batch<i64>, db: &mut Connection) -> Result<i64, sqlx::Error> {
    let done = batch.cursor().copied().unwrap_or(0);
    let trace = format!("INSERT INTO done VALUES ('batch {}')", done + 1);
    query(db, &trace).await?;
    Ok(done)
}

/// Waits in its second batch.
#[change(id = "waits", order = "001", batch, register = false)]
async fn waits(batch: Batch<i64>, db: &mut Connection, gate: &Gate) -> Result<Next<i64>, BoxError> {
    let done = leave_a_trace(&batch, db).await?;
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
    let runner = |gate: &Arc<Gate>| {
        Runner::new(&pool)
            .changes(changes![waits])
            .provide_arc(Arc::clone(gate))
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let gate = Arc::new(Gate::default());
    let run = runner(&gate).run().cancel_on(async {
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
    assert_eq!(done(&pool).await, ["batch 1", "batch 2"]);
    assert_eq!(audit(&pool).await.last().unwrap(), "waits 1 FAILED shared");
    runner(&gate).run().await.unwrap();
    let all = ["batch 1", "batch 2", "batch 3", "batch 4"];
    assert_eq!(done(&pool).await, all);
}

/// Ends the transaction of its batch.
#[change(id = "commits", order = "001", batch, register = false)]
async fn commits(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    let done = leave_a_trace(&batch, db).await?;
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
    assert_eq!(done(&pool).await, ["batch 1", "batch 2"]);
    assert_eq!(
        count(&pool, "SELECT batches FROM flamingock_progress").await,
        1
    );
}
