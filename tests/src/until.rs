//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

use sqlx::{Database, Pool};

/// Much longer than any awaited condition takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns once the condition holds. `what` names the condition in the message of a failure.
///
/// # Panics
/// Panics if it does not hold within a minute.
pub async fn until<A: Future<Output = bool>>(what: &str, holds: impl FnMut() -> A) {
    until_every(PAUSE, what, holds).await;
}

/// The same for a condition whose check is expensive.
///
/// # Panics
/// Panics if it does not hold within a minute.
pub async fn until_every<A: Future<Output = bool>>(
    pause: Duration,
    what: &str,
    mut holds: impl FnMut() -> A,
) {
    let began = Instant::now();
    while !holds().await {
        check(began, PATIENCE, what);
        tokio::time::sleep(pause).await;
    }
}

/// The same for a test that is not async.
///
/// # Panics
/// Panics if it does not hold within a minute.
pub fn block_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        check(began, PATIENCE, what);
        std::thread::sleep(PAUSE);
    }
}

fn check(began: Instant, patience: Duration, what: &str) {
    assert!(
        began.elapsed() < patience,
        "timed out while waiting until {what}"
    );
}

/// Returns once the pool has an idle connection: the driver checks a returned connection before it
/// counts as idle.
///
/// # Panics
/// Panics if there is none within a minute.
pub async fn until_idle<D: Database>(pool: &Pool<D>) {
    until("a connection of the pool is idle", async || {
        pool.num_idle() > 0
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn condition_is_checked_until_it_holds() {
        let mut asked = 0;
        block_until("it was checked three times", || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
        let asked = std::cell::Cell::new(0);
        until("it was checked three times", async || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        })
        .await;
        assert_eq!(asked.get(), 3);
    }

    #[test]
    #[should_panic = "timed out while waiting until it holds"]
    fn failed_condition_is_named() {
        check(Instant::now(), Duration::ZERO, "it holds");
    }
}
