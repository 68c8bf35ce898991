//! An undo in batches: its own, or those of a change that was cancelled in the middle.

use std::sync::atomic::{AtomicI64, Ordering};

use flamingock::audit::ProgressState;
use flamingock::report::Cause;
use flamingock::{
    Batch, BoxError, Controlled, ErrorKind, Next, Outcome, Resolution, Runner, TargetSystem,
    UndoTarget, change, changes, rollback,
};
use flamingock_tests::{Backend as _, audit, execute, query};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};
use super::{SIZE, Wanted, fresh, one_batch, times};

/// Which batch of the rollback fails, and how many were called.
#[derive(Debug, Default)]
struct Undoing {
    fails_at: AtomicI64,
    called: AtomicI64,
}

impl Undoing {
    fn failing_at(batch: i64) -> Undoing {
        Undoing {
            fails_at: AtomicI64::new(batch),
            ..Undoing::default()
        }
    }
}

async fn one_batch_back(
    batch: Batch<i64>,
    db: &mut Connection,
    undoing: &Undoing,
) -> Result<Next<i64>, BoxError> {
    let called = undoing.called.fetch_add(1, Ordering::SeqCst) + 1;
    let after = batch.cursor().copied().unwrap_or(0);
    // Only what the change has done.
    let keys =
        format!("SELECT id FROM items WHERE id > {after} AND times > 0 ORDER BY id LIMIT {SIZE}");
    let keys = query(db, &keys).await?;
    let Some(last) = keys.last() else {
        return Ok(Next::finished());
    };
    let update = format!(
        "UPDATE items SET times = times - 1 WHERE id > {after} AND id <= {last} AND times > 0"
    );
    query(db, &update).await?;
    if undoing.fails_at.load(Ordering::SeqCst) == called {
        return Err("the batch fails".into());
    }
    Ok(Next::after(last.parse()?).done_rows(keys.len().try_into()?))
}

#[change(id = "fill", order = "001", batch, register = false)]
async fn here(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    one_batch(batch, db, wanted).await
}

#[rollback(here, batch)]
async fn back_here(
    batch: Batch<i64>,
    db: &mut Connection,
    undoing: &Undoing,
) -> Result<Next<i64>, BoxError> {
    one_batch_back(batch, db, undoing).await
}

#[change(id = "fill", order = "001", target = "other", batch, register = false)]
async fn elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    one_batch(batch, db, wanted).await
}

#[rollback(elsewhere, batch)]
async fn back_elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    undoing: &Undoing,
) -> Result<Next<i64>, BoxError> {
    one_batch_back(batch, db, undoing).await
}

#[change(
    id = "fill",
    order = "001",
    transaction = false,
    batch,
    register = false
)]
async fn without(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    one_batch(batch, db, wanted).await
}

#[rollback(without, batch, transaction = false)]
async fn back_without(
    batch: Batch<i64>,
    db: &mut Connection,
    undoing: &Undoing,
) -> Result<Next<i64>, BoxError> {
    one_batch_back(batch, db, undoing).await
}

/// The audit's database and that of the rows.
struct Place {
    audit: Pool<Db>,
    rows: Pool<Db>,
    which: Which,
    _databases: Vec<flamingock_tests::TestDatabase<Backend>>,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Here,
    Elsewhere,
    Without,
}

impl Place {
    async fn fresh(which: Which) -> Place {
        let (database, pool) = fresh().await;
        match which {
            Which::Here | Which::Without => Place {
                audit: pool.clone(),
                rows: pool,
                which,
                _databases: vec![database],
            },
            Which::Elsewhere => {
                let of_audit = Backend::fresh().await;
                Place {
                    audit: of_audit.pool(2).await,
                    rows: pool,
                    which,
                    _databases: vec![database, of_audit],
                }
            }
        }
    }

    fn runner(&self, wanted: Wanted, undoing: Undoing) -> Runner {
        let runner = Runner::new(&self.audit)
            .provide(wanted)
            .provide(undoing)
            .operator("ada");
        match self.which {
            Which::Here => runner.changes(changes![here]),
            Which::Without => runner.changes(changes![without]),
            Which::Elsewhere => runner
                .changes(changes![elsewhere])
                .target(TargetSystem::sqlx("other", &self.rows)),
        }
    }

