//! The run, the list of issues after it, and the plan and result of the next run always classify a
//! failed change alike.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock::report::Cause;
use flamingock::{
    BoxError, Error, ErrorKind, Outcome, Report, Runner, TargetSystem, change, changes,
};
use flamingock::{Definition, rollback};
use flamingock_tests::{Backend as _, audit, done, execute, query, with_table};

use super::{Backend, Connection};

/// How an attempt ends, and how many attempts there are.
#[derive(Clone, Debug)]
struct Way {
    name: &'static str,
    begun: Arc<AtomicUsize>,
}

impl Way {
    const ALL: [&'static str; 3] = ["error", "panic", "timeout"];

    async fn end(&self) -> Result<(), BoxError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        match self.name {
            "error" => Err("refused".into()),
            "panic" => panic!("refused"),
            "timeout" => pending().await,
            _ => Ok(()),
        }
    }
}

macro_rules! ends {
    ($($name:ident $id:tt ($($keys:tt)*) ($($arguments:tt)*);)+) => {$(
        #[change(id = $id, order = "001", timeout = "150ms", register = false $($keys)*)]
        async fn $name($($arguments)* way: &Way) -> Result<(), BoxError> {
            way.end().await
        }
    )+};
}

ends! {
    shared "shared" () (_db: &mut Connection,);
    shared_again "shared-again" (, recovery = "retry") (_db: &mut Connection,);
    separate "separate" (, target = "there") (_db: &mut Connection,);
    separate_again "separate-again" (, target = "there", recovery = "retry") (_db: &mut Connection,);
    plain "plain" (, transaction = false) (_db: &mut Connection,);
    plain_again "plain-again" (, transaction = false, recovery = "retry") (_db: &mut Connection,);
    alone "alone" () ();
    alone_again "alone-again" (, recovery = "retry") ();
    stuck "stuck" (, transaction = false) (_db: &mut Connection,);
    stuck_again "stuck-again" (, transaction = false, recovery = "retry") (_db: &mut Connection,);
    undoable "undoable" (, transaction = false) (_db: &mut Connection,);
}

#[rollback(stuck)]
async fn stays() -> Result<(), BoxError> {
    Err("there is no way back".into())
}

#[rollback(stuck_again)]
async fn stays_again(_db: &mut Connection) -> Result<(), BoxError> {
    Err("there is no way back".into())
}

#[rollback(undoable)]
async fn undo(_db: &mut Connection) {}

/// The ids of the changes with an issue, each with its cause.
fn issues_of(report: &Report) -> Vec<(String, Cause)> {
    let issues = report
        .changes()
        .filter_map(|change| Some((change.id.clone(), change.issue.clone()?)));
    issues.collect()
}

/// Compares the report of the run with the list, the plan and the next run. Returns whether the
/// change is an issue.
async fn agree(runner: &dyn Fn() -> Runner, error: &Error, what: &str) -> bool {
    let told = issues_of(error.report().unwrap());
    let listed = runner().issues().await.unwrap();
    let listed: Vec<_> = listed
        .into_iter()
        .map(|issue| (issue.change_id, issue.cause))
        .collect();
    assert_eq!(told, listed, "{what}: the list\n{error}");
    let plan = runner().plan().await.unwrap();
    assert_eq!(told, issues_of(&plan), "{what}: the plan\n{error}");
    let waits = format!("{error:#}").contains("needs manual resolution");
    assert_eq!(waits, !told.is_empty(), "{what}: {error}");
    !told.is_empty()
}

