//! Time zones and clocks that differ: the database's clock decides.

use flamingock_tests::Driver;

use super::ground::{Ground, Kind, rows};
use super::start::{Ran, Start, end_of};

/// Runs the scenario with one process on this clock, and others on other clocks.
async fn clocks_differ(kind: Kind) {
    let (ground, url) = in_another_zone(kind).await;
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let start = || Start::of("plain,last", &url).environment("TZ", "Asia/Karachi");
    let owner = start().lock(1_500, 10_000);
    let owner = owner.spawn_held("plain 1", &go).await;
    // The lease has expired neither two days later nor two days earlier.
    for shift in ["+2d", "-2d"] {
        let other = elsewhere(start().lock(5_000, 1_000), shift).await;
        other.expect("LockTimeout");
    }
    std::fs::write(&go, "").unwrap();
    end_of(owner).await.expect("ok");
    for shift in ["+2d", "-2d"] {
        elsewhere(start().lock(5_000, 1_000), shift)
            .await
            .expect("ok")
            .says("up to date");
    }
    // The database dates their entries.
    let later = Start::of("plain,last,verified", &url).lock(5_000, 10_000);
    elsewhere(later, "+2d").await.expect("ok");
    let apart = match kind {
        Kind::Sqlite => return,
        Kind::Postgres => {
            "SELECT count(*) FROM flamingock_audit WHERE abs(extract(epoch FROM now() - started_at)) > 120"
        }
        Kind::MariaDb => {
            "SELECT count(*) FROM flamingock_audit WHERE abs(timestampdiff(SECOND, started_at, UTC_TIMESTAMP())) > 120"
        }
    };
    assert_eq!(rows(ground.url(), apart).await, ["0"]);
}

/// A process with a wrong clock.
async fn elsewhere(start: Start, shift: &str) -> Ran {
    let there = std::process::Command::new("faketime")
        .arg("--version")
        .output();
    assert!(
        there.is_ok(),
        "faketime is not installed: `apt-get install faketime`"
    );
    let start = start.through(&["faketime", "-f", shift]);
    let driver: Driver = start
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .spawn();
    end_of(driver).await
}

/// A database whose sessions are five hours ahead, if the driver allows that.
async fn in_another_zone(kind: Kind) -> (Ground, String) {
    let ground = Ground::with_table(kind).await;
    let url = match kind {
        // The driver sets UTC in every session of PostgreSQL.
        Kind::Sqlite | Kind::Postgres => ground.url().to_owned(),
        Kind::MariaDb => {
            let url = format!("{}?timezone=%2B05:00", ground.url());
            assert_eq!(rows(&url, "SELECT @@SESSION.time_zone").await, ["+05:00"]);
            url
        }
    };
    (ground, url)
}

#[tokio::test]
async fn sqlite_runs_are_independent_of_host_clocks_and_time_zones() {
    clocks_differ(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_runs_are_independent_of_host_clocks_and_time_zones() {
    clocks_differ(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_runs_are_independent_of_host_clocks_and_time_zones() {
    clocks_differ(Kind::MariaDb).await;
}
