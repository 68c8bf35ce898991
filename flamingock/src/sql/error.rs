//! A pool that gave no connection, and where it should have led.

use flamingock_sqlx_audit::Failure;
use sqlx::Pool;

use super::driver::Driver;
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// A pool that gave no connection. What sqlx says of it names no place, and of a server that refuses
/// connections it says only that the time is over: it asks again until then.
#[derive(Debug, thiserror::Error)]
#[error("no connection to {place}{hint}")]
struct Unreachable {
    place: String,
    hint: String,
    #[source]
    error: sqlx::Error,
}

/// What it means that the pool gave no connection, with what was to be done on it.
pub(super) fn unreachable<D: Driver>(
    action: &'static str,
    pool: &Pool<D::Database>,
    error: sqlx::Error,
) -> StoreError {
    let kind = match kind::<D>(&error) {
        // Of a database that is not there it is not known that it has no tables.
        StoreErrorKind::MissingTable => StoreErrorKind::Other,
        kind => kind,
    };
    let hint = match error {
        sqlx::Error::PoolTimedOut => format!(
            " within {}: nothing answers there, or others use all that the pool may have ({})",
            humantime::format_duration(pool.options().get_acquire_timeout()),
            pool.options().get_max_connections(),
        ),
        _ => String::new(),
    };
    let place = D::place(pool);
    StoreError::new(kind, action, Unreachable { place, hint, error })
}

/// What a failure means, with what was being done.
pub(super) fn failed<D: Driver>(action: &'static str, error: sqlx::Error) -> StoreError {
    let kind = kind::<D>(&error);
    match D::repair(&error) {
        Some(repair) => StoreError::new(kind, format!("{action}: {repair}"), error),
        None => StoreError::new(kind, action, error),
    }
}

/// What a failure means.
pub(super) fn kind<D: Driver>(error: &sqlx::Error) -> StoreErrorKind {
    match D::classify(error) {
        Failure::MissingTable => StoreErrorKind::MissingTable,
        Failure::Refused => StoreErrorKind::Refused,
        Failure::Denied => StoreErrorKind::Denied,
        Failure::ReadOnly => StoreErrorKind::ReadOnly,
        Failure::Busy => StoreErrorKind::Busy,
        Failure::LockTimeout | Failure::Serialization | Failure::Deadlock => {
            StoreErrorKind::Conflict
        }
        Failure::Disconnected => StoreErrorKind::Disconnected,
        Failure::Duplicate | Failure::NoSavepoint | Failure::Other => StoreErrorKind::Other,
    }
}
