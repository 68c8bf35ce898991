//! Many concurrent processes, killed at random.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::ground::{Ground, Kind};
use super::oracle::{AGAIN, Expected, LAST, PLAIN, SHARED, Scene, VERIFIED};
use super::start::{Start, end_of};

const CHANGES: [Expected; 5] = [SHARED, VERIFIED, AGAIN, PLAIN, LAST];

/// The number of concurrent processes.
const PROCESSES: usize = 4;

fn seconds() -> u64 {
    let given = std::env::var("FLAMINGOCK_SOAK_SECONDS").ok();
    given.map_or(15, |seconds| {
        seconds
            .parse()
            .expect("FLAMINGOCK_SOAK_SECONDS is a number")
    })
}

fn seed() -> u64 {
    let given = std::env::var("FLAMINGOCK_SOAK_SEED").ok();
    given.map_or_else(rand::random, |seed| {
        seed.parse().expect("FLAMINGOCK_SOAK_SEED is a number")
    })
}

/// One service: processes start and are killed until one of them completes.
async fn round(kind: Kind, ground: &Ground, tag: &str, random: &mut StdRng) -> usize {
    let (service, tag) = (tag.to_owned(), tag.to_owned());
    let scene = Scene {
        service,
        tag,
        ..Scene::of(ground.url(), ground.url())
    };
    let ids: Vec<&str> = CHANGES.iter().map(|change| change.id).collect();
    let start = Start::of(&ids.join(","), ground.url())
        .with("--service", &scene.service)
        .with("--tag", &scene.tag)
        .lock(400, 20_000);
    let mut kills = 0;
    for _ in 0..random.random_range(1..4) {
        let mut drivers: Vec<_> = (0..PROCESSES).map(|_| start.spawn()).collect();
        while !drivers.is_empty() {
            tokio::time::sleep(Duration::from_millis(random.random_range(5..60))).await;
            let mut driver = drivers.swap_remove(random.random_range(0..drivers.len()));
            // A process that has completed is not counted as killed.
            let _ = driver.kill();
            kills += usize::from(end_of(driver).await.result.is_none());
        }
    }
    let last = start.clone().lock(5_000, 20_000).run().await;
    for change in CHANGES {
        let found = change.look(&scene).await;
        change.judge(&found, &last, &format!("{kind:?} {}", scene.tag));
    }
    kills
}

async fn soak(kind: Kind) {
    let seed = seed();
    println!("{kind:?}: FLAMINGOCK_SOAK_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let until = Instant::now() + Duration::from_secs(seconds()) / 3;
    let (mut rounds, mut kills) = (0, 0);
    let mut ground = Ground::with_table(kind).await;
    while Instant::now() < until || kills == 0 {
        // A file has one writer, so each round has its own file.
        if kind == Kind::Sqlite && rounds > 0 {
            ground = Ground::with_table(kind).await;
        }
        rounds += 1;
        kills += round(kind, &ground, &format!("r{rounds}"), &mut random).await;
    }
    println!("{kind:?}: {kills} processes killed in {rounds} rounds");
}

#[tokio::test]
async fn processes_killed_at_random_leave_a_correct_audit() {
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MariaDb] {
        soak(kind).await;
    }
}
