//! Changes of several steps.

use flamingock::report::{Cause, Note, StepOutcome};
use flamingock::{Error, Outcome, Report, Stage, UndoTarget};
use flamingock_tests::{Backend as _, Recorder, audit, done, strings, with_table};
use sqlx::Pool;

use super::note_template::runner;
use super::{Backend, Db};

const THREE: &str = "
steps:
  - apply: { add: a }
    rollback: { remove: a }
  - apply: { add: b }
    rollback: { remove: b }
  - apply: { add: c }
    rollback: { remove: c }
";

/// The last step fails after it had an effect.
const THIRD_FAILS: &str = "
steps:
  - apply: { add: a }
    rollback: { remove: a }
  - apply: { add: b }
    rollback: { remove: b }
  - apply: { add: c, fail: no room }
    rollback: { remove: c }
";

fn with(head: &str, steps: &str) -> String {
    format!("template: note\n{head}\n{steps}")
}

/// State and reason of every entry.
async fn told(pool: &Pool<Db>) -> Vec<String> {
    let rows = "SELECT state, coalesce(reason, '-') FROM flamingock_audit \
                WHERE transaction_mode = 'none' ORDER BY seq";
    strings(pool, rows).await
}

fn outcomes(report: &Report) -> Vec<StepOutcome> {
    let steps = report.changes().flat_map(|change| &change.steps);
    steps.map(|step| step.outcome).collect()
}

fn report(error: &Error) -> &Report {
    error.report().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test]
async fn steps_in_a_transaction_are_one_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let files = [("0001__steps.yaml", &*with("", THREE))];
    let applied = runner(&pool, &files).run().await.unwrap();
    assert_eq!(outcomes(&applied), [StepOutcome::Applied; 3]);
    assert_eq!(done(&pool).await, ["a", "b", "c"]);
    assert_eq!(audit(&pool).await, ["steps 1 APPLIED shared"]);
    let undone = runner(&pool, &files).undo(UndoTarget::Last).await.unwrap();
    assert_eq!(outcomes(&undone), [StepOutcome::RolledBack; 3]);
    assert_eq!(done(&pool).await, [""; 0]);
}

#[tokio::test]
async fn database_rolls_back_all_steps_of_a_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with("", THIRD_FAILS);
    let error = runner(&pool, &[("0001__steps.yaml", &yaml)])
        .run()
        .await
        .unwrap_err();
    let change = report(&error).changes().next().unwrap();
    let causes = change.error.as_ref().unwrap().causes();
    assert_eq!(causes, ["step 3 of 3 failed", "no room"]);
    assert_eq!(change.outcome, Outcome::RolledBack);
    assert_eq!(outcomes(report(&error)), [StepOutcome::RolledBack; 3]);
    assert_eq!(done(&pool).await, [""; 0]);
    assert_eq!(
        audit(&pool).await,
        ["steps 1 FAILED shared", "steps 1 ROLLED_BACK shared"]
    );
}

