//! The changes that an undo reverses: never those of an earlier release by mistake.

use flamingock::{
    Batch, BoxError, ErrorKind, Next, Outcome, Policy, Resolution, Rule, Runner, Undo, UndoTarget,
    change, changes, rollback,
};
use flamingock_tests::{Backend as _, audit, done, execute, query, with_table};

use super::{Backend, Connection, Db};

type Pool = sqlx::Pool<Db>;

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[rollback(one)]
async fn undo_one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'one'")
        .await
        .map(drop)
}

#[change(id = "two", order = "002", register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[rollback(two)]
async fn undo_two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'two'")
        .await
        .map(drop)
}

#[change(id = "three", order = "003", register = false)]
async fn three(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('three')")
        .await
        .map(drop)
}

#[rollback(three)]
async fn undo_three(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'three'")
        .await
        .map(drop)
}

fn earlier_release(pool: &Pool) -> Runner {
    Runner::new(pool).changes(changes![one, two])
}

fn newer_release(pool: &Pool) -> Runner {
    Runner::new(pool).changes(changes![one, two, three])
}

#[tokio::test]
async fn earlier_release_does_not_undo_its_own_changes_in_place_of_the_newer_ones() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    newer_release(&pool).run().await.unwrap();
    let before = audit(&pool).await;
    for target in [
        UndoTarget::Last,
        UndoTarget::Count(2),
        UndoTarget::To("one".into()),
    ] {
        for missing in [Rule::Allow, Rule::Warn] {
            let runner = earlier_release(&pool).policy(Policy::default().missing(missing));
            let planned = runner.plan_undo(target.clone()).await.unwrap_err();
            let error = runner.undo(target.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert_eq!(format!("{planned:#}"), format!("{error:#}"));
            assert!(
                format!("{error:#}").contains(
                    "1 applied change is not in this binary: nothing was undone. Undo with the \
                     binary of the release that has it, or pass `--force` (in code `Undo::force`) \
                     to undo only what this binary has: \"three\" (order \"003\")"
                ),
                "{error}"
            );
        }
    }
    assert_eq!(audit(&pool).await, before);
    assert_eq!(done(&pool).await, ["one", "three", "two"]);
}

#[tokio::test]
async fn forced_undo_reverses_the_changes_that_the_binary_knows() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    newer_release(&pool).run().await.unwrap();
    let forced = Undo::new(UndoTarget::Last).force();
    let report = earlier_release(&pool).undo(forced).await.unwrap();
    assert!(report.is_success(), "{report}");
    assert_eq!(report.counts().undone, 1, "{report}");
    assert_eq!(done(&pool).await, ["one", "three"]);
    // A single named change is intended, whatever else is applied.
    let named = UndoTarget::Change("one".into());
    earlier_release(&pool).undo(named).await.unwrap();
    assert_eq!(done(&pool).await, ["three"]);
}

#[tokio::test]
async fn successful_undo_warns_that_its_changes_are_pending_again() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = newer_release(&pool);
    runner.run().await.unwrap();
    let report = runner.undo(UndoTarget::Count(2)).await.unwrap();
    assert!(report.is_success(), "{report}");
    assert!(!report.is_up_to_date(), "{report}");
    let outcomes: Vec<_> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(outcomes, [Outcome::Undone, Outcome::Undone]);
    let text = report.to_string();
    assert!(text.starts_with("default: 2 undone in "), "{text}");
    assert!(
        text.contains(
            "warning: instances that have these changes apply them again at their next start"
        ),
        "{text}"
    );
    // Nothing is undone twice, and there is no warning.
    runner.undo(UndoTarget::Last).await.unwrap();
    let nothing = runner.undo(UndoTarget::Last).await.unwrap();
    assert_eq!((nothing.counts().total, nothing.warnings.len()), (0, 0));
}

