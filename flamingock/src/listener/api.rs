//! What an application implements to hear of its runs.

use async_trait::async_trait;

use super::event::Event;
use crate::util::boxed::BoxError;

/// Hears what a run does: see the [module](crate::events).
///
/// Every `Fn(&Event)` is one, for what neither waits nor fails.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Is told one event, after the one before it was heard.
    ///
    /// # Errors
    /// Whatever goes wrong. It is a warning in the log and in the run's report, and the next event comes all
    /// the same.
    async fn on_event(&self, event: &Event) -> Result<(), BoxError>;

    /// What warnings call it. The name of its type, unless it says another; no secrets, it is printed.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }
}

#[async_trait]
impl<F: Fn(&Event) + Send + Sync> Listener for F {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        self(event);
        Ok(())
    }
}
