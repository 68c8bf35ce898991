//! The statements of waiters while another run is active.

use std::time::Duration;

use flamingock::{LockOptions, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, Proxy, execute, many, until, with_table};

use super::costs::pool_behind;
use super::{Backend, assert_reads_what_is_new, grow};

#[change(id = "plain", order = "000", register = false)]
async fn plain() {}

#[change(id = "gated", order = "99998", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

/// A gate of another type than the other.
#[derive(Clone, Default)]
struct Last(Gate);

#[change(id = "last", order = "99999", register = false)]
async fn last(gate: &Last) {
    gate.0.pass().await;
}

fn long() -> LockOptions {
    LockOptions::default().wait(Duration::from_secs(100))
}

#[tokio::test]
async fn fifty_waiters_poll_a_few_times_a_second_each() {
    const WAITERS: usize = 50;
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let gate = Gate::default();
    let first = Runner::new(&pool)
        .changes(changes![plain, gated])
        .provide(gate.clone());
    let first = tokio::spawn(async move { first.run().await });
    gate.reached().await;

    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let shared = pool_behind(&proxy, &database.url).await;
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let waiter = Runner::new(&shared).changes(changes![plain, gated]);
            let waiter = waiter.provide(gate.clone()).lock(long());
            tokio::spawn(async move { waiter.run().await })
        })
        .collect();
    // The statements that are counted are those of this period, in which the pauses reach their
    // maximum.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (statements, sent) = (proxy.statements(), proxy.sent());
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    gate.open();
    first.await.unwrap().unwrap();
    for waiter in waiters {
        assert!(waiter.await.unwrap().unwrap().is_up_to_date());
    }
    // About fourteen polls while the pauses grow, and then one per second.
    assert!(statements >= WAITERS, "{statements}");
    assert!(statements <= WAITERS * 20, "{statements}");
    // Only the first of them reads entries.
    let whole = sent.iter().filter(|text| text.contains("change_order"));
    assert_eq!(whole.count(), WAITERS);
}

#[tokio::test]
async fn waiter_returns_when_its_changes_are_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let (gate, end) = (Gate::default(), Last::default());
    let newer = Runner::new(&pool)
        .changes(changes![plain, gated, last])
        .provide(gate.clone())
        .provide(end.clone());
    let newer = tokio::spawn(async move { newer.run().await });
    gate.reached().await;

    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let own = pool_behind(&proxy, &database.url).await;
    let older = Runner::new(&own).changes(changes![plain, gated]);
    let older = older.provide(gate.clone()).lock(long());
    let older = tokio::spawn(async move { older.run().await });
    until("a waiter that has looked", async || proxy.statements() > 2).await;
    assert!(!older.is_finished());
    gate.open();
    assert!(older.await.unwrap().unwrap().is_up_to_date());
    end.0.reached().await;
    assert!(!newer.is_finished());
    end.0.open();
    assert_eq!(newer.await.unwrap().unwrap().counts().newly_applied, 3);
}

#[tokio::test]
async fn waiter_reads_only_new_entries() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let gate = Gate::default();
    let known = many(changes![plain][0], 1_000);
    let runner = Runner::new(&pool).changes(known.clone());
    runner
        .baseline(known[999].id, "for the test")
        .await
        .unwrap();
    execute(&pool, &grow(9)).await;
    let changes: Vec<_> = known.into_iter().chain(changes![gated]).collect();
    let first = Runner::new(&pool)
        .changes(changes.clone())
        .provide(gate.clone());
    let first = tokio::spawn(async move { first.run().await });
    gate.reached().await;

    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let own = pool_behind(&proxy, &database.url).await;
    let waiter = Runner::new(&own).changes(changes);
    let waiter = waiter.provide(gate.clone()).lock(long());
    let waiter = tokio::spawn(async move { waiter.run().await });
    until("a waiter that polls", async || proxy.statements() > 2).await;
    let sent = proxy.sent();
    let poll = sent.iter().rfind(|text| text.contains("a.seq > ")).unwrap();
    let begin = poll.find("SELECT (SELECT").unwrap();
    assert_reads_what_is_new(&pool, poll[begin..].trim_end_matches('\0')).await;
    gate.open();
    first.await.unwrap().unwrap();
    assert!(waiter.await.unwrap().unwrap().is_up_to_date());
}
