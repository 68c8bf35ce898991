//! Atomic stages: their pending changes are applied in one transaction, or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flamingock::{BoxError, ErrorKind, Outcome, Report, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, audit, count, done, query, try_execute, with_table};

use super::{Backend, Connection};

/// Whether the change fails. The test repairs it between two runs.
#[derive(Debug, Default)]
struct Broken(AtomicBool);

#[change(id = "first", order = "001", stage = "seed", register = false)]
pub(super) async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

#[change(id = "second", order = "002", stage = "seed", register = false)]
async fn second(db: &mut Connection, broken: &Broken) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('second')").await?;
    if broken.0.load(Ordering::Relaxed) {
        query(db, "SELECT * FROM nowhere").await?;
    }
    Ok(())
}

#[change(id = "third", order = "003", stage = "seed", register = false)]
pub(super) async fn third(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

#[change(id = "behind", order = "001", stage = "behind", register = false)]
async fn behind() {}

pub(super) fn seed(runner: Runner) -> Runner {
    runner
        .stage(Stage::new("seed").atomic())
        .stage(Stage::new("behind").after("seed"))
}

pub(super) fn outcomes(report: &Report) -> Vec<Outcome> {
    report.changes().map(|change| change.outcome).collect()
}

#[tokio::test]
async fn failed_stage_is_rolled_back_as_a_whole_and_applied_by_the_next_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let broken = std::sync::Arc::new(Broken(true.into()));
    let runner = || {
        seed(Runner::new(&pool))
            .changes(changes![first, second, third, behind])
            .provide_arc(broken.clone())
    };
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let report = error.report().unwrap();
    let expected = [
        Outcome::RolledBack,
        Outcome::RolledBack,
        Outcome::Blocked,
        Outcome::Blocked,
    ];
    assert_eq!(outcomes(report), expected, "{report}");
    let errors: Vec<String> = report
        .changes()
        .filter_map(|change| Some(change.error.as_ref()?.to_string()))
        .collect();
    assert!(
        errors[0].contains("stage \"seed\", which is atomic: the change \"second\" failed"),
        "{errors:?}"
    );
    assert!(errors[1].contains("nowhere"), "{errors:?}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let mut expected = vec![
        "first 1 ROLLED_BACK shared",
        "second 1 FAILED shared",
        "second 1 ROLLED_BACK shared",
    ];
    assert_eq!(audit(&pool).await, expected);

    broken.0.store(false, Ordering::Relaxed);
    let report = runner().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 4, "{report}");
    expected.extend([
        "first 2 APPLIED shared",
        "second 2 APPLIED shared",
        "third 1 APPLIED shared",
        "behind 1 STARTED none",
        "behind 1 APPLIED none",
    ]);
    assert_eq!(audit(&pool).await, expected);
    assert_eq!(done(&pool).await, ["first", "second", "third"]);
    assert!(runner().run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn applied_changes_stay_when_pending_ones_fail() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = |broken: bool| seed(Runner::new(&pool)).provide(Broken(broken.into()));
    runner(false).changes(changes![first]).run().await.unwrap();
    let all = changes![first, second, third];
    let error = runner(true).changes(all).run().await.unwrap_err();
    let expected = [
        Outcome::AlreadyApplied,
        Outcome::RolledBack,
        Outcome::Blocked,
    ];
    assert_eq!(outcomes(error.report().unwrap()), expected);
    assert_eq!(done(&pool).await, ["first"]);
    let report = runner(false).changes(all).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    assert_eq!(done(&pool).await, ["first", "second", "third"]);
}

#[change(id = "ends", order = "002", stage = "seed", register = false)]
async fn ends(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('ends')").await?;
    query(db, "COMMIT").await.map(drop)
}

