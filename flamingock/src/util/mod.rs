//! Hashes, near misses, error chains, boxed types: nothing specific to changes.

pub(crate) mod boxed;
pub(crate) mod database_kind;
pub(crate) mod error_chain;
pub(crate) mod hash;
pub(crate) mod near_miss;
pub(crate) mod own_thread;
pub(crate) mod panic;
pub(crate) mod plural;
pub(crate) mod random;
pub(crate) mod shell;
pub(crate) mod time;
#[cfg(any(feature = "webhook", feature = "template-http"))]
pub(crate) mod tls_roots;
pub(crate) mod visible;
