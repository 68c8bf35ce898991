//! What a running change can ask of the engine.

use std::sync::Arc;

use tokio::sync::watch;

/// The attempt that a change runs in: take it as `&Context`.
///
/// ```
/// use flamingock::{BoxError, Context, MemoryStore, Runner, change, changes};
///
/// /// One page after the other, and none after the run was asked to stop.
/// #[change(id = "fill-index", order = "0001", recovery = "retry", register = false)]
/// async fn fill_index(context: &Context) -> Result<(), BoxError> {
///     for page in 1..=3 {
///         if context.is_cancelled() {
///             return Err(format!("stopped before page {page}").into());
///         }
///     }
///     assert_eq!((context.change_id(), context.attempt()), ("fill-index", 1));
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flamingock::Error> {
/// Runner::new(MemoryStore::new()).changes(changes![fill_index]).run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    facts: Arc<Facts>,
    cancelled: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Facts {
    change_id: &'static str,
    attempt: u32,
    run_id: String,
    service: String,
}

impl Context {
    pub(crate) fn new(
        change_id: &'static str,
        attempt: u32,
        run_id: &str,
        service: &str,
        cancelled: watch::Receiver<bool>,
    ) -> Context {
        let facts = Facts {
            change_id,
            attempt,
            run_id: run_id.to_owned(),
            service: service.to_owned(),
        };
        Context {
            facts: Arc::new(facts),
            cancelled,
        }
    }

    /// The id of the change that runs, or that is rolled back or verified.
    pub fn change_id(&self) -> &str {
        self.facts.change_id
    }

    /// Counts the runs that started this change, from 1.
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// The run's random id, as it stands in the audit.
    pub fn run_id(&self) -> &str {
        &self.facts.run_id
    }

    /// The service that the run belongs to.
    pub fn service(&self) -> &str {
        &self.facts.service
    }

    /// Whether the run was asked to stop or has lost its lock.
    ///
    /// A change outside a transaction is let finish after a request to stop; one that takes long
    /// should look here between its steps and return an error when it can end cleanly.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Waits until the run is asked to stop or has lost its lock; for ever otherwise.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
