//! A process is killed between the steps of a change: the audit names the step that it reached.

use super::ground::{Ground, Kind, rows};
use super::start::{Start, end_of};

const KINDS: [Kind; 3] = [Kind::Sqlite, Kind::Postgres, Kind::MariaDb];

/// Runs a process, kills it at this point, and lets its lease expire.
async fn killed_at(point: &str, start: &Start) {
    let start = start.clone().lock(400, 10_000);
    let mut driver = start.spawn_stuck(point).await;
    driver.kill().unwrap();
    assert!(end_of(driver).await.result.is_none());
}

/// State and reason of every entry of an attempt.
async fn told(ground: &Ground, attempt: u32) -> Vec<String> {
    let text = format!(
        "SELECT state, coalesce(reason, '-') FROM flamingock_audit WHERE attempt = {attempt} ORDER BY seq"
    );
    rows(ground.url(), &text).await
}

#[tokio::test]
async fn crash_between_steps_is_an_issue_that_names_the_step() {
    for kind in KINDS {
        let ground = Ground::with_table(kind).await;
        let start = Start::of("steps", ground.url());
        killed_at("steps 2", &start).await;
        assert_eq!(
            told(&ground, 1).await,
            ["STARTED|step 1 of 3", "STARTED|step 2 of 3"],
            "{kind:?}"
        );
        let ran = start.run().await;
        ran.expect("Issues")
            .says("the last attempt reached: step 2 of 3");
        let done = rows(ground.url(), "SELECT what FROM done ORDER BY what").await;
        assert_eq!(done, ["t steps 1", "t steps 2"], "{kind:?}");
    }
}

#[tokio::test]
async fn crash_between_retryable_steps_restarts_with_the_first() {
    for kind in KINDS {
        let ground = Ground::with_table(kind).await;
        let start = Start::of("steps-again", ground.url());
        killed_at("again 2", &start).await;
        let ran = start.run().await;
        ran.expect("ok")
            .says("the last attempt reached: step 2 of 2");
        assert_eq!(
            told(&ground, 2).await,
            ["STARTED|step 1 of 2", "STARTED|step 2 of 2", "APPLIED|-"],
            "{kind:?}"
        );
        let done = rows(ground.url(), "SELECT what FROM done ORDER BY what").await;
        assert_eq!(done, ["t again 1", "t again 2"], "{kind:?}");
    }
}

#[tokio::test]
async fn crash_between_rollbacks_is_an_issue_that_names_the_step() {
    for kind in KINDS {
        let ground = Ground::with_table(kind).await;
        let start = Start::of("steps-back", ground.url());
        killed_at("no back 2", &start).await;
        assert_eq!(
            told(&ground, 1).await[3..],
            [
                "FAILED|step 3 of 3",
                "FAILED|rolling back step 3 of 3",
                "FAILED|rolling back step 2 of 3",
            ],
            "{kind:?}"
        );
        let ran = start.run().await;
        ran.expect("Issues")
            .says("the last attempt reached: rolling back step 2 of 3")
            .says("the step is refused");
        let done = rows(ground.url(), "SELECT what FROM done ORDER BY what").await;
        assert_eq!(done, ["t back 1", "t back 2"], "{kind:?}");
    }
}