    fn plain(&self) -> Runner {
        self.runner(Wanted::default(), Undoing::default())
    }

    /// An undo whose third batch fails.
    async fn undo_fails(&self) {
        let runner = self.runner(Wanted::default(), Undoing::failing_at(3));
        let error = runner.undo(UndoTarget::Last).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let change = error.report().unwrap().changes().next().unwrap().clone();
        assert_eq!(change.issue, Some(Cause::UndoUnfinished), "{error:?}");
        let text = format!("{error:?}");
        let told = "2 batches are committed, and the next `undo` continues after them";
        assert!(text.contains(told), "{text}");
        let done = change.batches.unwrap();
        assert_eq!((done.batches, done.rows), (2, 14));
    }

    /// Completes the undo, in which this many batches are left, and applies the change anew.
    async fn undo_continues(&self, batches: i64) {
        // No run goes on meanwhile.
        let error = self.plain().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
        assert_eq!(
            self.plain().progress().await.unwrap()[0].state,
            ProgressState::RollingBack
        );
        let undone = self.plain().undo(UndoTarget::Last).await.unwrap();
        let change = undone.changes().next().unwrap();
        assert_eq!(change.outcome, Outcome::Undone);
        assert_eq!(change.batches.as_ref().unwrap().batches, batches);
        assert_eq!(times(&self.rows).await, ["0|100"]);
        assert_eq!(self.plain().progress().await.unwrap(), []);
        self.applies_anew().await;
    }

    async fn applies_anew(&self) {
        let report = self.plain().run().await.unwrap();
        let change = report.changes().next().unwrap();
        assert_eq!(change.outcome, Outcome::NewlyApplied);
        assert_eq!(change.batches.as_ref().unwrap().rows, 100);
        assert_eq!(times(&self.rows).await, ["1|100"]);
    }
}

const EVERYWHERE: [Which; 3] = [Which::Here, Which::Elsewhere, Which::Without];

#[tokio::test]
async fn undo_that_failed_in_a_batch_is_continued() {
    for which in [Which::Here, Which::Elsewhere] {
        let place = Place::fresh(which).await;
        place.plain().run().await.unwrap();
        place.undo_fails().await;
        assert_eq!(times(&place.rows).await, ["0|14", "1|86"]);
        place.undo_continues(14).await;
    }
}

#[tokio::test]
async fn undo_that_was_interrupted_is_continued() {
    for which in [Which::Here, Which::Elsewhere] {
        let place = Place::fresh(which).await;
        place.plain().run().await.unwrap();
        place.undo_fails().await;
        // As a process that was killed leaves it.
        execute(
            &place.audit,
            "DELETE FROM flamingock_audit WHERE state = 'FAILED'",
        )
        .await;
        place.undo_continues(14).await;
        // The end of the undo is not on record.
        place.plain().undo(UndoTarget::Last).await.unwrap();
        let killed = "DELETE FROM flamingock_audit WHERE state = 'ROLLED_BACK'
                      AND seq = (SELECT m FROM (SELECT max(seq) AS m FROM flamingock_audit) AS x)";
        execute(&place.audit, killed).await;
        let error = place.plain().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
        let undone = place.plain().undo(UndoTarget::Last).await.unwrap();
        let change = undone.changes().next().unwrap();
        assert_eq!(change.outcome, Outcome::Undone);
        assert_eq!(change.batches.as_ref().unwrap().batches, 0);
        place.applies_anew().await;
    }
}

#[tokio::test]
async fn without_a_transaction_the_batch_that_failed_runs_again() {
    let place = Place::fresh(Which::Without).await;
    place.plain().run().await.unwrap();
    place.undo_fails().await;
    assert_eq!(times(&place.rows).await, ["0|21", "1|79"]);
    // The third batch finds its rows done, and takes the next ones.
    place.undo_continues(13).await;
}

