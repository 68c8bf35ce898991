//! The pace of an application: sizes, and throttles that let the next batch wait.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flamingock::{Pace, throttle};
use flamingock_tests::{Backend as _, done, until, with_table};
use tokio::sync::watch;

use super::super::Backend;
use super::{BATCHES, Steps, background, batches, operator, startup};

#[tokio::test]
async fn throttle_lets_the_next_batch_wait_and_says_why() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let steps = Steps::new(100);
    let (busy, sees) = watch::channel(true);
    let pace = Pace::default()
        .throttle(throttle::TimeWindow::utc((0, 0), (0, 0)))
        .throttle(throttle::when(move || {
            let is_busy = *sees.borrow();
            async move { Ok(is_busy.then(|| "the shop is busy".to_owned())) }
        }));
    let work = background(&pool, &steps).pace(pace).spawn();
    until("the progress says why it waits", async || {
        let progress = operator(&pool).progress().await.unwrap();
        let progress = progress.first().map(ToString::to_string);
        progress.is_some_and(|text| text.ends_with("waits: the shop is busy"))
    })
    .await;
    assert_eq!(steps.began(), 0);
    busy.send(false).unwrap();
    work.wait().await.unwrap();
    assert_eq!(done(&pool).await, batches(1..=BATCHES));
    let progress = operator(&pool).progress().await.unwrap();
    assert_eq!(progress[0].waits_for, None);
}

#[tokio::test]
async fn throttle_that_fails_lets_nothing_begin() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let steps = Steps::new(100);
    let pace = Pace::default().throttle(throttle::when(|| async { Err("no answer".into()) }));
    let work = background(&pool, &steps).pace(pace).spawn();
    until("the progress says that it failed", async || {
        let progress = operator(&pool).progress().await.unwrap();
        let reason = progress.first().and_then(|one| one.waits_for.clone());
        reason.as_deref() == Some("the throttle failed: no answer")
    })
    .await;
    work.cancel();
    work.wait().await.unwrap_err();
    assert_eq!(steps.began(), 0);
}

#[tokio::test]
async fn sizes_keep_to_their_limits() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let steps = Steps::new(100);
    let pace = Pace::default()
        .sizes(3..=9)
        .batch(Duration::from_secs(60))
        .pause(Duration::from_millis(1));
    startup(&pool, &steps).pace(pace).run().await.unwrap();
    assert_eq!(steps.size.load(Ordering::SeqCst), 9);
}
