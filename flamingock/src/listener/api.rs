//! The trait of listeners, which an application implements to receive the events of its runs.

use async_trait::async_trait;

use super::event::Event;
use crate::util::boxed::BoxError;

/// Receives the events of a run: see the [module](crate::events).
///
/// Every `Fn(&Event)` is a listener. Use one if it neither waits nor fails.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Receives one event. The next event follows once this call has returned.
    ///
    /// # Errors
    /// Any error of the listener. It becomes a warning in the log and in the run's report, and the
    /// next event is delivered all the same.
    ///
    /// # Cancel safety
    /// The future is dropped if it has not completed within
    /// [`Runner::listener_timeout`](crate::Runner::listener_timeout) after the end of the run.
    async fn on_event(&self, event: &Event) -> Result<(), BoxError>;

    /// Returns the name that warnings use for the listener. The name of its type by default. It is
    /// printed, so it must contain no secrets.
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
