//! A halted change that begins anew, and one that moves between the start and the background.

use flamingock::audit::ProgressState;
use flamingock::{ErrorKind, Resolution, Tuning};
use flamingock_tests::{Backend as _, done, with_table};

use super::super::Backend;
use super::{BATCHES, Steps, background, batches, operator, startup, state};

#[tokio::test]
async fn cancelled_change_that_is_marked_as_rolled_back_begins_anew() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    startup(&pool, &Steps::failing_at(3))
        .run()
        .await
        .unwrap_err();
    let operator = operator(&pool);
    operator
        .tune("fill", Tuning::default().size(7))
        .await
        .unwrap();
    operator.cancel("fill", "a mistake").await.unwrap();
    let resolved = operator.resolve("fill", Resolution::RolledBack, "reversed by hand");
    resolved.await.unwrap();
    let steps = Steps::new(100);
    startup(&pool, &steps).run().await.unwrap();
    let mut expected = [batches(1..=2), batches(1..=BATCHES)].concat();
    expected.sort();
    assert_eq!(done(&pool).await, expected);
    assert_eq!(state(&pool).await, ProgressState::Finished);
    let progress = operator.progress().await.unwrap();
    assert_eq!(progress[0].fixed_size, None);
}

#[tokio::test]
async fn change_that_moves_to_the_start_and_back_continues() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    for fails_at in [2, 3] {
        let work = background(&pool, &Steps::failing_at(fails_at)).spawn();
        let error = work.wait().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        // The tokens of the two locks grow apart.
        for _ in 0..3 {
            let error = startup(&pool, &Steps::failing_at(fails_at))
                .run()
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        }
    }
    for _ in 0..3 {
        operator(&pool).pause("fill", "later").await.unwrap();
        operator(&pool).resume("fill", "now").await.unwrap();
    }
    startup(&pool, &Steps::failing_at(4))
        .run()
        .await
        .unwrap_err();
    background(&pool, &Steps::new(100))
        .spawn()
        .wait()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
}