#[tokio::test]
async fn commit_by_a_change_is_recorded_as_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let changes = changes![first, ends, third];
    let result = seed(Runner::new(&pool)).changes(changes).run().await;
    let states = audit(&pool).await;
    let there = done(&pool).await;
    for id in ["first", "ends", "third"] {
        let applied = format!("{id} 1 APPLIED");
        let is_applied = states.iter().any(|state| state.starts_with(&applied));
        let has_failed = states
            .iter()
            .any(|state| state.starts_with(&format!("{id} 1 FAILED none")));
        let is_there = there.iter().any(|row| row == id);
        assert_eq!(
            is_there,
            is_applied || has_failed,
            "{id}: {states:?} {there:?}"
        );
    }
    let Err(error) = result else {
        // MariaDB cannot tell such a COMMIT from Flamingock's own.
        assert!(
            states.contains(&"ends 1 APPLIED none".to_owned()),
            "{states:?}"
        );
        assert_eq!(there, ["ends", "first", "third"]);
        return;
    };
    assert!(
        format!("{error:#}").contains("ended the transaction"),
        "{error}"
    );
    assert_eq!(there, ["ends", "first"], "{states:?}");
}

#[change(id = "panics", order = "002", stage = "seed", register = false)]
async fn panics(db: &mut Connection) {
    query(db, "INSERT INTO done VALUES ('panics')")
        .await
        .unwrap();
    panic!("no further");
}

#[tokio::test]
async fn panic_and_timeout_roll_the_stage_back() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    for (changes, expected) in [
        (changes![first, panics, third], "no further"),
        (changes![first, hangs, third], "timeout of 200ms"),
    ] {
        let error = seed(Runner::new(&pool)).changes(changes).run().await;
        let error = error.unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{error}");
        assert_eq!(done(&pool).await, Vec::<String>::new());
    }
    let report = seed(Runner::new(&pool))
        .changes(changes![first, third])
        .run()
        .await;
    assert_eq!(report.unwrap().counts().newly_applied, 2);
}

#[change(
    id = "hangs",
    order = "002",
    stage = "seed",
    timeout = "200ms",
    register = false
)]
async fn hangs(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('hangs')").await?;
    std::future::pending().await
}

#[change(id = "alone", order = "001", stage = "seed", register = false)]
async fn alone() {}

#[change(
    id = "limited",
    order = "002",
    stage = "seed",
    statement_timeout = "1s",
    register = false
)]
async fn limited(_db: &mut Connection) {}

#[change(
    id = "elsewhere",
    order = "003",
    stage = "seed",
    target = "other",
    register = false
)]
async fn elsewhere(_db: &mut Connection) {}

#[tokio::test]
async fn changes_unfit_for_an_atomic_stage_are_refused_before_anything_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let other = Backend::fresh().await;
    let target = flamingock::TargetSystem::sqlx("other", &with_table(&other, 1).await);
    let error = seed(Runner::new(&pool))
        .changes(changes![alone, limited, elsewhere])
        .target(target)
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let text = format!("{error:#}");
    for expected in [
        "the change \"alone\" cannot take part in the stage \"seed\", which is atomic: it runs in no transaction",
        "its target system \"other\" is not the database of the audit",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(text.contains("timeout"), "{text}");
    assert!(
        problems.iter().all(|problem| problem.location.is_some()),
        "{text}"
    );
    let asked = try_execute(&pool, "SELECT 1 FROM flamingock_audit").await;
    assert!(asked.is_err());
}

#[tokio::test]
async fn each_change_reports_its_own_duration() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let began = Instant::now();
    seed(Runner::new(&pool))
        .changes(changes![first, slow, third])
        .run()
        .await
        .unwrap();
    let took = began.elapsed();
    let longer =
        "SELECT count(*) FROM flamingock_audit WHERE change_id = 'slow' AND duration_us >= 300000";
    assert_eq!(count(&pool, longer).await, 1);
    // Whatever the other changes took: no time is counted twice.
    let all = "SELECT sum(duration_us) FROM flamingock_audit WHERE state = 'APPLIED'";
    let all = u64::try_from(count(&pool, all).await).unwrap();
    assert!(Duration::from_micros(all) <= took, "{all} µs of {took:?}");
}

#[change(id = "slow", order = "002", stage = "seed", register = false)]
async fn slow(db: &mut Connection) -> Result<(), sqlx::Error> {
    // The measured duration.
    tokio::time::sleep(Duration::from_millis(300)).await;
    query(db, "INSERT INTO done VALUES ('slow')")
        .await
        .map(drop)
}
