//! Batches that are refused: with the cursor of another version, or before anything runs.

use flamingock::{Batch, BoxError, Error, ErrorKind, Next, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, audit, with_table};

use super::{Backend, Connection, Wanted, fresh, runner, times};

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
    let (_database, pool) = fresh().await;
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
    for part in ["batches/refused.rs:", "`Batch<i64>`", "`Next<String>`"] {
        assert!(text.contains(part), "{text}");
    }
    let atomic = runner(&pool, Wanted::default()).stage(Stage::new("default").atomic());
    let text = invalid(atomic).await;
    assert!(text.contains("works in batches"), "{text}");
}