#[tokio::test]
async fn step_outside_a_transaction_is_recorded_before_it_begins() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with("transaction: false", THREE);
    let files = [("0001__steps.yaml", &*yaml)];
    let applied = runner(&pool, &files).run().await.unwrap();
    assert_eq!(outcomes(&applied), [StepOutcome::Applied; 3]);
    let on_the_way = [
        "STARTED|step 1 of 3",
        "STARTED|step 2 of 3",
        "STARTED|step 3 of 3",
        "APPLIED|-",
    ];
    assert_eq!(told(&pool).await, on_the_way);

    let undone = runner(&pool, &files).undo(UndoTarget::Last).await.unwrap();
    assert_eq!(outcomes(&undone), [StepOutcome::RolledBack; 3]);
    assert_eq!(done(&pool).await, [""; 0]);
    let on_the_way_back = [
        "STARTED|undoing step 3 of 3",
        "STARTED|undoing step 2 of 3",
        "STARTED|undoing step 1 of 3",
        "ROLLED_BACK|-",
    ];
    assert_eq!(told(&pool).await[4..], on_the_way_back);
    runner(&pool, &files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn completed_and_failed_steps_are_rolled_back_in_reverse() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with("transaction: false", THIRD_FAILS);
    let files = [("0001__steps.yaml", &*yaml)];
    let recorder = Recorder::default();
    let error = runner(&pool, &files)
        .listener(recorder.listener())
        .run()
        .await
        .unwrap_err();
    let change = report(&error).changes().next().unwrap();
    assert_eq!(change.outcome, Outcome::RolledBack);
    let causes = change.error.as_ref().unwrap().causes();
    assert_eq!(causes, ["step 3 of 3 failed", "no room"]);
    assert_eq!(outcomes(report(&error)), [StepOutcome::RolledBack; 3]);
    assert_eq!(done(&pool).await, [""; 0]);
    let expected = [
        "STARTED|step 1 of 3",
        "STARTED|step 2 of 3",
        "STARTED|step 3 of 3",
        "FAILED|step 3 of 3",
        "FAILED|rolling back step 3 of 3",
        "FAILED|rolling back step 2 of 3",
        "FAILED|rolling back step 1 of 3",
        "ROLLED_BACK|-",
    ];
    assert_eq!(told(&pool).await, expected);
    let heard: Vec<String> = recorder
        .lines()
        .into_iter()
        .filter(|line| line.contains(" of 3"))
        .collect();
    let expected = [
        "steps step 1 of 3 started",
        "steps step 1 of 3 ended",
        "steps step 2 of 3 started",
        "steps step 2 of 3 ended",
        "steps step 3 of 3 started",
        "steps step 3 of 3 ended: no room",
        "steps rollback of step 3 of 3 started",
        "steps rollback of step 3 of 3 ended",
        "steps rollback of step 2 of 3 started",
        "steps rollback of step 2 of 3 ended",
        "steps rollback of step 1 of 3 started",
        "steps rollback of step 1 of 3 ended",
        "steps 1 rolled back: step 3 of 3 failed",
    ];
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    assert_eq!(heard, expected);

    // The next run restarts with the first step.
    runner(&pool, &files).run().await.unwrap_err();
    assert_eq!(told(&pool).await[8], "STARTED|step 1 of 3");
}

#[tokio::test]
async fn steps_after_the_failed_one_are_not_rolled_back() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with(
        "transaction: false",
        "
steps:
  - apply: { add: a }
    rollback: { remove: a }
  - apply: { fail: no room }
    rollback: { add: second }
  - apply: { add: c }
    rollback: { add: third }
",
    );
    runner(&pool, &[("0001__steps.yaml", &yaml)])
        .run()
        .await
        .unwrap_err();
    assert_eq!(done(&pool).await, ["second"]);
}

#[tokio::test]
async fn failed_rollback_is_an_issue_that_names_its_step() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with(
        "transaction: false",
        "
steps:
  - apply: { add: a }
    rollback: { remove: a }
  - apply: { add: b }
    rollback: { remove: b, fail: no way back }
  - apply: { add: c, fail: no room }
    rollback: { remove: c }
",
    );
    let files = [("0001__steps.yaml", &*yaml)];
    let error = runner(&pool, &files).run().await.unwrap_err();
    let change = report(&error).changes().next().unwrap();
    assert_eq!(change.issue, Some(Cause::RollbackFailed));
    let expected = [
        "the rollback failed",
        "the rollback of step 2 of 3 failed",
        "no way back",
        "it was to undo this failure",
        "step 3 of 3 failed",
        "no room",
    ];
    assert_eq!(change.error.as_ref().unwrap().causes(), expected);
    assert_eq!(
        outcomes(report(&error)),
        [
            StepOutcome::Applied,
            StepOutcome::RollbackFailed,
            StepOutcome::RolledBack
        ]
    );
    assert_eq!(done(&pool).await, ["a"]);
    assert_eq!(
        told(&pool).await[4..],
        [
            "FAILED|rolling back step 3 of 3",
            "FAILED|rolling back step 2 of 3",
            "ROLLBACK_FAILED|rolling back step 2 of 3",
        ]
    );
    let error = runner(&pool, &files).run().await.unwrap_err();
    let change = report(&error).changes().next().unwrap();
    assert_eq!(change.outcome, Outcome::Blocked);
    let reached = Note::Reached {
        step: "rolling back step 2 of 3".to_owned(),
    };
    assert_eq!(change.notes, [reached]);
}

