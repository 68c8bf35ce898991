//! Listeners: the events of a run, and their delivery while the run goes on.

pub(crate) mod api;
pub(crate) mod delivery;
pub(crate) mod event;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use self::api::Listener;
pub(crate) use self::delivery::{EventSink, LISTENER_TIMEOUT};
pub use self::event::{Event, EventKind, Failure, Work};
