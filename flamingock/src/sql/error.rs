//! Store errors from errors of sqlx.

use flamingock_sqlx_audit::Failure;
use sqlx::Pool;

use super::driver::Driver;
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// The pool returned no connection. The errors of sqlx do not name the server's address. For a
/// server that refuses connections, sqlx retries and reports only a timeout.
#[derive(Debug, thiserror::Error)]
#[error("no connection to {address}{hint}")]
struct NoConnection {
    address: String,
    hint: String,
    #[source]
    error: sqlx::Error,
}

/// Returns the store error for a pool that returned no connection.
pub(super) fn connection_error<D: Driver>(
    action: &'static str,
    pool: &Pool<D::Database>,
    error: sqlx::Error,
) -> StoreError {
    let kind = match error_kind::<D>(&error) {
        // A database that cannot be reached may still have the tables.
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
    let address = D::address(pool);
    StoreError::new(
        kind,
        action,
        NoConnection {
            address,
            hint,
            error,
        },
    )
}

/// Returns the store error for a failed statement.
pub(super) fn store_error<D: Driver>(action: &'static str, error: sqlx::Error) -> StoreError {
    let kind = error_kind::<D>(&error);
    match D::repair(&error) {
        Some(repair) => StoreError::new(kind, format!("{action}: {repair}"), error),
        None => StoreError::new(kind, action, error),
    }
}

/// Returns the kind of store error for an error of the database.
pub(super) fn error_kind<D: Driver>(error: &sqlx::Error) -> StoreErrorKind {
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
