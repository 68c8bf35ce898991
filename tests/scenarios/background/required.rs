//! A change of the start that requires one in the background.

use flamingock::{Batch, BoxError, ErrorKind, Next, Outcome, Runner, WorkState, change, changes};
use flamingock_tests::{Backend as _, Gate, done, query, with_table};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};

#[change(id = "first", order = "0001", register = false)]
async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

/// Two batches, of which the second waits at the gate.
#[change(
    id = "fill",
    order = "0002",
    phase = "background",
    batch,
    register = false
)]
async fn fill(batch: Batch<i64>, db: &mut Connection, gate: &Gate) -> Result<Next<i64>, BoxError> {
    match batch.cursor() {
        None => {
            query(db, "INSERT INTO done VALUES ('fill 1')").await?;
            Ok(Next::after(1).done_rows(40).total_rows(100))
        }
        Some(_) if gate.fails() => Err("the second batch failed".into()),
        Some(_) => {
            query(db, "INSERT INTO done VALUES ('fill 2')").await?;
            Ok(Next::finished().done_rows(60))
        }
    }
}

#[change(id = "contract", order = "0003", requires = "fill", register = false)]
async fn contract(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('contract')")
        .await
        .map(drop)
}

#[change(id = "after", order = "0004", phase = "background", register = false)]
async fn after(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('later')")
        .await
        .map(drop)
}

fn runner(pool: &Pool<Db>, gate: &Gate) -> Runner {
    Runner::new(pool)
        .changes(changes![first, fill, contract, after])
        .provide(gate.clone())
}

#[tokio::test]
async fn start_is_refused_until_the_required_change_is_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::failing();
    // What comes before runs, and the text says how far the required change is.
    for expected in [
        "which is not applied and has not begun",
        "40 of 100 rows (40 %)",
    ] {
        let error = runner(&pool, &gate).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pending, "{error}");
        let report = error.report().unwrap();
        let outcomes: Vec<Outcome> = report.changes().map(|change| change.outcome).collect();
        assert_eq!(
            outcomes[1..],
            [Outcome::Pending, Outcome::Blocked, Outcome::Pending]
        );
        let text = format!("{error:#}");
        for part in [
            "\"contract\" did not run: it requires the change \"fill\" in the background",
            "`apply --background` applies the changes in the background",
            expected,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let work = runner(&pool, &gate).spawn();
        let error = work.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    }
    assert_eq!(done(&pool).await, ["fill 1", "first"]);
    let work = runner(&pool, &Gate::default()).spawn();
    assert_eq!(work.started().await, WorkState::InBackground);
    work.wait().await.unwrap();
    let expected = ["contract", "fill 1", "fill 2", "first", "later"];
    assert_eq!(done(&pool).await, expected);
    let report = runner(&pool, &gate).run().await.unwrap();
    assert!(report.is_up_to_date());
}

#[tokio::test]
async fn fresh_environment_is_set_up_in_one_go() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let work = runner(&pool, &Gate::default()).spawn();
    let report = work.wait().await.unwrap();
    assert!(report.is_success());
    let expected = ["contract", "fill 1", "fill 2", "first", "later"];
    assert_eq!(done(&pool).await, expected);
}
