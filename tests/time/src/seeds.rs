//! Selects the schedules to play, and replays one.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::is_extra;
use crate::trace::Trace;

/// The result of a schedule.
#[derive(Debug)]
pub struct Played {
    /// The broken rules.
    pub wrong: Vec<String>,
    /// The events, line by line.
    pub trace: String,
}

impl Played {
    /// The contents of a trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Played {
        Played {
            wrong: trace.what_is_wrong(),
            trace: trace.text(),
        }
    }

    /// Whether all rules hold.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The message of a failed test.
    #[must_use]
    pub fn text(&self, test: &str, seed: u64) -> String {
        format!(
            "{}\n{}\nplay it again: FLAMINGOCK_TEST_SEED={seed} cargo test -p {test}",
            self.trace,
            self.wrong.join("\n")
        )
    }
}

/// The seeds of a test: that of `FLAMINGOCK_TEST_SEED`, otherwise this number of them.
///
/// # Panics
///
/// Panics if the variable is not a number.
#[must_use]
pub fn seeds(plain: u64, extra: u64) -> Range<u64> {
    match std::env::var("FLAMINGOCK_TEST_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("FLAMINGOCK_TEST_SEED is a number");
            seed..seed + 1
        }
        Err(_) if is_extra() => 0..extra,
        Err(_) => 0..plain,
    }
}

/// Plays them, on every core, until one fails. `test` is the argument by which cargo selects the
/// test.
///
/// # Panics
///
/// Panics if a schedule fails, with its trace.
pub fn try_all(test: &str, seeds: Range<u64>, play: impl Fn(u64) -> Played + Sync) {
    let next = AtomicU64::new(seeds.start);
    let has_failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !has_failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = play(seed);
                    if !outcome.is_right() {
                        has_failed.store(true, Ordering::Relaxed);
                        *failure.lock().unwrap() = Some(outcome.text(test, seed));
                    }
                }
            });
        }
    });
    if let Some(failure) = failure.into_inner().unwrap() {
        panic!("{failure}");
    }
    println!("{test}: {} schedules", seeds.end - seeds.start);
}

/// Plays them, that many at the same time, until one fails. `test` is the argument by which cargo
/// selects the test.
///
/// # Panics
///
/// Panics if a schedule fails, with its trace.
pub async fn try_side_by_side<F>(
    test: &str,
    seeds: Range<u64>,
    side_by_side: usize,
    play: impl Fn(u64) -> F,
) where
    F: Future<Output = Played> + Send + 'static,
{
    let mut waiting = seeds.clone();
    let mut playing = JoinSet::new();
    let mut number = 0_u64;
    loop {
        while playing.len() < side_by_side {
            let Some(seed) = waiting.next() else {
                break;
            };
            let played = play(seed);
            playing.spawn(async move { (seed, played.await) });
        }
        let Some(played) = playing.join_next().await else {
            break;
        };
        let (seed, played) = played.unwrap();
        assert!(played.is_right(), "{}", played.text(test, seed));
        number += 1;
        if number.is_multiple_of(500) {
            println!("{test}: {number} schedules so far");
        }
    }
    println!("{test}: {} schedules", seeds.end - seeds.start);
}