#[tokio::test]
async fn interrupted_undo_that_is_marked_as_applied_begins_anew() {
    for which in EVERYWHERE {
        let place = Place::fresh(which).await;
        place.plain().run().await.unwrap();
        place.undo_fails().await;
        execute(&place.rows, "UPDATE items SET times = 1").await;
        let marked = place.plain();
        let reason = "the rows were done again";
        marked
            .resolve("fill", Resolution::Applied, reason)
            .await
            .unwrap();
        let undone = place.plain().undo(UndoTarget::Last).await.unwrap();
        assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
        assert_eq!(times(&place.rows).await, ["0|100"]);
        place.applies_anew().await;
    }
}

#[tokio::test]
async fn cancelled_change_is_undone() {
    for which in EVERYWHERE {
        let place = Place::fresh(which).await;
        place
            .runner(Wanted::failing_at(4), Undoing::default())
            .run()
            .await
            .unwrap_err();
        let of_change = || UndoTarget::Change("fill".to_owned());
        let error = place.plain().undo(of_change()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        let told = "Cancel it first, then undo it: `batch cancel fill --rollback --reason TEXT`";
        assert!(format!("{error:?}").contains(told), "{error:?}");

        let cancelled = place.plain().cancel("fill", "too slow").await.unwrap();
        assert_eq!(cancelled, Controlled::Done);
        let planned = place.plain().plan_undo(of_change()).await.unwrap();
        let change = planned.changes().next().unwrap();
        assert_eq!(
            (change.outcome, change.issue.as_ref()),
            (Outcome::NotReached, None)
        );
        // The first batch of the undo fails: it is to be completed, and cannot be resumed.
        let runner = place.runner(Wanted::default(), Undoing::failing_at(2));
        let error = runner.undo(of_change()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let error = place.plain().resume("fill", "again").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        let error = place.plain().pause("fill", "load").await.unwrap_err();
        assert!(error.to_string().contains("is being undone"), "{error}");
        let error = place.plain().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");

        let undone = place.plain().undo(of_change()).await.unwrap();
        assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
        assert_eq!(times(&place.rows).await, ["0|100"]);
        place.applies_anew().await;
    }
}

#[tokio::test]
async fn cancelled_change_is_undone_by_a_rollback_without_batches() {
    let (_database, pool) = fresh().await;
    let runner = |wanted| super::runner(&pool, wanted).operator("ada");
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    let operator = runner(Wanted::default());
    operator.cancel("count-items", "too slow").await.unwrap();
    let of_change = UndoTarget::Change("count-items".to_owned());
    let undone = operator.undo(of_change).await.unwrap();
    assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
    assert_eq!(times(&pool).await, ["0|100"]);
    // MariaDB shows the beginning of each attempt.
    let entries = audit(&pool).await.into_iter();
    let entries: Vec<String> = entries.filter(|entry| !entry.contains("STARTED")).collect();
    let expected = [
        "count-items 1 CANCELLED shared",
        "count-items 1 ROLLED_BACK shared",
    ];
    assert_eq!(entries[entries.len() - 2..], expected);
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&pool).await, ["1|100"]);
}

#[tokio::test]
async fn rollback_that_dies_before_its_first_batch_begins_anew() {
    let (_database, pool) = fresh().await;
    let runner = |wanted| super::runner(&pool, wanted).operator("ada");
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    runner(Wanted::default())
        .cancel("count-items", "too slow")
        .await
        .unwrap();
    let before = "UPDATE flamingock_progress SET state = 'cancelled', batches = 3";
    let of_change = || UndoTarget::Change("count-items".to_owned());
    runner(Wanted::default()).undo(of_change()).await.unwrap();
    // Only its first entry is there.
    execute(
        &pool,
        "DELETE FROM flamingock_audit WHERE state = 'ROLLED_BACK'",
    )
    .await;
    execute(&pool, before).await;
    execute(&pool, "UPDATE items SET times = 1 WHERE id < 22000").await;
    let undone = runner(Wanted::default()).undo(of_change()).await.unwrap();
    assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
    assert_eq!(times(&pool).await, ["0|100"]);
}

