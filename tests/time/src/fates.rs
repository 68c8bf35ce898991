//! The fate of each call, decided by the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The operations of a process that can be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Snapshot,
    LockProgress,
    Prepare,
    Acquire,
    Append,
    History,
    Renew,
    Release,
    Effect,
    Rollback,
    Verify,
}

impl Call {
    pub(crate) const ALL: [Call; 11] = [
        Call::Snapshot,
        Call::LockProgress,
        Call::Prepare,
        Call::Acquire,
        Call::Append,
        Call::History,
        Call::Renew,
        Call::Release,
        Call::Effect,
        Call::Rollback,
        Call::Verify,
    ];

    /// Whether the request can be executed although its process no longer waits for the answer. An
    /// entry cannot: a store answers `Disconnected` only once its session has ended.
    fn may_come_late(self) -> bool {
        matches!(self, Call::Acquire | Call::Renew | Call::Release)
    }

    /// Whether a process can learn that there was no answer.
    fn is_of_store(self) -> bool {
        !matches!(self, Call::Effect | Call::Rollback | Call::Verify)
    }
}

/// The fate of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// Until it is executed.
    pub(crate) before: Duration,
    /// From then until the answer.
    pub(crate) after: Duration,
    pub(crate) mishap: Mishap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    None,
    /// The request is lost.
    LosesRequest,
    /// It is executed, and the answer is lost.
    LosesAnswer,
    /// It is executed that long after its process stopped waiting for the answer.
    ComesLate(Duration),
    /// It is executed once more, that long afterwards.
    Repeats(Duration),
    /// The process is paused before it receives the answer.
    StandsStill(Duration),
    /// The process is killed before the request, or before it receives the answer.
    KilledBefore,
    KilledAfter,
}

impl Fate {
    /// Its additional time, compared with an undisturbed call.
    pub(crate) fn holds_up(&self) -> Duration {
        self.before + self.after
    }
}

/// The fates of one schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fates {
    seed: u64,
    lease: Duration,
    /// The number of calls in a thousand that are late, and that suffer a fault.
    late: u32,
    mishaps: u32,
    /// Whether this process can be killed or paused.
    fragile: bool,
}

impl Fates {
    pub(crate) fn new(seed: u64, lease: Duration, fragile: bool) -> Fates {
        let mut random = StdRng::seed_from_u64(seed);
        let odds = [0, 50, 150, 400];
        Fates {
            seed,
            lease,
            late: odds[random.random_range(0..odds.len())],
            mishaps: odds[random.random_range(0..odds.len())] / 2,
            fragile,
        }
    }

    /// No fault.
    pub(crate) fn none(lease: Duration) -> Fates {
        Fates {
            seed: 0,
            lease,
            late: 0,
            mishaps: 0,
            fragile: false,
        }
    }

    pub(crate) fn are_quiet(&self) -> bool {
        self.late == 0 && self.mishaps == 0
    }

    pub(crate) fn of(&self, process: usize, call: Call, nth: u32) -> Fate {
        let place = (process as u64) << 48 | (call as u64) << 32 | u64::from(nth);
        let mut random =
            StdRng::seed_from_u64(self.seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut of_lease = |from: f64, to: f64| {
            // Whole milliseconds, because timers have no finer ones.
            let part = self.lease.mul_f64(random.random_range(from..to));
            Duration::from_millis(u64::try_from(part.as_millis()).unwrap_or(0))
        };
        let (short, long, other) = (of_lease(0.0, 0.02), of_lease(0.1, 2.0), of_lease(0.1, 2.0));
        let pause = of_lease(0.2, 3.0);
        let is_late = random.random_range(0..1000) < self.late;
        let has_mishap = random.random_range(0..1000) < self.mishaps;
        let late_first = random.random_bool(0.5);
        let is_effect = !call.is_of_store();
        let (before, after) = match (is_late, late_first) {
            // The work of a change takes time.
            (false, _) if is_effect => (short * 5, short),
            (false, _) if self.are_quiet() => (Duration::ZERO, Duration::ZERO),
            (false, _) => (short, short / 2),
            (true, true) => (long, short),
            (true, false) => (short, long),
        };
        let mishap = match random.random_range(0..10) {
            _ if !has_mishap => Mishap::None,
            0 | 1 if self.fragile => Mishap::StandsStill(pause),
            2 if self.fragile => Mishap::KilledBefore,
            3 if self.fragile => Mishap::KilledAfter,
            _ if is_effect => Mishap::None,
            4 | 5 => Mishap::LosesRequest,
            6 if call.may_come_late() => Mishap::ComesLate(other),
            7 if call.may_come_late() => Mishap::Repeats(other),
            _ => Mishap::LosesAnswer,
        };
        Fate {
            before,
            after,
            mishap,
        }
    }
}
