//! Batches without a database connection: no transaction ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flamingock::{Batch, BoxError, ErrorKind, MemoryStore, Next, Runner, change, changes};
use flamingock_tests::{Backend as _, with_table};

use super::{Backend, progress};

/// Sends the numbers from 1 to 10, three at a time.
#[change(id = "send", order = "001", batch, register = false)]
async fn send(batch: Batch<i64>, sent: &Sent) -> Result<Next<i64>, BoxError> {
    let after = batch.cursor().copied().unwrap_or(0);
    let last = (after + 3).min(10);
    sent.numbers.lock().await.extend(after + 1..=last);
    let fails = &sent.fails_after;
    if fails
        .compare_exchange(last, 0, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
    {
        return Err("the broker did not answer".into());
    }
    Ok(match last {
        10 => Next::finished().done_rows(1),
        _ => Next::after(last).done_rows(3),
    })
}

#[derive(Debug, Default)]
struct Sent {
    numbers: tokio::sync::Mutex<Vec<i64>>,
    fails_after: AtomicI64,
}

#[tokio::test]
async fn without_a_connection_only_the_failed_batch_runs_again() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let store = MemoryStore::new();
    for memory in [false, true] {
        let runner = if memory {
            Runner::new(&store)
        } else {
            Runner::new(&pool)
        };
        let sent = Arc::new(Sent::default());
        sent.fails_after.store(6, Ordering::SeqCst);
        let runner = runner
            .changes(changes![send])
            .provide_arc(Arc::clone(&sent));
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        runner.run().await.unwrap();
        let numbers = sent.numbers.lock().await.clone();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 10]);
        assert!(runner.run().await.unwrap().is_up_to_date());
    }
    let expected = ["send|finished|4|10|9|NULL"];
    assert_eq!(progress(&pool).await, expected);
}
