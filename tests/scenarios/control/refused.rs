//! What cannot be controlled.

use flamingock::{ErrorKind, Tuning, change, changes};
use flamingock_tests::{Backend as _, with_table};

use super::super::Backend;
use super::{Steps, operator, startup};

#[change(id = "whole", order = "002", register = false)]
async fn whole() {}

#[tokio::test]
async fn change_that_is_not_running_in_batches_is_refused() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    startup(&pool, &Steps::failing_at(2))
        .run()
        .await
        .unwrap_err();
    flamingock::Runner::new(&pool)
        .changes(changes![whole])
        .run()
        .await
        .unwrap();
    let operator = operator(&pool);
    let tuning = Tuning::default();
    for (what, answer, expected) in [
        (
            "an unknown change",
            operator.pause("fil", "why").await.map(drop),
            "the change \"fil\" has not begun. Did you mean \"fill\"?",
        ),
        (
            "one that is applied",
            operator.cancel("whole", "why").await.map(drop),
            "the change \"whole\" is not running in batches here: its latest entry is APPLIED",
        ),
        (
            "a blank reason",
            operator.pause("fill", " ").await.map(drop),
            "pausing or cancelling a change needs a reason: say why it is to stop",
        ),
        (
            "one that is neither paused nor cancelled",
            operator.resume("fill", "why").await.map(drop),
            "the change \"fill\" was neither paused nor cancelled: there is nothing to resume",
        ),
        (
            "an empty batch",
            operator.tune("fill", tuning.size(0)).await,
            "a batch has at least one row: set a size of 1 or more",
        ),
    ] {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
}
