//! Processes that start together, and processes that are killed.

use std::time::Duration;

use flamingock_tests::{Backend as _, Driver, Finished, audit, count, done, strings, with_table};

use super::{Backend, DRIVER};

const LIMIT: Duration = Duration::from_secs(60);

/// More rounds make rarer schedules likely: `FLAMINGOCK_TEST_ROUNDS=30`.
fn rounds() -> usize {
    std::env::var("FLAMINGOCK_TEST_ROUNDS").map_or(2, |rounds| rounds.parse().expect("a number"))
}

async fn start_at_once(processes: usize) {
    for _ in 0..rounds() {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let start = || Driver::start(DRIVER, [database.url.as_str()]).unwrap();
        let drivers: Vec<Driver> = (0..processes).map(|_| start()).collect();
        let mut applied = 0;
        for driver in drivers {
            let finished = driver.finish(LIMIT).await.unwrap();
            assert!(
                finished.status.success(),
                "{}{}",
                finished.stdout,
                finished.stderr
            );
            let number = finished.stdout.split(' ').next().unwrap();
            applied += number.parse::<usize>().unwrap();
        }
        assert_eq!(applied, 3);
        assert_eq!(done(&pool).await, ["first", "last", "plain"]);
        let expected = [
            "first 1 APPLIED shared",
            "plain 1 STARTED none",
            "plain 1 APPLIED none",
            "last 1 APPLIED shared",
        ];
        assert_eq!(audit(&pool).await, expected);
        assert_eq!(
            count(&pool, "SELECT count(*) FROM flamingock_lock").await,
            1
        );
    }
}

#[tokio::test]
async fn two_processes_on_an_empty_database_apply_each_change_once() {
    start_at_once(2).await;
}

#[tokio::test]
async fn four_processes_on_an_empty_database_apply_each_change_once() {
    start_at_once(4).await;
}

#[tokio::test]
async fn eight_processes_on_an_empty_database_apply_each_change_once() {
    start_at_once(8).await;
}

#[tokio::test]
async fn process_killed_in_a_transaction_leaves_nothing_and_the_next_run_applies_the_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let url = database.url.as_str();
    let mut killed = Driver::start(DRIVER, [url, "2000", "first"]).unwrap();
    killed.line("holding", LIMIT).await.unwrap();
    killed.kill().unwrap();
    killed.finish(LIMIT).await.unwrap();
    let next = Driver::start(DRIVER, [url])
        .unwrap()
        .finish(LIMIT)
        .await
        .unwrap();
    assert!(next.status.success(), "{}", next.stderr);
    assert_eq!(next.stdout, "3 newly applied\n");
    assert_eq!(done(&pool).await, ["first", "last", "plain"]);
    assert_eq!(audit(&pool).await[0], "first 1 APPLIED shared");
    assert_eq!(
        strings(&pool, "SELECT fencing_token FROM flamingock_lock").await,
        ["2"]
    );
}

#[tokio::test]
async fn process_killed_outside_a_transaction_leaves_an_issue() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let url = database.url.as_str();
    let mut killed = Driver::start(DRIVER, [url, "2000", "plain"]).unwrap();
    killed.line("holding", LIMIT).await.unwrap();
    killed.kill().unwrap();
    killed.finish(LIMIT).await.unwrap();
    for _ in 0..2 {
        let next = Driver::start(DRIVER, [url])
            .unwrap()
            .finish(LIMIT)
            .await
            .unwrap();
        assert!(!next.status.success(), "{}", next.stdout);
        assert!(
            next.stderr
                .contains("manual resolution is needed for \"plain\""),
            "{}",
            next.stderr
        );
    }
    assert_eq!(
        audit(&pool).await,
        ["first 1 APPLIED shared", "plain 1 STARTED none"]
    );
    assert_eq!(done(&pool).await, ["first", "plain"]);
}

/// Kills a process in that change while another one waits for it, and returns the end of the
/// waiter.
async fn killed_with_a_waiter(url: &str, change: &str) -> Finished {
    let mut killed = Driver::start(DRIVER, [url, "2000", change]).unwrap();
    killed.line("holding", LIMIT).await.unwrap();
    let mut waiter = Driver::start(DRIVER, [url, "2000", "waits"]).unwrap();
    waiter.line("waiting", LIMIT).await.unwrap();
    killed.kill().unwrap();
    killed.finish(LIMIT).await.unwrap();
    waiter.finish(LIMIT).await.unwrap()
}

#[tokio::test]
async fn waiter_applies_the_change_of_a_process_killed_in_its_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let waiter = killed_with_a_waiter(&database.url, "first").await;
    assert!(waiter.status.success(), "{}", waiter.stderr);
    assert_eq!(waiter.stdout, "waiting\n3 newly applied\n");
    assert_eq!(done(&pool).await, ["first", "last", "plain"]);
    let expected = [
        "first 1 APPLIED shared",
        "plain 1 STARTED none",
        "plain 1 APPLIED none",
        "last 1 APPLIED shared",
    ];
    assert_eq!(audit(&pool).await, expected);
}

#[tokio::test]
async fn waiter_reports_an_issue_for_a_process_killed_outside_a_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let waiter = killed_with_a_waiter(&database.url, "plain").await;
    assert!(!waiter.status.success(), "{}", waiter.stdout);
    let asks = "manual resolution is needed for \"plain\"";
    assert!(waiter.stderr.contains(asks), "{}", waiter.stderr);
    assert_eq!(
        audit(&pool).await,
        ["first 1 APPLIED shared", "plain 1 STARTED none"]
    );
    assert_eq!(done(&pool).await, ["first", "plain"]);
}
