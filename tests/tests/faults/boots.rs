//! A SQLite file that processes of two boots share, like those of a virtual machine and its host:
//! each reads its own boot id.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ground::{Ground, Kind, rows};
use super::oracle::{Scene, VERIFIED};
use super::start::{Start, end_of};

/// A boot id other than this machine's.
const OTHER: &str = "0d0e0f00-1111-4222-8333-444455556666";

/// Long enough for the start of a process on a busy machine, in milliseconds.
const LEASE: u32 = 6_000;

/// Another boot: the library that its processes preload, and the files that they read.
struct Boot {
    folder: tempfile::TempDir,
}

impl Boot {
    fn new() -> Boot {
        let folder = tempfile::tempdir().unwrap();
        let boot = Boot { folder };
        std::fs::write(boot.file(), OTHER).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/another_boot.c");
        let made = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(boot.library())
            .arg(source)
            .arg("-ldl")
            .output()
            .expect("cc, which Rust links with, is not there");
        assert!(made.status.success(), "{made:?}");
        boot
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("another_boot.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("boot_id")
    }

    /// A run under that boot.
    fn start(&self, url: &str) -> Start {
        let text = |path: PathBuf| path.into_os_string().into_string().unwrap();
        Start::of("verified", url)
            .environment("LD_PRELOAD", &text(self.library()))
            .environment("FLAMINGOCK_TEST_BOOT_ID_FILE", &text(self.file()))
    }
}

async fn one(ground: &Ground, column: &str) -> String {
    let text = format!("SELECT {column} FROM flamingock_lease WHERE service = 'default'");
    rows(ground.url(), &text).await.concat()
}

async fn wall_end(ground: &Ground) -> u128 {
    one(ground, "expires_wall_ms").await.parse().unwrap()
}

fn now() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis()
}

#[tokio::test]
async fn sqlite_live_owner_of_another_boot_keeps_the_lock() {
    let (boot, ground) = (Boot::new(), Ground::with_table(Kind::Sqlite).await);
    let go = boot.folder.path().join("go");
    // Without renewals the lease would expire while the other run waits.
    let owner = boot.start(ground.url()).lock(2_000, 20_000);
    let owner = owner.spawn_held("verified 1", &go).await;
    assert_eq!(one(&ground, "boot_id").await, OTHER);
    let other = || Start::of("verified", ground.url());
    other().lock(5_000, 9_000).run().await.expect("LockTimeout");
    std::fs::write(&go, "").unwrap();
    end_of(owner).await.expect("ok");
    let scene = Scene::of(ground.url(), ground.url());
    let again = other().lock(5_000, 20_000).run().await;
    again.expect("ok").says("up to date");
    VERIFIED.judge(&VERIFIED.look(&scene).await, &again, "another boot");
}

/// The clock of another boot does not show whether a lease has expired: only the wall clock does,
/// with a margin.
#[tokio::test]
async fn sqlite_waiter_uses_the_wall_clock_for_a_dead_owner_of_another_boot() {
    let (boot, ground) = (Boot::new(), Ground::with_table(Kind::Sqlite).await);
    let owner = boot.start(ground.url()).lock(LEASE, 20_000);
    let mut owner = owner.spawn_stuck("verified 1").await;
    owner.kill().unwrap();
    end_of(owner).await;
    assert_eq!(one(&ground, "boot_id").await, OTHER);
    let end = wall_end(&ground).await;
    let other = || Start::of("verified", ground.url());
    let early = other().lock(5_000, 500).run().await;
    assert!(now() < end, "the machine is too slow for this test");
    early.expect("LockTimeout");
    let next = other().lock(5_000, 40_000).run().await;
    next.expect("ok");
    assert!(now() >= end, "acquired before the lease ended");
    let scene = Scene::of(ground.url(), ground.url());
    VERIFIED.judge(&VERIFIED.look(&scene).await, &next, "another boot");
    assert_ne!(one(&ground, "boot_id").await, OTHER);
}

/// The clock of its own boot shows it at once, without the margin.
#[tokio::test]
async fn sqlite_waiter_ignores_the_wall_clock_for_a_dead_owner_of_the_same_boot() {
    let (boot, ground) = (Boot::new(), Ground::with_table(Kind::Sqlite).await);
    let start = || boot.start(ground.url());
    let owner = start().lock(300, 20_000);
    let mut owner = owner.spawn_stuck("verified 1").await;
    owner.kill().unwrap();
    end_of(owner).await;
    // As if the two clocks were a year apart.
    rows(
        ground.url(),
        "UPDATE flamingock_lease SET expires_wall_ms = 4000000000000",
    )
    .await;
    start().lock(5_000, 20_000).run().await.expect("ok");
}