#[tokio::test]
async fn rollback_of_an_unfinished_change_needs_a_rollback() {
    #[change(id = "fill", order = "001", batch, register = false)]
    async fn for_good(
        batch: Batch<i64>,
        db: &mut Connection,
        wanted: &Wanted,
    ) -> Result<Next<i64>, BoxError> {
        one_batch(batch, db, wanted).await
    }
    let (_database, pool) = fresh().await;
    let runner = |wanted| {
        let runner = Runner::new(&pool).provide(wanted).operator("ada");
        runner.changes(changes![for_good])
    };
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    let operator = runner(Wanted::default());
    operator.cancel("fill", "too slow").await.unwrap();
    let of_change = UndoTarget::Change("fill".to_owned());
    let error = operator.undo(of_change).await.unwrap_err();
    assert!(
        format!("{error:?}").contains("has no `#[rollback]`"),
        "{error:?}"
    );
    // It can still be resumed.
    operator.resume("fill", "again").await.unwrap();
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&pool).await, ["1|100"]);
}

/// The rollback of the change, in a release that does not work in batches.
mod whole {
    use super::*;

    #[change(id = "fill", order = "001", batch, register = false)]
    async fn fill(
        batch: Batch<i64>,
        db: &mut Connection,
        wanted: &Wanted,
    ) -> Result<Next<i64>, BoxError> {
        one_batch(batch, db, wanted).await
    }

    #[rollback(fill)]
    async fn back(db: &mut Connection) -> Result<(), sqlx::Error> {
        query(db, "UPDATE items SET times = times - 1")
            .await
            .map(drop)
    }

    pub(super) fn runner(pool: &Pool<Db>) -> Runner {
        let runner = Runner::new(pool).changes(changes![fill]);
        runner.provide(Wanted::default()).operator("ada")
    }
}

#[tokio::test]
async fn undo_is_not_continued_by_code_that_reverses_everything() {
    let place = Place::fresh(Which::Here).await;
    place.plain().run().await.unwrap();
    place.undo_fails().await;
    let other = whole::runner(&place.audit);
    let error = other.undo(UndoTarget::Last).await.unwrap_err();
    let told = "its code worked in another way then";
    assert!(format!("{error:?}").contains(told), "{error:?}");
    assert_eq!(times(&place.rows).await, ["0|14", "1|86"]);
    place.undo_continues(14).await;
}

/// A rollback that cannot be continued, because nothing tells how far it came.
mod unsafe_rollback {
    use super::*;

    #[change(id = "fill", order = "001", batch, register = false)]
    async fn fill(
        batch: Batch<i64>,
        db: &mut Connection,
        wanted: &Wanted,
    ) -> Result<Next<i64>, BoxError> {
        one_batch(batch, db, wanted).await
    }

    #[rollback(fill, transaction = false)]
    async fn back(db: &mut Connection) -> Result<(), sqlx::Error> {
        query(db, "UPDATE items SET times = 0").await.map(drop)
    }

    pub(super) fn runner(pool: &Pool<Db>, wanted: Wanted) -> Runner {
        let runner = Runner::new(pool).changes(changes![fill]);
        runner.provide(wanted).operator("ada")
    }
}

#[tokio::test]
async fn cancelled_change_is_not_undone_outside_a_transaction() {
    let (_database, pool) = fresh().await;
    let runner = |wanted| unsafe_rollback::runner(&pool, wanted);
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    let operator = runner(Wanted::default());
    operator.cancel("fill", "too slow").await.unwrap();
    let of_change = UndoTarget::Change("fill".to_owned());
    let error = operator.undo(of_change).await.unwrap_err();
    let told = "has neither a transaction nor the key `batch`";
    assert!(format!("{error:?}").contains(told), "{error:?}");
    assert_eq!(times(&pool).await, ["0|79", "1|21"]);
    // An applied one is.
    operator.resume("fill", "again").await.unwrap();
    operator.run().await.unwrap();
    operator.undo(UndoTarget::Last).await.unwrap();
    assert_eq!(times(&pool).await, ["0|100"]);
}

