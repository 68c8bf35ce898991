//! The lock: one owner per service, with a lease that its own thread renews.

pub(crate) mod append;
pub(crate) mod backoff;
pub(crate) mod lease;
pub(crate) mod options;
pub(crate) mod renewal;
pub(crate) mod silence;
pub(crate) mod stop;

pub use self::options::{LockOptions, OnLockTimeout};
pub use crate::audit::snapshot::LockStatus;
