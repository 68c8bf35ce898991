//! Selects the schedules to play, and replays one.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::is_extra;
use crate::stall::Stalls;
use crate::trace::Trace;

/// How often a schedule is played again at most.
const MOST_AGAIN: u32 = 3;

/// The result of a schedule.
#[derive(Debug)]
pub struct Played {
    /// The broken rules.
    pub wrong: Vec<String>,
    /// Whether only rules about time are broken, which a stall of the machine breaks, too.
    pub is_only_late: bool,
    /// The events, line by line.
    pub trace: String,
}

impl Played {
    /// The contents of a trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Played {
        let wrong = trace.what_is_wrong();
        Played {
            is_only_late: wrong.iter().all(|(_, is_about_time)| *is_about_time),
            wrong: wrong.into_iter().map(|(what, _)| what).collect(),
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
/// A schedule that breaks only rules about time, after a stall of the machine, is played again: the
/// second argument of `play` is the number of its plays so far.
///
/// # Panics
///
/// Panics if a schedule fails, with its trace.
pub async fn try_side_by_side<F>(
    test: &str,
    seeds: Range<u64>,
    side_by_side: usize,
    play: impl Fn(u64, u32) -> F,
) where
    F: Future<Output = Played> + Send + 'static,
{
    let stalls = Stalls::watch();
    let mut waiting = seeds.clone();
    let mut again = Vec::new();
    let mut playing = JoinSet::new();
    let mut number = 0_u64;
    loop {
        while playing.len() < side_by_side {
            let first = || waiting.next().map(|seed| (seed, 0));
            let Some((seed, before)) = again.pop().or_else(first) else {
                break;
            };
            let began = Instant::now();
            let played = play(seed, before);
            playing.spawn(async move { (seed, before, began, played.await) });
        }
        let Some(played) = playing.join_next().await else {
            break;
        };
        let (seed, before, began, played) = played.unwrap();
        if !played.is_right()
            && played.is_only_late
            && before < MOST_AGAIN
            && let Some(length) = stalls.since(began)
        {
            println!("{test}: seed {seed} failed after a stall of {length:?}: played again");
            again.push((seed, before + 1));
            continue;
        }
        assert!(played.is_right(), "{}", played.text(test, seed));
        number += 1;
        if number.is_multiple_of(500) {
            println!("{test}: {number} schedules so far");
        }
    }
    println!("{test}: {} schedules", seeds.end - seeds.start);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::{MOST_AGAIN, Played, try_side_by_side};

    fn played(is_right: bool, wrong: &str) -> Played {
        Played {
            wrong: if is_right {
                Vec::new()
            } else {
                vec![wrong.to_owned()]
            },
            is_only_late: wrong == LATE,
            trace: String::new(),
        }
    }

    const LATE: &str = "late";

    /// Plays three seeds. The second one fails that often, after blocking the process. Returns the
    /// plays.
    async fn plays(failures: u32, blocked: Duration, wrong: &'static str) -> Vec<(u64, u32)> {
        let plays = Mutex::new(Vec::new());
        try_side_by_side("test", 0..3, 1, |seed, before| {
            plays.lock().unwrap().push((seed, before));
            async move {
                let fails = seed == 1 && before < failures;
                if fails {
                    std::thread::sleep(blocked);
                }
                played(!fails, wrong)
            }
        })
        .await;
        plays.into_inner().unwrap()
    }

    const STALL: Duration = Duration::from_millis(600);

    #[tokio::test]
    async fn failure_after_a_stall_is_played_again() {
        let expected = [(0, 0), (1, 0), (1, 1), (2, 0)];
        assert_eq!(plays(1, STALL, LATE).await, expected);
    }

    #[tokio::test]
    #[should_panic = "late"]
    async fn failure_without_a_stall_fails_the_test() {
        plays(1, Duration::ZERO, LATE).await;
    }

    #[tokio::test]
    #[should_panic = "late"]
    async fn failure_after_each_stall_fails_the_test() {
        plays(MOST_AGAIN + 1, STALL, LATE).await;
    }

    #[tokio::test]
    #[should_panic = "applied twice"]
    async fn another_broken_rule_fails_the_test_even_after_a_stall() {
        plays(1, STALL, "applied twice").await;
    }
}
