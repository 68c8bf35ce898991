//! The context of a running change.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// The attempt that a function runs in. Take it as `&Context`.
///
/// ```
/// use flamingock::{BoxError, Context, MemoryStore, Runner, change, changes};
///
/// /// Fills the index page by page, and stops before the next page if the run was asked to stop.
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
    observer: Option<Arc<dyn ObserveProgress>>,
}

/// Observes the progress that a function reports.
pub(crate) trait ObserveProgress: fmt::Debug + Send + Sync {
    fn progress(&self, done: u64, total: Option<u64>);
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
        observer: Option<Arc<dyn ObserveProgress>>,
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
            observer,
        }
    }

    /// Returns the id of the change that runs, is rolled back or is verified.
    pub fn change_id(&self) -> &str {
        self.facts.change_id
    }

    /// Returns the number of the attempt at this change, from 1.
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Returns the random id of the run, which the audit records too.
    pub fn run_id(&self) -> &str {
        &self.facts.run_id
    }

    /// Returns the service of the run.
    pub fn service(&self) -> &str {
        &self.facts.service
    }

    /// Reports how far the function is, in any unit: `context.progress(3, 10)`, or
    /// `context.progress(3, None)` if the whole is not known.
    ///
    /// Listeners get the event `change_progressed`, the command line shows it, and the log has it
    /// at the level `DEBUG`. Nothing is written to a database. It can be called often: of several
    /// calls within 100 ms, only the first one is reported, and the one that completes the whole.
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>) {
        if let Some(observer) = &self.observer {
            observer.progress(done, total.into());
        }
    }

    /// Reports whether the run was asked to stop or has lost its lock.
    ///
    /// A non-transactional change may finish after a request to stop. If it takes long, it should
    /// check this between its steps, and return an error as soon as it can end cleanly.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Waits until the run is asked to stop or has lost its lock; forever if neither happens.
    ///
    /// # Cancel safety
    /// The future can be dropped.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
