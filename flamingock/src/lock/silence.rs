//! Waiting for answers that may never come: a driver that has died, a network that swallows everything.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a statement of ours is waited for at least, however short the lock's wait is.
const SHORTEST: Duration = Duration::from_secs(10);

/// A wait of ours that has an end comes to it by itself, a moment later than it should.
const SLACK: Duration = Duration::from_secs(5);

/// How often a wait looks whether somebody else's time is over.
const TICK: Duration = Duration::from_millis(250);

/// How long an answer to a run whose lock is waited for so long may take.
pub(crate) fn limit(wait: Duration) -> Duration {
    wait.max(SHORTEST).saturating_add(SLACK)
}

tokio::task_local! {
    static WAIT: Arc<Wait>;
}

/// What an answer that is being waited for still depends on.
#[derive(Debug)]
struct Wait(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How many are at work whose time does not count.
    accounted: usize,
    /// Since when nobody is.
    since: Instant,
}

impl Wait {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long there may still be no answer.
    fn left(&self, limit: Duration) -> Duration {
        let state = self.state();
        match state.accounted {
            0 => limit.saturating_sub(state.since.elapsed()),
            _ => TICK,
        }
    }
}

/// Time that the wait around it does not count: a function of the user runs, or a wait with an end of its
/// own.
#[derive(Debug)]
#[must_use = "the time counts again when it is dropped"]
pub(crate) struct Accounted(Option<Arc<Wait>>);

/// Does not count the time until the answer is dropped. Where nobody waits, there is nothing to do.
pub(crate) fn accounted() -> Accounted {
    let wait = WAIT.try_with(Arc::clone).ok();
    if let Some(wait) = &wait {
        wait.state().accounted += 1;
    }
    Accounted(wait)
}

/// Notes that there was an answer: the wait begins anew.
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

/// No answer came for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer for {}", humantime::format_duration(*.0))]
pub(crate) struct Unanswered(Duration);

/// Waits for work of ours as long as there are answers within the limit. Time that is
/// [accounted](accounted) for does not count. The work is dropped after that.
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
