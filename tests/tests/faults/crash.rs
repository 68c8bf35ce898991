//! A process is killed at every point of its run, one after the other, and run again.

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::ground::{Ground, Kind, look};
use super::killing_proxy::{KillingProxy, Side};
use super::oracle::{
    AGAIN, ATOMIC, BATCHES, BATCHES_THERE, BESIDE, DDL, Expected, FILE_ONE, FILE_TWO, LAST, PLAIN,
    SEPARATE, SHARED, Scene, TOGETHER, UNDONE, VERIFIED,
};
use super::start::{Start, end_of};

/// The number of points of a kind at the same time. Most of the time is spent waiting for leases.
const AT_ONCE: usize = 3;

/// The lease of the process that is killed, in milliseconds.
const LEASE: u32 = 400;

/// The time for a takeover: the rest of the lease, a poll, and the start of a process.
const TAKEOVER: Duration = Duration::from_secs(10);

/// The point at which a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// At the n-th event of `tracing`.
    Event(usize),
    /// At the n-th message.
    Message(Side, usize),
}

/// The databases and changes of one round of crashes.
#[derive(Debug)]
struct Round {
    audit: Kind,
    target: Option<Kind>,
    changes: &'static [Expected],
    /// Whether they run in the background.
    background: bool,
    /// One database for all points, with a service for each; otherwise each point has its own.
    common: Option<(Ground, Option<Ground>)>,
}

impl Round {
    async fn new(
        audit: Kind,
        target: Option<Kind>,
        changes: &'static [Expected],
        background: bool,
    ) -> Round {
        let mut round = Round {
            background,
            ..Round::cold(audit, target, changes)
        };
        // A file has one writer: services that shared one would wait for each other.
        if audit.is_server() {
            let (ground, other) = round.grounds().await;
            round.common = Some((ground, other));
            let warm = round.start(&round.scene_of("warm").unwrap(), None).await.0;
            warm.lock(10_000, 20_000).run().await;
        }
        round
    }

    /// Each point in an empty database: the killed run creates the tables.
    fn cold(audit: Kind, target: Option<Kind>, changes: &'static [Expected]) -> Round {
        Round {
            audit,
            target,
            changes,
            background: false,
            common: None,
        }
    }

    async fn grounds(&self) -> (Ground, Option<Ground>) {
        let other = match self.target {
            Some(kind) => Some(Ground::with_table(kind).await),
            None => None,
        };
        (Ground::with_table(self.audit).await, other)
    }

    fn scene_of(&self, tag: &str) -> Option<Scene> {
        self.common.as_ref().map(|grounds| scene(grounds, tag))
    }

    async fn start(
        &self,
        scene: &Scene,
        toll: Option<&KillingProxy>,
    ) -> (Start, Option<KillingProxy>) {
        let changes: Vec<&str> = self.changes.iter().map(|change| change.id).collect();
        let audit = passing(toll, self.audit, &scene.audit).await;
        let mut start = Start::of(&changes.join(","), &audit)
            .with("--service", &scene.service)
            .with("--tag", &scene.tag);
        if self.background {
            start = start.with("--phase", "background").with("--pool", 3);
        }
        if self.changes.contains(&SHARED) && self.changes.contains(&TOGETHER) {
            start = start.with("--pool", 3).with("--parallel", 2);
        }
        if let Some(kind) = self.target {
            start = start.with("--target", passing(toll, kind, &scene.target).await);
        }
        (start, toll.cloned())
    }

    /// Kills at the point, runs again, and compares. Returns false if the run ended earlier.
    async fn crash(&self, point: Point) -> bool {
        let tag = match point {
            Point::Event(nth) => format!("t{nth}"),
            Point::Message(Side::Client, nth) => format!("c{nth}"),
            Point::Message(Side::Server, nth) => format!("s{nth}"),
        };
        let own;
        let scene = match self.scene_of(&tag) {
            Some(scene) => scene,
            None => {
                own = self.grounds().await;
                scene(&own, &tag)
            }
        };
        let what = format!("{:?} -> {:?}, {point:?}", self.audit, self.target);
        let toll = match point {
            Point::Event(_) => None,
            Point::Message(side, nth) => Some(KillingProxy::new(side, nth)),
        };
        let (start, toll) = self.start(&scene, toll.as_ref()).await;
        let start = match point {
            Point::Event(nth) => start.with("--die-at", nth),
            Point::Message(..) => start,
        };
        let driver = start.lock(LEASE, 10_000).spawn();
        if let Some(toll) = toll {
            toll.of(driver.pid());
        }
        let first = end_of(driver).await;
        let was_killed = first.result.is_none();
        all_or_none(&scene, self.changes, &what).await;

        let (again, _) = self.start(&scene, None).await;
        let again = again.lock(5_000, 15_000);
        let began = Instant::now();
        let second = again.run().await;
        assert!(
            began.elapsed() < TAKEOVER,
            "{what}: {:?}\n{}",
            began.elapsed(),
            second.output
        );
        let mut resolved = Vec::new();
        for change in self.changes {
            let found = change.look(&scene).await;
            change.judge(&found, &second, &format!("{what}, after\n{}", first.output));
            resolved.push(found);
        }
        // A resolved state stays.
        if matches!(point, Point::Event(nth) if nth % 4 == 0) && self.changes[0].id != "undone" {
            let third = again.run().await;
            assert_eq!(third.result, second.result, "{what}: {}", third.output);
            for (change, found) in self.changes.iter().zip(&resolved) {
                assert_eq!(change.look(&scene).await, *found, "{what}");
            }
        }
        was_killed
    }