#[tokio::test]
async fn steps_are_not_rolled_back_unless_each_has_a_rollback() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = |third: &str| {
        with(
            "transaction: false",
            &format!(
                "
steps:
  - apply: {{ add: a }}
    rollback: {{ remove: a }}
  - apply: {{ add: b }}
  - apply: {third}
    rollback: {{ remove: c }}
"
            ),
        )
    };
    let fails = yaml("{ fail: no room }");
    let error = runner(&pool, &[("0001__steps.yaml", &fails)])
        .run()
        .await
        .unwrap_err();
    let change = report(&error).changes().next().unwrap();
    assert_eq!(change.issue, Some(Cause::Failed));
    let causes = change.error.as_ref().unwrap().causes();
    assert_eq!(
        causes,
        [
            "step 3 of 3 failed",
            "no room",
            "nothing was rolled back: step 2 of 3 has no rollback"
        ]
    );
    assert_eq!(done(&pool).await, ["a", "b"]);
    assert_eq!(told(&pool).await[3..], ["FAILED|step 3 of 3"]);

    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let succeeds = yaml("{ add: c }");
    let files = [("0001__steps.yaml", &*succeeds)];
    runner(&pool, &files).run().await.unwrap();
    let refused = runner(&pool, &files)
        .undo(UndoTarget::Last)
        .await
        .unwrap_err();
    let text = format!("{refused:#}");
    assert!(
        text.contains("the change \"steps\" has no rollback: step 2 of 3 has none"),
        "{text}"
    );
    assert_eq!(done(&pool).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn failed_undo_names_its_step() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with(
        "transaction: false",
        "
steps:
  - apply: { add: a }
    rollback: { remove: a, fail: no way back }
  - apply: { add: b }
    rollback: { remove: b }
",
    );
    let files = [("0001__steps.yaml", &*yaml)];
    runner(&pool, &files).run().await.unwrap();
    let error = runner(&pool, &files)
        .undo(UndoTarget::Last)
        .await
        .unwrap_err();
    let change = report(&error).changes().next().unwrap();
    assert_eq!(change.issue, Some(Cause::UndoInterrupted));
    assert_eq!(
        change.error.as_ref().unwrap().causes(),
        ["the rollback of step 1 of 2 failed", "no way back"]
    );
    assert_eq!(
        told(&pool).await[3..],
        [
            "STARTED|undoing step 2 of 2",
            "STARTED|undoing step 1 of 2",
            "FAILED|undoing step 1 of 2",
        ]
    );
}

#[tokio::test]
async fn duration_of_a_change_covers_all_its_steps() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = with(
        "transaction: false\ntimeout: 600ms",
        "
steps:
  - apply: { add: a, take: 350 }
    rollback: { remove: a }
  - apply: { add: b, take: 350 }
    rollback: { remove: b }
",
    );
    let error = runner(&pool, &[("0001__steps.yaml", &yaml)])
        .run()
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("the change took longer than its timeout of 600ms"),
        "{text}"
    );
    assert_eq!(done(&pool).await, [""; 0]);
}

#[tokio::test]
async fn steps_of_an_atomic_stage_are_rolled_back_with_the_stage() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let (first, second) = (with("", THREE), with("", THIRD_FAILS));
    let files = [
        ("0001__first.yaml", &*first),
        ("0002__second.yaml", &*second),
    ];
    let error = runner(&pool, &files)
        .stage(Stage::new("default").atomic())
        .run()
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("step 3 of 3 failed: no room"), "{text}");
    assert_eq!(outcomes(report(&error)), [StepOutcome::RolledBack; 6]);
    assert_eq!(done(&pool).await, [""; 0]);
}
