//! Time limits for answers that may never come, because the driver has died or the network drops
//! packets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The minimum time to wait for the answer to a statement, however short the lock's wait is.
const SHORTEST: Duration = Duration::from_secs(10);

/// Additional time, so that a wait with a limit of its own reaches that limit first.
const SLACK: Duration = Duration::from_secs(5);

/// How often to check whether uncounted time has ended.
const TICK: Duration = Duration::from_millis(250);

/// Returns how long an answer may take in a run that waits this long for its lock.
pub(crate) fn limit(wait: Duration) -> Duration {
    wait.max(SHORTEST).saturating_add(SLACK)
}

tokio::task_local! {
    static WAIT: Arc<Wait>;
}

/// What the limit of an answer depends on.
#[derive(Debug)]
struct Wait(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The number of guards whose time does not count.
    accounted: usize,
    /// When the last of them was dropped.
    since: Instant,
}

impl Wait {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how much longer the answer may take.
    fn left(&self, limit: Duration) -> Duration {
        let state = self.state();
        match state.accounted {
            0 => limit.saturating_sub(state.since.elapsed()),
            _ => TICK,
        }
    }
}

/// A guard: while it lives, the surrounding wait does not count the time, because a function of the
/// user runs, or a wait with a limit of its own.
#[derive(Debug)]
#[must_use = "the time counts again when it is dropped"]
pub(crate) struct Accounted(Option<Arc<Wait>>);

/// Stops counting the time until the guard is dropped. Does nothing outside a wait.
pub(crate) fn accounted() -> Accounted {
    let wait = WAIT.try_with(Arc::clone).ok();
    if let Some(wait) = &wait {
        wait.state().accounted += 1;
    }
    Accounted(wait)
}

/// Records that there was an answer: the limit starts again.
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub(crate) fn progress() {
    drop(accounted());
}

impl Drop for Accounted {
    fn drop(&mut self) {
        if let Some(wait) = &self.0 {
            let mut state = wait.state();
            state.accounted -= 1;
            state.since = Instant::now();
        }
    }
}

/// No answer came within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer for {}", humantime::format_duration(*.0))]
pub(crate) struct Unanswered(Duration);

/// Runs work as long as answers arrive within the limit, and drops it otherwise. Time under a guard
/// of [`accounted`](accounted) does not count.
pub(crate) async fn answered<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Unanswered> {
    let _around = accounted();
    let wait = Arc::new(Wait(Mutex::new(State {
        accounted: 0,
        since: Instant::now(),
    })));
    let silent = async {
        loop {
            let left = wait.left(limit);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    };
    tokio::select! {
        biased;
        done = WAIT.scope(Arc::clone(&wait), work) => Ok(done),
        () = silent => Err(Unanswered(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn work_without_an_answer_ends_at_the_limit() {
        let began = Instant::now();
        let ended = answered(LIMIT, std::future::pending::<()>()).await;
        assert_eq!(ended, Err(Unanswered(LIMIT)));
        assert!(began.elapsed() >= LIMIT);
    }

    #[tokio::test]
    async fn time_of_the_user_does_not_count() {
        let work = async {
            let _function = accounted();
            tokio::time::sleep(LIMIT * 4).await;
        };
        assert_eq!(answered(LIMIT, work).await, Ok(()));
    }

    #[tokio::test]
    async fn a_wait_inside_another_one_ends_by_itself() {
        let inner = async { answered(LIMIT * 4, std::future::pending::<()>()).await };
        assert_eq!(answered(LIMIT, inner).await, Ok(Err(Unanswered(LIMIT * 4))));
    }

    #[tokio::test]
    async fn silence_behind_the_function_counts() {
        let work = async {
            drop(accounted());
            std::future::pending::<()>().await;
        };
        assert_eq!(answered(LIMIT, work).await, Err(Unanswered(LIMIT)));
    }
}
