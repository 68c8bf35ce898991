//! Stages: their order, and what a failure or an issue stops.

use flamingock::report::Cause;
use flamingock::{BoxError, ErrorKind, Outcome, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, audit, query, with_table};

use super::{Backend, Connection};

#[change(id = "schema", order = "001", stage = "schema", register = false)]
async fn schema(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('schema')")
        .await
        .map(drop)
}

#[change(id = "broken", order = "001", stage = "messaging", register = false)]
async fn broken() -> Result<(), BoxError> {
    Err("no broker".into())
}

#[change(id = "behind", order = "002", stage = "messaging", register = false)]
async fn behind() {}

#[change(id = "dependent", order = "001", stage = "consumers", register = false)]
async fn dependent() {}

#[change(id = "independent", order = "001", stage = "search", register = false)]
async fn independent() {}

#[change(id = "unstaged", order = "001", register = false)]
async fn unstaged() {}

fn stages(runner: Runner) -> Runner {
    runner
        .changes(changes![
            dependent,
            independent,
            behind,
            broken,
            schema,
            unstaged
        ])
        .stage(Stage::new("consumers").after("messaging"))
        .stage(Stage::new("messaging").after("schema"))
        .stage(Stage::new("schema"))
        .stage(Stage::new("search"))
}

#[tokio::test]
async fn failure_stops_only_its_stage_and_dependent_stages() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = stages(Runner::new(&pool)).run().await.unwrap_err();
    let report = error.report().unwrap();
    let names: Vec<_> = report
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["default", "schema", "messaging", "consumers", "search"]
    );
    let outcomes: Vec<_> = report
        .changes()
        .map(|change| (change.id.as_str(), change.outcome))
        .collect();
    let expected = [
        ("unstaged", Outcome::NewlyApplied),
        ("schema", Outcome::NewlyApplied),
        ("broken", Outcome::Failed),
        ("behind", Outcome::Blocked),
        ("dependent", Outcome::Blocked),
        ("independent", Outcome::NewlyApplied),
    ];
    assert_eq!(outcomes, expected);
    let counts = report.counts();
    assert_eq!(
        (
            counts.total,
            counts.newly_applied,
            counts.failed,
            counts.blocked
        ),
        (6, 3, 1, 2)
    );
    assert!(
        format!("{error:#}").contains("messaging/001 broken"),
        "{error}"
    );
}

#[tokio::test]
async fn issue_blocks_its_stage_and_other_stages_continue() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let first = Runner::new(&pool).changes(changes![broken]);
    first.run().await.unwrap_err();
    let error = stages(Runner::new(&pool)).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
    let report = error.report().unwrap();
    let counts = report.counts();
    assert_eq!((counts.newly_applied, counts.blocked), (3, 3), "{report}");
    let issues: Vec<_> = report
        .changes()
        .filter_map(|change| Some((change.id.as_str(), change.issue.clone()?)))
        .collect();
    assert_eq!(issues, [("broken", Cause::Failed)]);
    let rows = audit(&pool).await;
    assert_eq!(
        rows.iter().filter(|row| row.starts_with("broken")).count(),
        2,
        "{rows:?}"
    );
}

#[change(id = "tagged", order = "002", tags = ["dev"], register = false)]
async fn tagged() {}

#[tokio::test]
async fn changes_with_other_tags_are_filtered() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![unstaged, tagged]);
    let report = runner().run().await.unwrap();
    assert_eq!(
        (report.counts().newly_applied, report.counts().filtered),
        (1, 1)
    );
    let report = runner().tags(["dev"]).run().await.unwrap();
    assert_eq!(
        (
            report.counts().newly_applied,
            report.counts().already_applied
        ),
        (1, 1)
    );
    assert!(runner().run().await.unwrap().is_up_to_date());
}