#[tokio::test]
async fn failure_is_classified_alike_by_the_run_the_list_and_the_next_run() {
    let database = Backend::fresh().await;
    let (pool, there) = (with_table(&database, 3).await, Backend::fresh().await);
    let there = with_table(&there, 3).await;
    // The cause of the issue after an error or a panic, and after a timeout.
    let cases: [(&'static Definition, Option<Cause>, Option<Cause>); 11] = [
        (changes![shared][0], None, None),
        (changes![shared_again][0], None, None),
        (changes![separate][0], None, None),
        (changes![separate_again][0], None, None),
        (changes![plain][0], Some(Cause::Failed), Some(Cause::Failed)),
        (changes![plain_again][0], None, None),
        (changes![alone][0], Some(Cause::Failed), Some(Cause::Failed)),
        (changes![alone_again][0], None, None),
        (
            changes![stuck][0],
            Some(Cause::RollbackFailed),
            Some(Cause::RollbackFailed),
        ),
        (changes![stuck_again][0], None, None),
        (changes![undoable][0], None, None),
    ];
    for (change, failed, timed_out) in &cases {
        for name in Way::ALL {
            let what = format!("{} by {name}", change.id);
            let way = |name| Way {
                name,
                begun: Arc::default(),
            };
            let (first, next) = (way(name), way("success"));
            let runner = |way: &Way| {
                Runner::new(&pool)
                    .service(format!("{}-{name}", change.id))
                    .independent_service()
                    .changes([*change])
                    .target(TargetSystem::sqlx("there", &there))
                    .provide(way.clone())
            };
            let error = runner(&first).run().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{what}: {error}");
            let expected = match name {
                "timeout" => timed_out,
                _ => failed,
            };
            let told: Vec<Cause> = issues_of(error.report().unwrap())
                .into_iter()
                .map(|(_, cause)| cause)
                .collect();
            let expected: Vec<Cause> = expected.iter().cloned().collect();
            assert_eq!(told, expected, "{what}: {error}");
            let is_issue = agree(&|| runner(&next), &error, &what).await;
            let again = runner(&next).run().await;
            match again {
                Ok(report) => {
                    assert!(!is_issue, "{what}: it ran despite the issue");
                    assert_eq!(report.counts().newly_applied, 1, "{what}: {report}");
                }
                Err(error) => {
                    assert!(
                        is_issue && error.kind() == ErrorKind::Issues,
                        "{what}: {error}"
                    );
                    agree(&|| runner(&next), &error, &what).await;
                }
            }
            let begun = next.begun.load(Ordering::Relaxed);
            assert_eq!(begun, usize::from(!is_issue), "{what}");
        }
    }
}

#[change(
    id = "half-way",
    order = "001",
    target = "there",
    transaction = false,
    register = false
)]
async fn half_way(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('half')").await?;
    Err("refused".into())
}

#[rollback(half_way)]
async fn no_half(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

/// The rollback is the first transaction in that database: its marker needs the table all the same.
#[tokio::test]
async fn rollback_in_another_database_can_write_the_first_marker() {
    let database = Backend::fresh().await;
    let (pool, there) = (with_table(&database, 2).await, Backend::fresh().await);
    let there = with_table(&there, 2).await;
    let runner = || {
        let target = TargetSystem::sqlx("there", &there);
        let changes = changes![half_way];
        Runner::new(&pool).changes(changes).target(target)
    };
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.report().unwrap().counts().rolled_back, 1, "{error}");
    assert!(!agree(&runner, &error, "rolled back").await);
    assert_eq!(done(&there).await, [""; 0]);
}

#[change(id = "moves", order = "001", target = "there", register = false)]
async fn moves(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('moves')")
        .await
        .map(drop)
}

/// An interrupted attempt at another target system than the one that the code names now.
#[tokio::test]
async fn attempt_at_another_target_is_an_issue_in_list_and_plan() {
    let database = Backend::fresh().await;
    let (pool, there) = (with_table(&database, 2).await, Backend::fresh().await);
    let there = with_table(&there, 2).await;
    let runner = || {
        let target = TargetSystem::sqlx("there", &there);
        Runner::new(&pool).changes(changes![moves]).target(target)
    };
    runner().run().await.unwrap();
    let begun = "UPDATE flamingock_audit SET state = 'STARTED', target = 'elsewhere' WHERE state = 'APPLIED'";
    execute(&pool, begun).await;
    execute(&pool, "UPDATE flamingock_lock SET pipeline_digest = NULL").await;
    let plan = runner().plan().await.unwrap();
    let change = plan.changes().next().unwrap();
    assert_eq!(change.outcome, Outcome::Blocked, "{plan}");
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error}");
    assert!(agree(&runner, &error, "another target").await);
    assert_eq!(
        audit(&pool).await.last().unwrap(),
        "moves 1 STARTED separate"
    );
}
