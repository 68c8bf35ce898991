//! A backfill of a large table: processes are killed at random while another one inserts rows.

use std::time::Duration;

use flamingock_tests::until;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::ground::{Ground, Kind, rows, try_rows};
use super::start::{Start, end_of};

/// How many rows there are, and how many processes are killed.
fn extent() -> (i64, usize) {
    match std::env::var_os("FLAMINGOCK_TEST_EXTRA") {
        Some(_) => (1_000_000, 20),
        None => (40_000, 4),
    }
}

/// Rows with gaps between their keys, of two columns.
async fn fill(ground: &Ground, count: i64) {
    let create =
        "CREATE TABLE items (tenant INT NOT NULL, id BIGINT NOT NULL, value BIGINT NOT NULL,
                  times INT NOT NULL, PRIMARY KEY (tenant, id))";
    rows(ground.url(), create).await;
    for first in (0..count).step_by(10_000) {
        let values: Vec<String> = (first..(first + 10_000).min(count))
            .map(|row| format!("({}, {}, {row}, 0)", row % 7, row * row + 1))
            .collect();
        let insert = format!("INSERT INTO items VALUES {}", values.join(", "));
        rows(ground.url(), &insert).await;
    }
}

/// How many batches are committed.
async fn committed(ground: &Ground) -> i64 {
    let progress = try_rows(ground.url(), "SELECT batches FROM flamingock_progress").await;
    let progress = progress.unwrap_or_default();
    progress
        .first()
        .map_or(0, |batches| batches.parse().unwrap())
}

async fn killed_at_random(kind: Kind) {
    let (count, kills) = extent();
    let seed: u64 = rand::random();
    println!("{kind:?}: seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let ground = Ground::with_table(kind).await;
    fill(&ground, count).await;
    // Behind the last row, where a backfill without a bound would never end.
    let url = ground.url().to_owned();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let inserting = tokio::spawn(async move {
        let mut inserted = 0_i64;
        while stopped.try_recv().is_err() {
            let id = i64::MAX / 2 + inserted;
            let insert = format!("INSERT INTO items VALUES (6, {id}, 0, 0)");
            // SQLite has one writer, which may be busy for longer than this waits.
            inserted += i64::from(try_rows(&url, &insert).await.is_ok());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        inserted
    });
    let start = Start::of("backfill", ground.url()).lock(1_000, 60_000);
    let mut killed = 0;
    let mut batches = 0;
    while killed < kills {
        let mut driver = start.spawn();
        // Two processes: one works, the other waits and takes over.
        let mut other = start.spawn();
        // A process begins with small batches, so a kill soon after some of them leaves most rows.
        let enough = batches + random.random_range(1..=2);
        until("batches are committed", async || {
            committed(&ground).await >= enough
        })
        .await;
        let pause = Duration::from_millis(random.random_range(0..200));
        tokio::time::sleep(pause).await;
        for one in [&mut driver, &mut other] {
            let _ = one.kill();
        }
        let ended = [end_of(driver).await, end_of(other).await];
        killed += ended.iter().filter(|ran| ran.result.is_none()).count();
        let now = committed(&ground).await;
        assert!(
            now >= batches,
            "committed batches are lost: {now} of {batches}"
        );
        batches = now;
        if ended.iter().any(|ran| ran.result.as_deref() == Some("ok")) {
            break;
        }
    }
    start.run().await.expect("ok");
    stop.send(()).unwrap();
    let inserted = inserting.await.unwrap();
    let once = "SELECT count(*), sum(value) FROM items WHERE times = 1 AND (value > 0 OR id = 1)";
    let sum: i64 = (0..count).sum();
    assert_eq!(rows(ground.url(), once).await, [format!("{count}|{sum}")]);
    let twice = "SELECT count(*) FROM items WHERE times > 1";
    assert_eq!(rows(ground.url(), twice).await, ["0"]);
    let applied = "SELECT state FROM flamingock_audit WHERE state NOT IN ('STARTED', 'FAILED')";
    assert_eq!(rows(ground.url(), applied).await, ["APPLIED"]);
    assert!(killed > 0, "no process was killed");
    println!(
        "{kind:?}: {killed} killed, {batches} batches before the end, {inserted} rows inserted"
    );
}

#[tokio::test]
async fn sqlite_backfill_does_each_row_once() {
    killed_at_random(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_backfill_does_each_row_once() {
    killed_at_random(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_backfill_does_each_row_once() {
    killed_at_random(Kind::MariaDb).await;
}