    /// In the background, the normal run has a share: what comes before the lane of a change and
    /// after it is the same for each.
    fn stride(&self) -> usize {
        let is_share = self.background && std::env::var_os("FLAMINGOCK_TEST_EXTRA").is_none();
        if is_share { 4 } else { 1 }
    }

    /// Every point of one kind, until a run completes.
    async fn every(&self, point: impl Fn(usize) -> Point) -> usize {
        let points = (1..).step_by(self.stride());
        let crashes = futures_util::stream::iter(points).map(|nth| self.crash(point(nth)));
        let killed = crashes
            .buffered(AT_ONCE)
            .take_while(|killed| std::future::ready(*killed));
        killed.count().await
    }
}

/// The state that a killed process leaves of an atomic stage, in one query, because the server may
/// be just committing.
async fn all_or_none(scene: &Scene, changes: &[Expected], what: &str) {
    let stage: Vec<_> = changes.iter().filter(|one| ATOMIC.contains(one)).collect();
    if stage.is_empty() {
        return;
    }
    let all: usize = stage.iter().map(|change| change.steps.len()).sum();
    let tag = &scene.tag;
    let names = stage
        .iter()
        .map(|change| format!("what LIKE '{tag} {} %'", change.id));
    let names = names.collect::<Vec<_>>().join(" OR ");
    let sql = format!("SELECT what FROM done WHERE {names}");
    let done = look(&scene.target, &sql).await;
    assert!(
        done.is_empty() || done.len() == all,
        "{what}: a part of an atomic stage is there: {done:?}"
    );
}

fn scene((audit, other): &(Ground, Option<Ground>), tag: &str) -> Scene {
    let target = other.as_ref().unwrap_or(audit);
    Scene {
        audit: audit.url().to_owned(),
        target: target.url().to_owned(),
        service: tag.to_owned(),
        tag: tag.to_owned(),
    }
}

async fn passing(toll: Option<&KillingProxy>, kind: Kind, url: &str) -> String {
    match toll {
        Some(toll) if kind.is_server() => toll.url(url).await,
        _ => url.to_owned(),
    }
}

async fn crash_everywhere(
    audit: Kind,
    target: Option<Kind>,
    changes: &'static [Expected],
    background: bool,
) {
    let began = Instant::now();
    let round = Round::new(audit, target, changes, background).await;
    let told = round.every(Point::Event);
    let (told, before, after) = if audit.is_server() || target.is_some_and(Kind::is_server) {
        let before = round.every(|nth| Point::Message(Side::Client, nth));
        let after = round.every(|nth| Point::Message(Side::Server, nth));
        let (told, before, after) = tokio::join!(told, before, after);
        assert!(before > 0 && after > 0, "no message was a point");
        (told, before, after)
    } else {
        (told.await, 0, 0)
    };
    assert!(told > 0, "no point was tried");
    let id = changes[0].id;
    println!(
        "crash points: {audit:?} -> {target:?} {id}: {told} events, {before} sent, {after} answered, in {:.1?}",
        began.elapsed()
    );
}

/// On SQLite every point above has an empty database.
#[tokio::test]
async fn next_run_completes_tables_that_a_crash_left_incomplete() {
    let each = [Kind::Postgres, Kind::MariaDb].map(async |kind| {
        let round = Round::cold(kind, None, &[SHARED]);
        let told = round.every(Point::Event).await;
        assert!(told > 0, "no point was tried");
        println!("crash points: {kind:?}, first run: {told} events");
    });
    futures_util::future::join_all(each).await;
}

