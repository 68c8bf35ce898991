//! Boxed errors and futures.

use std::future::Future;
use std::pin::Pin;

/// Any error that a change returns, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A boxed future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
