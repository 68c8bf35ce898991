//! A shared change of MariaDB is paused between its writes and the DDL that commits them. A run
//! that takes over the lock must not repeat them: they are rolled back first, or the change is an
//! issue.

use std::time::Duration;

use flamingock_tests::Driver;

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::oracle::{DDL, Scene};
use super::start::{DEADLINE, Start, end_of};

/// The statement that commits has been sent, and is held.
async fn on_its_way(ground: &Ground, lease: u32) -> (Driver, HoldingProxy) {
    let valve = HoldingProxy::at("create table made_", Where::BeforeServer);
    let through = valve.url(ground.url()).await;
    let driver = Start::of("ddl", &through).lock(lease, 15_000).spawn();
    valve.closed().await;
    (driver, valve)
}

/// An existing effect must exist once, and be recorded.
async fn once(ground: &Ground, what: &str) {
    let scene = Scene::of(ground.url(), ground.url());
    let again = Start::of("ddl", ground.url())
        .lock(5_000, 15_000)
        .run()
        .await;
    let found = DDL.look(&scene).await;
    DDL.judge(&found, &again, what);
}

/// Waits until no session is connected that could still act.
async fn alone(ground: &Ground) {
    let others = "SELECT ID FROM information_schema.PROCESSLIST
        WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
    let gone = async {
        while !rows(ground.url(), others).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
}

#[tokio::test]
async fn mariadb_ddl_of_a_dead_process_that_arrives_late_commits_nothing() {
    let ground = Ground::with_table(Kind::MariaDb).await;
    let (mut driver, valve) = on_its_way(&ground, 500).await;
    driver.kill().unwrap();
    assert!(end_of(driver).await.result.is_none());
    let second = Start::of("ddl", ground.url())
        .lock(5_000, 20_000)
        .run()
        .await;
    second.expect("ok");
    valve.open();
    alone(&ground).await;
    once(&ground, "after a dead process's DDL").await;
}

#[tokio::test]
async fn mariadb_ddl_of_a_paused_process_that_arrives_late_commits_nothing() {
    let ground = Ground::with_table(Kind::MariaDb).await;
    let (mut driver, valve) = on_its_way(&ground, 500).await;
    driver.pause().unwrap();
    let second = Start::of("ddl", ground.url())
        .lock(5_000, 20_000)
        .run()
        .await;
    second.expect("ok");
    valve.open();
    driver.resume().unwrap();
    end_of(driver).await.expect("LeaseLost");
    alone(&ground).await;
    once(&ground, "after a paused process's DDL").await;
}

/// The run itself determines the outcome of the change, and must not report that nothing is left as
/// long as something can still be committed.
#[tokio::test]
async fn mariadb_ddl_of_a_lost_connection_that_arrives_late_commits_nothing() {
    let ground = Ground::with_table(Kind::MariaDb).await;
    let (driver, valve) = on_its_way(&ground, 20_000).await;
    valve.sever();
    let first = end_of(driver).await;
    first.expect("ChangesFailed");
    valve.open();
    alone(&ground).await;
    once(
        &ground,
        &format!("after a lost connection's DDL\n{}", first.output),
    )
    .await;
}
