//! Listeners: the events of a run, and their delivery while the run goes on.
//!
//! Pass a [`Listener`] to [`Runner::listener`](crate::Runner::listener). It receives every
//! [`Event`] of a run, an undo or a verify, in order. It cannot affect the run: a listener that
//! fails, panics or hangs changes nothing.
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
//! A listener that has to wait, such as one that sends a request over the network, implements the
//! trait:
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
//! # Delivery
//!
//! Each listener has its own queue, and its own task in the runtime of the run. The run puts an
//! event into the queue and continues: no change, no transaction and no other listener waits for a
//! slow listener. Only at its end, after the lock is released, does a run wait for its listeners,
//! at most for [`Runner::listener_timeout`](crate::Runner::listener_timeout). Events that were not
//! delivered by then, and events on which a listener failed or panicked, become a warning in the
//! log and in the report of the run.
//!
//! Like all async code, a listener must not block its thread: use `spawn_blocking` for blocking
//! work.

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
