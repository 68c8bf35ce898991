//! The lock on a store whose answers come late, are lost, or never come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flamingock::audit::{AuditStore as _, HistoryFilter, LockStatus, State};
use flamingock::{
    BoxError, Error, ErrorKind, LockOptions, MemoryStore, Runner, Stage, UndoTarget, change,
    changes, rollback, verify,
};
use flamingock_tests::{Gate, until};

use super::faulty::{Call, Fault, Faulty};

const LEASE: Duration = Duration::from_millis(1_500);

fn options(lease: Duration) -> LockOptions {
    LockOptions::default()
        .lease(lease)
        .wait(Duration::from_secs(20))
        .poll(Duration::from_millis(10))
}

#[derive(Debug, Default)]
struct Calls(AtomicUsize);

impl Calls {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[change(id = "verified", order = "001", register = false)]
async fn verified(calls: &Calls, gate: &Gate) {
    calls.0.fetch_add(1, Ordering::SeqCst);
    gate.pass().await;
}

/// An attempt never has effects: the next owner of the lock runs the change again.
#[verify(verified)]
async fn nothing_is_there() -> bool {
    false
}

fn runner(store: &Faulty, calls: &Arc<Calls>, gate: &Gate) -> Runner {
    Runner::new(Arc::new(store.clone()))
        .changes(changes![verified])
        .provide_arc(Arc::clone(calls))
        .provide(gate.clone())
        .lock(options(LEASE))
}

async fn lock(store: &MemoryStore) -> LockStatus {
    store.snapshot("default", "").await.unwrap().lock.unwrap()
}

async fn states(store: &MemoryStore) -> Vec<State> {
    let entries = store
        .history("default", &HistoryFilter::default())
        .await
        .unwrap();
    entries.into_iter().map(|one| one.state).collect()
}

/// The answer to the acquisition takes most of the lease, or all of it.
async fn acquisition_is_answered_late(by: Duration, other_is_first: bool) {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    let late = Faulty::new(&store, move |call, nth| {
        (call == Call::Acquire && nth == 1).then_some(Fault::Late(by))
    });
    let first = tokio::spawn(runner(&late, &calls, &gate).run());
    until("it has asked for the lock", async || {
        late.count(Call::Acquire) == 1
    })
    .await;
    let plain = Faulty::new(&store, |_, _| None);
    let second = tokio::spawn(runner(&plain, &calls, &gate).run());
    gate.reached().await;
    let owner = lock(&store).await.fencing_token;
    assert_eq!(owner, if other_is_first { 2 } else { 1 });
    // The test needs real time: no takeover may happen meanwhile.
    tokio::time::sleep(LEASE * 2).await;
    assert_eq!(calls.count(), 1);
    gate.open();
    let applied = first.await.unwrap().unwrap().counts().newly_applied
        + second.await.unwrap().unwrap().counts().newly_applied;
    assert_eq!((applied, calls.count()), (1, 1));
    assert_eq!(lock(&store).await.fencing_token, owner);
}

#[tokio::test]
async fn late_answer_to_an_acquisition_keeps_the_lock() {
    acquisition_is_answered_late(LEASE * 4 / 5, false).await;
}

#[tokio::test]
async fn acquisition_answered_after_the_lease_starts_nothing() {
    acquisition_is_answered_late(LEASE * 2, true).await;
}

/// A lease counts from before the renewal is requested, so a late answer leaves little of it.
#[tokio::test]
async fn late_answers_to_renewals_start_no_change() {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    let late = Faulty::new(&store, |call, _| {
        (call == Call::Renew).then_some(Fault::Late(LEASE * 4 / 5))
    });
    gate.open();
    let error = runner(&late, &calls, &gate).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(calls.count(), 0);
}

#[tokio::test]
async fn acquisition_whose_answer_is_lost_is_repeated() {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    gate.open();
    let cut = Faulty::new(&store, |call, nth| {
        (call == Call::Acquire && nth <= 2).then_some(Fault::Lost)
    });
    let began = Instant::now();
    let runner = runner(&cut, &calls, &gate).lock(options(Duration::from_secs(60)));
    let report = runner.run().await.unwrap();
    assert_eq!((report.counts().newly_applied, calls.count()), (1, 1));
    assert!(began.elapsed() < Duration::from_secs(10));
    let lock = lock(&store).await;
    assert_eq!((lock.fencing_token, lock.run_id), (1, None));
}

#[tokio::test]
async fn release_whose_answer_is_lost_is_repeated() {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    gate.open();
    let cut = Faulty::new(&store, |call, nth| {
        (call == Call::Release && nth == 1).then_some(Fault::Lost)
    });
    runner(&cut, &calls, &gate).run().await.unwrap();
    assert_eq!(cut.count(Call::Release), 2);
    let appended = cut.count(Call::Append);
    assert!(
        runner(&cut, &calls, &gate)
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
    assert_eq!(
        (cut.count(Call::Append), cut.count(Call::Acquire)),
        (appended, 1)
    );
}

#[tokio::test]
async fn lost_renewal_answers_cost_the_lock_at_the_end_of_the_lease() {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    let cut = Faulty::new(&store, |call, nth| {
        (call == Call::Renew && nth > 1).then_some(Fault::Lost)
    });
    let run = runner(&cut, &calls, &gate).run();
    let error = tokio::time::timeout(Duration::from_secs(20), run).await;
    let error = error.unwrap().unwrap_err();
    assert!(
        format!("{error:#}").contains("could not be renewed"),
        "{error}"
    );
}

/// A release does not wait for a hanging renewal.
#[tokio::test]
async fn release_does_not_wait_for_a_renewal() {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    let hangs = Faulty::new(&store, |call, nth| {
        (call == Call::Renew && nth > 1).then_some(Fault::Never)
    });
    let runner = runner(&hangs, &calls, &gate).lock(options(Duration::from_secs(18)));
    let run = tokio::spawn(runner.run());
    until("a renewal is on its way", async || {
        hangs.count(Call::Renew) == 2
    })
    .await;
    let began = Instant::now();
    gate.open();
    run.await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
}

/// The lock is neither free nor renewed: its owner could not determine which transactions are open.
async fn is_kept_until_it_ends(store: &MemoryStore) {
    let kept = lock(store).await;
    assert!(kept.held && kept.run_id.is_some(), "{kept:?}");
    until("the lease is over", async || !lock(store).await.held).await;
    assert_eq!(lock(store).await.fencing_token, kept.fencing_token);
}

#[tokio::test]
async fn run_that_panics_does_not_release_the_lock() {
    for nth in [1, 2] {
        let store = MemoryStore::new();
        let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
        gate.open();
        let broken = Faulty::new(&store, move |call, now| {
            (call == Call::Append && now == nth).then_some(Fault::Panics)
        });
        let run = tokio::spawn(runner(&broken, &calls, &gate).run());
        assert!(run.await.unwrap_err().is_panic());
        is_kept_until_it_ends(&store).await;
    }
}

#[change(id = "undoable", order = "001", register = false)]
async fn undoable(calls: &Calls) {
    calls.0.fetch_add(1, Ordering::SeqCst);
}

#[rollback(undoable)]
async fn undoes() {}

#[tokio::test]
async fn undo_that_panics_or_is_in_doubt_does_not_release_the_lock() {
    for fault in [Fault::Panics, Fault::Fails] {
        let store = MemoryStore::new();
        let calls = Arc::new(Calls::default());
        let runner = |store: &Faulty| {
            Runner::new(Arc::new(store.clone()))
                .changes(changes![undoable])
                .provide_arc(calls.clone())
                .lock(options(LEASE).wait(Duration::from_millis(100)))
        };
        runner(&Faulty::new(&store, |_, _| None))
            .run()
            .await
            .unwrap();
        // The first entry of the undo is its start.
        let broken = Faulty::new(&store, move |call, nth| {
            (call == Call::Append && nth >= 2).then_some(fault)
        });
        let undo = tokio::spawn(runner(&broken).undo(UndoTarget::Last));
        match undo.await {
            Ok(ended) => {
                let error = ended.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
            }
            Err(error) => assert!(error.is_panic()),
        }
        is_kept_until_it_ends(&store).await;
    }
}

#[change(id = "beside", order = "001", stage = "beside", register = false)]
async fn beside() {}

#[change(id = "doubtful", order = "001", stage = "doubtful", register = false)]
async fn doubtful(calls: &Calls) -> Result<(), BoxError> {
    calls.0.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[tokio::test]
async fn run_with_an_outcome_in_doubt_does_not_release_the_lock() {
    for side_by_side in [1, 2] {
        let store = MemoryStore::new();
        let calls = Arc::new(Calls::default());
        // STARTED and APPLIED of each; the second APPLIED and later entries are lost.
        let cut = Faulty::new(&store, |call, nth| {
            (call == Call::Append && nth >= 4).then_some(Fault::Fails)
        });
        let runner = Runner::new(Arc::new(cut))
            .changes(changes![beside, doubtful])
            .stage(Stage::new("beside"))
            .stage(Stage::new("doubtful"))
            .parallel_stages(side_by_side)
            .provide_arc(calls)
            .lock(options(LEASE).wait(Duration::from_millis(100)));
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
        is_kept_until_it_ends(&store).await;
    }
}

/// Only the connections that renew get answers: the run ends, and so does its lease.
#[tokio::test]
async fn run_without_answers_ends_and_stops_renewing() {
    // Two polls, an acquisition, and the entries of a change.
    let cases = [
        (Call::Snapshot, 1, false),
        (Call::Snapshot, 2, false),
        (Call::Acquire, 1, false),
        (Call::Append, 1, true),
        (Call::Append, 2, true),
        (Call::Release, 1, false),
    ];
    let runs = cases.map(|(call, nth, in_doubt)| async move {
        let store = MemoryStore::new();
        let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
        gate.open();
        let silent = Faulty::new(&store, move |one, now| {
            (one == call && now >= nth).then_some(Fault::Never)
        });
        let runner =
            runner(&silent, &calls, &gate).lock(options(LEASE).wait(Duration::from_secs(1)));
        let ended = tokio::time::timeout(Duration::from_secs(40), runner.run());
        let ended = ended
            .await
            .unwrap_or_else(|_| panic!("it hangs at {call:?} {nth}"));
        match (ended.as_ref().map_err(Error::kind), call) {
            (Ok(report), Call::Release) => assert!(report.is_success(), "{report}"),
            (Err(ErrorKind::InDoubt | ErrorKind::ChangesFailed), _) if in_doubt => {}
            (Err(ErrorKind::Store), _) if !in_doubt => {}
            _ => panic!("{call:?} {nth}: {ended:?}"),
        }
        let renewals = silent.count(Call::Renew);
        if (call, nth) == (Call::Append, 2) {
            is_kept_until_it_ends(&store).await;
        }
        tokio::time::sleep(LEASE).await;
        assert_eq!(silent.count(Call::Renew), renewals, "{call:?} {nth}");
    });
    futures_util::future::join_all(runs).await;
}

/// The function takes longer than any answer may.
#[tokio::test]
async fn slow_function_keeps_the_lock() {
    let store = MemoryStore::new();
    let (calls, gate) = (Arc::new(Calls::default()), Gate::default());
    let plain = Faulty::new(&store, |_, _| None);
    let runner = runner(&plain, &calls, &gate).lock(options(LEASE).wait(Duration::from_millis(10)));
    let run = tokio::spawn(runner.run());
    gate.reached().await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert!(lock(&store).await.held);
    gate.open();
    assert_eq!(run.await.unwrap().unwrap().counts().newly_applied, 1);
}

#[change(id = "next", order = "002", register = false)]
async fn next(gate: &Gate) {
    gate.pass().await;
}

/// Between the read and the forced acquisition the owner ends, and another owner acquires the lock
/// or none does.
#[tokio::test]
async fn forced_release_ends_only_the_owner_that_was_shown() {
    for other_comes in [true, false] {
        let store = MemoryStore::new();
        let calls = Arc::new(Calls::default());
        let (first, second, forced) = (Gate::default(), Gate::default(), Gate::default());
        let plain = Faulty::new(&store, |_, _| None);
        let seen = tokio::spawn(runner(&plain, &calls, &first).run());
        first.reached().await;
        let slow = Faulty::new(&store, |_, _| None).holding_forced(&forced);
        let operator = runner(&slow, &calls, &first);
        let release = tokio::spawn(async move { operator.release_lock("it is dead").await });
        forced.reached().await;
        first.open();
        seen.await.unwrap().unwrap();
        let other = other_comes.then(|| {
            let other = runner(&plain, &calls, &second).changes(changes![verified, next]);
            tokio::spawn(other.run())
        });
        if other_comes {
            second.reached().await;
        }
        forced.open();
        let released = release.await.unwrap();
        if let Some(other) = other {
            let error = released.unwrap_err();
            assert!(format!("{error:#}").contains("another owner"), "{error}");
            assert!(format!("{error:?}").contains("release again"), "{error:?}");
            second.open();
            assert_eq!(other.await.unwrap().unwrap().counts().newly_applied, 1);
        } else {
            assert_eq!(released.unwrap(), None);
        }
        assert!(!states(&store).await.contains(&State::LockReleased));
    }
}