/// Rows of the rollback that cannot be reversed.
mod refusing {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[derive(Clone, Debug, Default)]
    pub(super) struct Refuses(pub(super) Arc<AtomicBool>);

    #[change(id = "fill", order = "001", batch, register = false)]
    async fn fill(
        batch: Batch<i64>,
        db: &mut Connection,
        wanted: &Wanted,
    ) -> Result<Next<i64>, BoxError> {
        one_batch(batch, db, wanted).await
    }

    #[rollback(fill, batch)]
    async fn back(
        batch: Batch<i64>,
        db: &mut Connection,
        refuses: &Refuses,
    ) -> Result<Next<i64>, BoxError> {
        let next = match batch.rows_to_retry() {
            [] => {
                query(db, "UPDATE items SET times = 0 WHERE id > 1001").await?;
                Next::finished().done_rows(99)
            }
            _ => Next::finished(),
        };
        if refuses.0.load(Ordering::SeqCst) {
            return Ok(next.failed_row(1001, "it is refused"));
        }
        query(db, "UPDATE items SET times = 0 WHERE id = 1001").await?;
        Ok(next)
    }

    pub(super) fn runner(pool: &Pool<Db>, refuses: &Refuses) -> Runner {
        let runner = Runner::new(pool).changes(changes![fill]).operator("ada");
        runner.provide(Wanted::default()).provide(refuses.clone())
    }
}

#[tokio::test]
async fn rows_of_an_undo_that_fail_are_reversed_by_the_next_undo() {
    let (_database, pool) = fresh().await;
    let refuses = refusing::Refuses::default();
    let runner = || refusing::runner(&pool, &refuses);
    runner().run().await.unwrap();
    refuses.0.store(true, Ordering::SeqCst);
    let error = runner().undo(UndoTarget::Last).await.unwrap_err();
    let told = "1 row failed: the next `undo` does it again";
    assert!(format!("{error:?}").contains(told), "{error:?}");
    let failed = runner().failed_rows("fill").await.unwrap();
    assert_eq!((failed.len(), failed[0].key.as_str()), (1, "1001"));
    assert_eq!(times(&pool).await, ["0|99", "1|1"]);
    refuses.0.store(false, Ordering::SeqCst);
    runner().undo(UndoTarget::Last).await.unwrap();
    assert_eq!(times(&pool).await, ["0|100"]);
    runner().run().await.unwrap();
    assert_eq!(times(&pool).await, ["1|100"]);
}

/// The rollback of the change in a release in which it has no transaction any more.
mod outside {
    use super::*;

    #[change(id = "fill", order = "001", batch, register = false)]
    async fn fill(
        batch: Batch<i64>,
        db: &mut Connection,
        wanted: &Wanted,
    ) -> Result<Next<i64>, BoxError> {
        one_batch(batch, db, wanted).await
    }

    #[rollback(fill, batch, transaction = false)]
    async fn back(
        batch: Batch<i64>,
        db: &mut Connection,
        undoing: &Undoing,
    ) -> Result<Next<i64>, BoxError> {
        one_batch_back(batch, db, undoing).await
    }

    pub(super) fn runner(pool: &Pool<Db>) -> Runner {
        let runner = Runner::new(pool).changes(changes![fill]).operator("ada");
        runner
            .provide(Wanted::default())
            .provide(Undoing::default())
    }
}

#[tokio::test]
async fn undo_is_not_continued_in_another_transaction_mode() {
    let place = Place::fresh(Which::Here).await;
    place.plain().run().await.unwrap();
    place.undo_fails().await;
    for _ in 0..2 {
        let error = outside::runner(&place.audit)
            .undo(UndoTarget::Last)
            .await
            .unwrap_err();
        let told = "its code worked in another way then";
        assert!(format!("{error:?}").contains(told), "{error:?}");
        assert_eq!(times(&place.rows).await, ["0|14", "1|86"]);
    }
    place.undo_continues(14).await;
}
