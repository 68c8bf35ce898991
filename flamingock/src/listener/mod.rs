//! Listeners: who is told what a run does, while it does it.
//!
//! A [`Listener`] is given to [`Runner::listener`](crate::Runner::listener) and hears every [`Event`] of a
//! run, an undo or a verify, in order. It only listens: whether it fails, panics or hangs, the run does the same.
//!
//! ```
//! use flamingock::events::{Event, EventKind};
//! use flamingock::{MemoryStore, Runner, change, changes};
//! use std::sync::{Arc, Mutex};
//!
//! #[change(id = "warm-cache", order = "0001", register = false)]
//! async fn warm_cache() {}
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), flamingock::Error> {
//! let said = Arc::new(Mutex::new(Vec::new()));
//! let heard = said.clone();
//! Runner::new(MemoryStore::new())
//!     .changes(changes![warm_cache])
//!     .listener(move |event: &Event| {
//!         if let EventKind::ChangeEnded { change, .. } = &event.kind {
//!             heard.lock().unwrap().push(format!("{}: {}", change.id, change.outcome));
//!         }
//!     })
//!     .run()
//!     .await?;
//! assert_eq!(*said.lock().unwrap(), ["warm-cache: newly applied"]);
//! # Ok(())
//! # }
//! ```
//!
//! What needs to wait for something, as a post over the network does, implements the trait:
//!
//! ```
//! use async_trait::async_trait;
//! use flamingock::BoxError;
//! use flamingock::events::{Event, EventKind, Listener};
//!
//! struct Pager;
//! # impl Pager { async fn page(&self, _: &str) -> Result<(), BoxError> { Ok(()) } }
//!
//! #[async_trait]
//! impl Listener for Pager {
//!     async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
//!         match &event.kind {
//!             EventKind::IssueFound { .. } => self.page(&event.to_string()).await,
//!             _ => Ok(()),
//!         }
//!     }
//! }
//! ```
//!
//! # When events are told
//!
//! Each listener has a queue and a task of its own in the runtime of the run. The run puts an event into the
//! queue and goes on: no change, no transaction and no other listener waits for one that is slow. Only at its
//! very end, when the lock is given back, does a run wait for its listeners, for no longer than
//! [`Runner::listener_timeout`](crate::Runner::listener_timeout). What was not told by then, and every event at which a listener failed
//! or panicked, is a warning in the log and in the report that the run returns.
//!
//! As everything async, a listener must not block its thread: what blocks belongs in `spawn_blocking`.

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