#[tokio::test]
async fn planned_undo_writes_nothing_and_names_the_changes_to_undo() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = newer_release(&pool);
    runner.run().await.unwrap();
    let before = audit(&pool).await;
    let planned = runner.plan_undo(UndoTarget::Count(2)).await.unwrap();
    let ids = |report: &flamingock::Report| -> Vec<String> {
        report.changes().map(|change| change.id.clone()).collect()
    };
    assert_eq!(ids(&planned), ["three", "two"]);
    assert_eq!(planned.counts().not_reached, 2);
    assert_eq!(audit(&pool).await, before);
    assert_eq!(done(&pool).await, ["one", "three", "two"]);
    let undone = runner.undo(UndoTarget::Count(2)).await.unwrap();
    assert_eq!(ids(&undone), ids(&planned));
}

#[tokio::test]
async fn undo_of_a_run_reverses_only_the_changes_of_that_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let first = Runner::new(&pool)
        .changes(changes![one])
        .run()
        .await
        .unwrap();
    let second = newer_release(&pool).run().await.unwrap();
    let undo = |run_id: &str| Undo::new(UndoTarget::Run(run_id.to_owned()));

    // The release that is being replaced knows all of them.
    let refused = earlier_release(&pool).undo(undo(&second.run_id)).await;
    let text = format!("{:#}", refused.unwrap_err());
    assert!(
        text.contains("1 applied change is not in this binary"),
        "{text}"
    );

    let runner = newer_release(&pool);
    let report = runner.undo(undo(&second.run_id)).await.unwrap();
    let undone: Vec<_> = report.changes().map(|change| change.id.as_str()).collect();
    assert_eq!(undone, ["three", "two"]);
    assert_eq!(done(&pool).await, ["one"]);
    let again = runner.undo(undo(&second.run_id)).await.unwrap();
    assert_eq!(again.counts().total, 0);

    // A change that a later run applied again belongs to that run.
    runner.run().await.unwrap();
    let again = runner.undo(undo(&second.run_id)).await.unwrap();
    assert_eq!(again.counts().total, 0);
    let one = runner.plan_undo(undo(&first.run_id)).await.unwrap();
    assert_eq!(one.counts().total, 1);

    let before = audit(&pool).await;
    for unknown in [
        runner.undo(undo("0123")).await.unwrap_err(),
        runner.plan_undo(undo("0123")).await.unwrap_err(),
    ] {
        assert!(
            unknown
                .to_string()
                .contains("the service \"default\" has no run \"0123\" in its audit"),
            "{unknown}"
        );
    }
    assert_eq!(audit(&pool).await, before);
}

async fn fails_while_held(db: &mut Connection) -> Result<(), BoxError> {
    let held = query(db, "SELECT what FROM done WHERE what = 'hold'").await?;
    match held.is_empty() {
        true => Ok(()),
        false => Err("it is still in use".into()),
    }
}

#[change(id = "held", order = "002", register = false)]
async fn held(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('held')")
        .await
        .map(drop)
}

#[rollback(held)]
async fn undo_held(db: &mut Connection) -> Result<(), BoxError> {
    fails_while_held(db).await?;
    query(db, "DELETE FROM done WHERE what = 'held'").await?;
    Ok(())
}

#[tokio::test]
async fn repeated_undo_of_a_run_continues_with_the_failed_rollback() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = Runner::new(&pool).changes(changes![one, held, three]);
    let run_id = runner.run().await.unwrap().run_id;
    let undo = || UndoTarget::Run(run_id.clone());
    execute(&pool, "INSERT INTO done VALUES ('hold')").await;
    for nth in ["first", "second"] {
        let error = runner.undo(undo()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{nth}: {error}");
        assert_eq!(done(&pool).await, ["held", "hold", "one"], "{nth}");
    }
    execute(&pool, "DELETE FROM done WHERE what = 'hold'").await;
    let report = runner.undo(undo()).await.unwrap();
    let undone: Vec<_> = report.changes().map(|change| change.id.as_str()).collect();
    assert_eq!(undone, ["held", "one"]);
    assert!(done(&pool).await.is_empty());
}

