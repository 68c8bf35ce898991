//! MariaDB commits at every DDL, so the steps of a transaction can be half applied.

use flamingock::Outcome;
use flamingock_tests::{Backend as _, MariaDb, audit, done, with_table};

use crate::templates::mariadb::note_template::runner;

#[tokio::test]
async fn steps_committed_midway_are_rolled_back_up_to_the_failed_one() {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = "\
template: note
steps:
  - apply: { add: a }
    rollback: { remove: a }
  - apply: { run: CREATE TABLE made (n INT), fail: no room }
    rollback: { run: DROP TABLE made, add: second rolled back }
  - apply: { add: c }
    rollback: { add: third rolled back }
";
    let error = runner(&pool, &[("0001__steps.yaml", yaml)])
        .run()
        .await
        .unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(change.outcome, Outcome::RolledBack, "{error}");
    assert_eq!(done(&pool).await, ["second rolled back"]);
    let entries = audit(&pool).await;
    assert_eq!(
        entries.first().map(String::as_str),
        Some("steps 1 FAILED none")
    );
    assert_eq!(entries.len(), 2, "{entries:?}");
}
