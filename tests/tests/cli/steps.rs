//! A change of several steps: the commands show which step it reached.

use flamingock::sqlx::SqlitePool;
use flamingock::{BoxError, Runner, template, templates};
use flamingock_tests::{Backend as _, Sqlite, folder};

use crate::app::{App, normalise};

/// Succeeds if the variable is set.
#[template("attempt", register = false)]
async fn attempt(succeeds: bool) -> Result<(), BoxError> {
    if succeeds {
        Ok(())
    } else {
        Err("no room".into())
    }
}

const STEPS: &str = "
template: attempt
steps:
  - apply: true
    rollback: false
  - apply: false
    rollback: true
";

#[tokio::test]
async fn status_and_guidance_name_the_step_that_was_reached() {
    let database = Sqlite::fresh().await;
    let pool = SqlitePool::connect(&database.url).await.unwrap();
    Runner::new(&pool)
        .service("orders")
        .templates(templates![attempt])
        .files(folder(&[("0001__steps.yaml", STEPS)]))
        .run()
        .await
        .unwrap_err();
    let app = App::on(&database.url);
    let reached = "the last attempt reached: rolling back step 1 of 2";
    let status = app.central(&["status"]);
    assert!(status.stdout.contains(reached), "{status:?}");
    let guidance = app.central(&["issue", "show", "steps", "--guidance"]);
    let text = normalise(&guidance.stdout);
    for line in [
        " It came to: rolling back step 1 of 2.\n",
        "  the rollback of step 1 of 2 failed\n",
        "  step 2 of 2 failed\n",
        "  It ran and failed: what it did before the failure remains.\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for place in [
        ": step 1 of 2\n",
        ": step 2 of 2\n",
        ": rolling back step 2 of 2\n",
    ] {
        assert!(text.contains(place), "{place} in {text}");
    }
}
