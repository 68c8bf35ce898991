//! The pauses of a waiter between two polls of the lock.

use std::time::Duration;

/// The longest pause between two polls.
const LONGEST: Duration = Duration::from_secs(1);

/// The shortest pause of a waiter that expects the other run to end.
const SHORTEST: Duration = Duration::from_millis(7);

/// Pauses that grow by about a quarter, so that a waiter returns late by at most a quarter of the
/// time that it waited. If the progress of the other run shows when it will end, the pause is
/// shorter.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    seen: Option<Seen>,
    jitter: u32,
}

/// The number of pending changes: the maximum, and the number at the last poll.
#[derive(Clone, Copy, Debug)]
struct Seen {
    most: u32,
    /// When the maximum was seen.
    since: Duration,
    last: u32,
}

impl Backoff {
    /// Creates the pauses of a run. They depend on its id, so that a simulation with fixed ids
    /// repeats them.
    pub(crate) fn new(poll: Duration, run_id: &str) -> Backoff {
        Backoff {
            pause: poll,
            seen: None,
            jitter: crc32fast::hash(run_id.as_bytes()),
        }
    }

    /// Returns the pause after a poll that found `pending` changes at the time `now` since the wait
    /// began.
    pub(crate) fn after(&mut self, pending: usize, now: Duration) -> Duration {
        let pending = u32::try_from(pending).unwrap_or(u32::MAX);
        let pause = self.grow();
        let start = Seen {
            most: pending,
            since: now,
            last: pending,
        };
        let seen = self.seen.get_or_insert(start);
        if pending > seen.last {
            // The other run undoes changes, so the earlier count says nothing about its end.
            *seen = start;
        }
        // A run that makes no progress says nothing about its end.
        let moves = pending < seen.last;
        seen.last = pending;
        if !moves {
            return pause;
        }
        let each = now.saturating_sub(seen.since) / (seen.most - pending);
        // The other run began before the first poll, so it is faster than this estimate.
        let rest = each.saturating_mul(pending);
        pause.min((rest - rest / 10).max(SHORTEST))
    }

    /// Returns the pause after a poll that gave no information.
    pub(crate) fn grow(&mut self) -> Duration {
        let pause = self.pause;
        // With jitter, so that waiters do not poll in step. The constants are those of "Numerical
        // Recipes"; the upper bits are the random ones.
        self.jitter = self
            .jitter
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let grown = pause.mul_f64(1.1 + 0.3 * f64::from(self.jitter) / f64::from(u32::MAX));
        self.pause = grown.min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn pauses_grow_by_a_quarter_up_to_a_second() {
        let mut pace = Backoff::new(ms(50), "a run");
        let mut before = pace.grow();
        assert_eq!(before, ms(50));
        for _ in 0..60 {
            let next = pace.grow();
            assert!(
                next >= before.mul_f64(1.1).min(LONGEST),
                "{before:?} {next:?}"
            );
            assert!(
                next <= before.mul_f64(1.4).min(LONGEST),
                "{before:?} {next:?}"
            );
            before = next;
        }
        assert_eq!(before, LONGEST);
    }

    #[test]
    fn a_waiter_looks_again_when_the_other_run_should_be_at_its_end() {
        // Polls as (pending, time), and the pause after the last one.
        let cases: [(&[(usize, u64)], Duration); 5] = [
            // 60 changes in 60 ms: the 40 that are left take at most 40.
            (&[(100, 0), (40, 60)], ms(36)),
            // Not less than 7 ms.
            (&[(100, 0), (1, 99)], ms(7)),
            // All of the time counts.
            (&[(100, 10), (90, 20), (50, 60)], ms(45)),
            // A run undoes changes, and then another one applies them again: the count starts from
            // the new maximum.
            (&[(100, 0), (120, 50), (110, 60)], ms(99)),
            // No change is pending, but the lock still has an owner.
            (&[(100, 0), (0, 60)], ms(7)),
        ];
        for (looks, expected) in cases {
            // Wide enough not to be the limit.
            let mut pace = Backoff::new(ms(400), "a run");
            let pauses = looks
                .iter()
                .map(|(pending, at)| pace.after(*pending, ms(*at)));
            assert_eq!(pauses.last(), Some(expected), "{looks:?}");
        }
    }

    #[test]
    fn without_progress_pauses_only_grow() {
        let mut pace = Backoff::new(ms(50), "a run");
        let mut least = ms(50);
        for (pending, at) in [(100, 0), (100, 50), (100, 120), (101, 200)] {
            assert!(pace.after(pending, ms(at)) >= least);
            least = least.mul_f64(1.1);
        }
    }

    #[test]
    fn a_far_end_makes_no_pause_longer() {
        let mut pace = Backoff::new(ms(50), "a run");
        assert_eq!(pace.after(10_000, ms(0)), ms(50));
        assert!(pace.after(9_999, ms(50)) <= ms(70));
    }
}