macro_rules! crashes {
    ($($name:ident: $audit:ident $(-> $target:ident)?, [$($change:expr),+] $($background:ident)?;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let target: &[Kind] = &[$(Kind::$target)?];
            let background: &[&str] = &[$(stringify!($background))?];
            let (target, background) = (target.first().copied(), !background.is_empty());
            crash_everywhere(Kind::$audit, target, &[$($change),+], background).await;
        }
    )+};
}

crashes! {
    sqlite_shared_change_is_applied_once: Sqlite, [SHARED];
    sqlite_atomic_stage_is_applied_once: Sqlite, [TOGETHER, BESIDE];
    sqlite_files_of_an_atomic_stage_are_applied_once: Sqlite, [TOGETHER, FILE_ONE, FILE_TWO];
    sqlite_stages_side_by_side_are_applied_once: Sqlite, [SHARED, TOGETHER, BESIDE, LAST];
    sqlite_batches_are_applied_once: Sqlite, [BATCHES];
    sqlite_verified_change_is_applied_once: Sqlite, [VERIFIED];
    sqlite_retried_change_converges: Sqlite, [AGAIN];
    sqlite_failed_change_is_rolled_back_or_an_issue: Sqlite, [UNDONE];
    sqlite_non_transactional_change_is_applied_once_or_an_issue: Sqlite, [PLAIN, LAST];
    postgres_shared_change_is_applied_once: Postgres, [SHARED];
    postgres_atomic_stage_is_applied_once: Postgres, [TOGETHER, BESIDE];
    postgres_files_of_an_atomic_stage_are_applied_once: Postgres, [TOGETHER, FILE_ONE, FILE_TWO];
    postgres_stages_side_by_side_are_applied_once: Postgres, [SHARED, TOGETHER, BESIDE, LAST];
    postgres_batches_are_applied_once: Postgres, [BATCHES];
    postgres_verified_change_is_applied_once: Postgres, [VERIFIED];
    postgres_retried_change_converges: Postgres, [AGAIN];
    postgres_failed_change_is_rolled_back_or_an_issue: Postgres, [UNDONE];
    postgres_non_transactional_change_is_applied_once_or_an_issue: Postgres, [PLAIN, LAST];
    mariadb_shared_change_is_applied_once: MariaDb, [SHARED];
    mariadb_atomic_stage_is_applied_once: MariaDb, [TOGETHER, BESIDE];
    mariadb_files_of_an_atomic_stage_are_applied_once: MariaDb, [TOGETHER, FILE_ONE, FILE_TWO];
    mariadb_stages_side_by_side_are_applied_once: MariaDb, [SHARED, TOGETHER, BESIDE, LAST];
    mariadb_batches_are_applied_once: MariaDb, [BATCHES];
    mariadb_verified_change_is_applied_once: MariaDb, [VERIFIED];
    mariadb_retried_change_converges: MariaDb, [AGAIN];
    mariadb_failed_change_is_rolled_back_or_an_issue: MariaDb, [UNDONE];
    mariadb_non_transactional_change_is_applied_once_or_an_issue: MariaDb, [PLAIN, LAST];
    mariadb_ddl_change_is_applied_once_or_an_issue: MariaDb, [DDL];
    postgres_to_mariadb_change_is_applied_once: Postgres -> MariaDb, [SEPARATE];
    postgres_to_sqlite_change_is_applied_once: Postgres -> Sqlite, [SEPARATE];
    postgres_to_mariadb_batches_are_applied_once: Postgres -> MariaDb, [BATCHES_THERE];
    sqlite_to_postgres_batches_are_applied_once: Sqlite -> Postgres, [BATCHES_THERE];
    mariadb_to_postgres_change_is_applied_once: MariaDb -> Postgres, [SEPARATE];
    sqlite_to_postgres_change_is_applied_once: Sqlite -> Postgres, [SEPARATE];
    sqlite_change_in_the_background_is_applied_once: Sqlite, [SHARED] background;
    postgres_change_in_the_background_is_applied_once: Postgres, [SHARED] background;
    mariadb_change_in_the_background_is_applied_once: MariaDb, [SHARED] background;
    mariadb_ddl_in_the_background_is_applied_once_or_an_issue: MariaDb, [DDL] background;
    sqlite_batches_in_the_background_are_applied_once: Sqlite, [BATCHES] background;
    postgres_batches_in_the_background_are_applied_once: Postgres, [BATCHES] background;
    mariadb_batches_in_the_background_are_applied_once: MariaDb, [BATCHES] background;
    mariadb_to_postgres_change_in_the_background_is_applied_once: MariaDb -> Postgres, [SEPARATE] background;
}