#[change(id = "loose", order = "003", register = false)]
async fn loose(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('loose')")
        .await
        .map(drop)
}

#[rollback(loose, transaction = false)]
async fn undo_loose(db: &mut Connection) -> Result<(), BoxError> {
    fails_while_held(db).await
}

#[tokio::test]
async fn undo_is_refused_until_an_interrupted_undo_is_resolved() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = Runner::new(&pool).changes(changes![one, held, loose]);
    let run_id = runner.run().await.unwrap().run_id;
    execute(&pool, "INSERT INTO done VALUES ('hold')").await;
    runner.undo(UndoTarget::Last).await.unwrap_err();
    execute(&pool, "DELETE FROM done WHERE what = 'hold'").await;
    let before = audit(&pool).await;
    for target in [
        UndoTarget::Last,
        UndoTarget::Count(2),
        UndoTarget::To("one".into()),
        UndoTarget::Change("loose".into()),
        UndoTarget::Run(run_id.clone()),
    ] {
        let error = format!("{:#}", runner.undo(target.clone()).await.unwrap_err());
        let says = "an undo of the change \"loose\" was interrupted: nothing was undone";
        assert!(error.contains(says), "{target:?}: {error}");
    }
    assert_eq!(audit(&pool).await, before);
    let applied = Resolution::Applied;
    runner
        .resolve("loose", applied, "it is there")
        .await
        .unwrap();
    let report = runner.undo(UndoTarget::Run(run_id)).await.unwrap();
    assert_eq!(report.counts().undone, 3, "{report}");
}

/// Leaves something behind when it fails.
#[change(id = "half", order = "004", transaction = false, register = false)]
async fn half(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('half')").await?;
    Err("the broker is away".into())
}

/// Fails in its second batch.
#[change(id = "batches", order = "005", batch, register = false)]
async fn batches(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    query(db, "INSERT INTO done VALUES ('batch')").await?;
    match batch.cursor() {
        None => Ok(Next::after(1)),
        Some(_) => Err("the batch fails".into()),
    }
}

/// The database rolls it back, so nothing is left.
#[change(id = "clean", order = "006", register = false)]
async fn clean(_db: &mut Connection) -> Result<(), BoxError> {
    Err("refused".into())
}

#[tokio::test]
async fn undo_is_refused_while_a_later_change_is_unfinished() {
    for (unfinished, id) in [
        (changes![half], Some("half")),
        (changes![batches], Some("batches")),
        (changes![clean], None),
    ] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 3).await;
        let runner =
            || Runner::new(&pool).changes(changes![one, two].into_iter().chain(unfinished));
        let failed = runner().run().await.unwrap_err();
        let run_id = failed.report().unwrap().run_id.clone();
        let Some(id) = id else {
            let undone = runner().undo(UndoTarget::Last).await.unwrap();
            assert_eq!(undone.counts().undone, 1);
            continue;
        };
        for target in [
            UndoTarget::Last,
            UndoTarget::Count(2),
            UndoTarget::To("one".to_owned()),
            UndoTarget::Run(run_id),
        ] {
            let error = runner().undo(target).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let error = format!("{error:#}");
            let says = format!("the change \"{id}\" comes later and is unfinished (");
            assert!(error.contains(&says), "{error}");
        }
        let applied = done(&pool).await;
        assert!(applied.contains(&"two".to_owned()), "{applied:?}");
        // One change by name, and on purpose.
        let named = UndoTarget::Change("two".to_owned());
        assert_eq!(runner().undo(named).await.unwrap().counts().undone, 1);
        let forced = Undo::new(UndoTarget::Last).force();
        assert_eq!(runner().undo(forced).await.unwrap().counts().undone, 1);
    }
}
