//! Listeners: what hears of a run while it goes on.
//!
//! See [`guide::listeners`](crate::guide::listeners).

pub(crate) mod api;
pub(crate) mod delivery;
pub(crate) mod event;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use self::api::Listener;
pub(crate) use self::delivery::{Events, LISTENER_TIMEOUT};
pub use self::event::{Event, Failure, Happened, Work};
