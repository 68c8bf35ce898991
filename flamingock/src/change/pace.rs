//! The pace of changes in batches: how large a batch is, and when the next one may begin.

use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::util::boxed::{BoxError, BoxFuture};

/// The pace of changes in batches: `Pace::default().batch(Duration::from_millis(200))`.
///
/// By default, a batch takes about a second, has 1 to 100,000 rows, and the next one begins at
/// once.
///
/// ```
/// use std::time::Duration;
/// use flamingock::{MemoryStore, Pace, Runner, throttle};
///
/// let pace = Pace::default()
///     .batch(Duration::from_millis(200))
///     .sizes(1..=5_000)
///     .pause(Duration::from_millis(50))
///     .throttle(throttle::when(|| async { Ok(None) }));
/// let runner = Runner::new(MemoryStore::new()).pace(pace);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pace {
    pub(crate) limits: SizeLimits,
    pub(crate) pause: Duration,
    pub(crate) throttles: Vec<Arc<dyn Throttle>>,
}

/// How the size of batches follows the time that they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeLimits {
    /// How long a batch is to take.
    pub(crate) target: Duration,
    pub(crate) smallest: i64,
    pub(crate) largest: i64,
}

/// The size of the first batch, unless the limits exclude it.
const FIRST_SIZE: i64 = 500;

impl Default for SizeLimits {
    fn default() -> SizeLimits {
        SizeLimits {
            target: Duration::from_secs(1),
            smallest: 1,
            largest: 100_000,
        }
    }
}

impl SizeLimits {
    /// Returns the size of the first batch.
    pub(crate) fn first(self) -> i64 {
        FIRST_SIZE.clamp(self.smallest, self.largest)
    }

    /// Returns the size of the batch after one that took this long: at most twice, at least half of
    /// its size, so that one slow batch does not decide.
    pub(crate) fn next(self, size: i64, took: Duration) -> i64 {
        let factor = self.target.as_secs_f64() / took.as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "sizes are small"
        )]
        let wanted = (size as f64 * factor.clamp(0.5, 2.0)) as i64;
        wanted.clamp(self.smallest, self.largest)
    }
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            limits: SizeLimits::default(),
            pause: Duration::ZERO,
            throttles: Vec::new(),
        }
    }
}

impl Pace {
    /// Sets how long a batch is to take: its size follows.
    #[must_use]
    pub fn batch(mut self, target: Duration) -> Pace {
        self.limits.target = target.max(Duration::from_millis(1));
        self
    }

    /// Sets the limits of a batch's size. A smallest size below 1 counts as 1.
    #[must_use]
    pub fn sizes(mut self, sizes: RangeInclusive<i64>) -> Pace {
        self.limits.smallest = (*sizes.start()).max(1);
        self.limits.largest = (*sizes.end()).max(self.limits.smallest);
        self
    }

    /// Sets the pause between two batches.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Pace {
        self.pause = pause;
        self
    }

    /// Adds a condition for the next batch. All of them must let it begin.
    #[must_use]
    pub fn throttle(mut self, throttle: impl Throttle + 'static) -> Pace {
        self.throttles.push(Arc::new(throttle));
        self
    }
}

/// A condition for the next batch.
///
/// It is asked before each batch, and then about every second until the batch may begin. The reason
/// is part of the [progress](crate::audit::ChangeProgress::waits_for).
#[async_trait]
pub trait Throttle: fmt::Debug + Send + Sync {
    /// Returns why the next batch has to wait; `None` if it may begin.
    ///
    /// # Errors
    /// It could not be found out. The batch waits, and the error is its reason.
    async fn reason_to_wait(&self) -> Result<Option<String>, BoxError>;
}

/// A condition of the application: `when(|| async { Ok(Some("..".to_owned())) })` waits, and `None`
/// lets the batch begin.
pub fn when<F, Fut>(condition: F) -> When
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<String>, BoxError>> + Send + 'static,
{
    When(Box::new(move || Box::pin(condition())))
}

type Condition = dyn Fn() -> BoxFuture<'static, Result<Option<String>, BoxError>> + Send + Sync;

/// The throttle of [`when`].
pub struct When(Box<Condition>);

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("When")
    }
}

#[async_trait]
impl Throttle for When {
    async fn reason_to_wait(&self) -> Result<Option<String>, BoxError> {
        (self.0)().await
    }
}

/// Lets batches begin only at certain times of the day, in UTC.
#[derive(Clone, Copy, Debug)]
pub struct TimeWindow {
    /// Seconds since midnight.
    from: u64,
    until: u64,
}

const DAY: u64 = 24 * 60 * 60;

impl TimeWindow {
    /// The times from one hour and minute until another one, in UTC, every day: `((22, 0), (5, 30))`
    /// is the night. Hours and minutes count modulo a day; the whole day if both are the same.
    pub fn utc(from: (u64, u64), until: (u64, u64)) -> TimeWindow {
        let seconds = |(hours, minutes): (u64, u64)| (hours % 24 * 3600 + minutes % 60 * 60) % DAY;
        TimeWindow {
            from: seconds(from),
            until: seconds(until),
        }
    }

    fn contains(self, second_of_day: u64) -> bool {
        if self.from <= self.until {
            self.from == self.until || (self.from..self.until).contains(&second_of_day)
        } else {
            second_of_day >= self.from || second_of_day < self.until
        }
    }
}

#[async_trait]
impl Throttle for TimeWindow {
    async fn reason_to_wait(&self) -> Result<Option<String>, BoxError> {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed()?;
        if self.contains(since.as_secs() % DAY) {
            return Ok(None);
        }
        let clock = |seconds: u64| format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
        let (from, until) = (clock(self.from), clock(self.until));
        Ok(Some(format!("it works from {from} until {until} UTC")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_follows_the_time_of_a_batch() {
        let limits = SizeLimits::default();
        assert_eq!(limits.first(), 500);
        for (size, millis, expected) in [
            (500, 1_000, 500),
            (500, 0, 1_000),
            (500, 800, 625),
            (500, 1_250, 400),
            (500, 60_000, 250),
            (1, 60_000, 1),
            (90_000, 1, 100_000),
        ] {
            let next = limits.next(size, Duration::from_millis(millis));
            assert_eq!(next, expected, "{size} in {millis} ms");
        }
        let pace = Pace::default().sizes(-3..=100).batch(Duration::ZERO);
        assert_eq!((pace.limits.smallest, pace.limits.first()), (1, 100));
        assert_eq!(pace.limits.next(100, Duration::from_millis(2)), 50);
    }

    #[test]
    fn window_can_contain_midnight() {
        for (from, until, second, expected) in [
            ((9, 0), (17, 30), 9 * 3600, true),
            ((9, 0), (17, 30), 17 * 3600 + 1_800, false),
            ((22, 0), (5, 0), 23 * 3600, true),
            ((22, 0), (5, 0), 3600, true),
            ((22, 0), (5, 0), 5 * 3600, false),
            ((7, 0), (7, 0), 0, true),
        ] {
            let window = TimeWindow::utc(from, until);
            assert_eq!(window.contains(second), expected, "{window:?} {second}");
        }
    }
}
