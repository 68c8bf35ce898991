//! What cannot run in the background, or cannot be waited for.

use flamingock::{ErrorKind, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, query, with_table};

use super::super::{Backend, Connection};

#[change(
    id = "fill",
    order = "0002",
    stage = "late",
    phase = "background",
    register = false
)]
async fn fill(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('fill')")
        .await
        .map(drop)
}

#[change(id = "plain", order = "0003", stage = "early", register = false)]
async fn plain(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[change(
    id = "unknown",
    order = "0004",
    stage = "early",
    requires = "fil",
    register = false
)]
async fn unknown() {}

#[change(
    id = "not-behind",
    order = "0005",
    stage = "early",
    requires = "plain",
    register = false
)]
async fn not_behind() {}

#[change(
    id = "too-early",
    order = "0006",
    stage = "early",
    requires = "fill",
    register = false
)]
async fn too_early() {}

#[change(
    id = "too-late",
    order = "0007",
    stage = "early",
    requires = "after-it",
    register = false
)]
async fn too_late() {}

#[change(
    id = "after-it",
    order = "0008",
    stage = "early",
    phase = "background",
    register = false
)]
async fn after_it() {}

#[tokio::test]
async fn change_that_cannot_be_waited_for_is_refused() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let error = Runner::new(&pool)
        .stage(Stage::new("early"))
        .stage(Stage::new("late"))
        .changes(changes![
            fill, plain, unknown, not_behind, too_early, too_late, after_it
        ])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = format!("{error:#}");
    for expected in [
        "the change \"too-late\" requires \"after-it\", which comes later in its stage: give it a lower order",
        "the change \"unknown\" requires \"fil\", which is not there. Did you mean \"fill\"?",
        "the change \"not-behind\" requires \"plain\", which does not run in the background: give it `phase = \"background\"`, or this one a later order",
        "the change \"too-early\" requires \"fill\", of the stage \"late\", which runs after the stage \"early\"",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(text.contains("background/refused.rs:"), "{text}");
}

#[tokio::test]
async fn change_of_an_atomic_stage_does_not_run_in_the_background() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let error = Runner::new(&pool)
        .stage(Stage::new("late").atomic())
        .changes(changes![fill])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let expected = "cannot take part in the stage \"late\", which is atomic: it runs in the background, after the others";
    assert!(format!("{error:#}").contains(expected), "{error:#}");
}
