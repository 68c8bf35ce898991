//! Checks that refuse to begin a second history: the tables exist where the session does not see
//! them, or the session would write other values than intended.

use std::time::Duration;

use flamingock_sqlx_audit::Misplaced;

use super::driver::Driver;
use super::retry::{Retry, retry};
use super::store::SqlStore;
use crate::audit::store::AuditStore as _;
use crate::audit::store_error::{StoreError, StoreErrorKind};

const ACTION: &str = "no second history is begun";

/// The pause before tables are checked again of which some are missing: another process may be
/// creating them on a database that cannot do that in a transaction.
const POLL_PAUSE: Duration = Duration::from_millis(200);

/// How often they are checked.
const CHECKS: u32 = 4;

impl<D: Driver> SqlStore<D> {
    /// Refuses to create the tables if they exist where the session does not see them, or if some
    /// of them exist.
    pub(super) async fn refuse_misplaced(&self) -> Result<(), StoreError> {
        let named = D::named_database(&self.pool);
        let named_database = named.as_deref();
        for check in 1.. {
            let found = retry!(self, "could not find the history", |connection| {
                self.ledger.misplaced(connection, named_database)
            })?;
            match found {
                Some(Misplaced::Partial { .. }) if check < CHECKS => {
                    tokio::time::sleep(POLL_PAUSE).await;
                }
                Some(misplaced) => return Err(refusal(&misplaced)),
                None => break,
            }
        }
        Ok(())
    }

    /// Refuses a service that has no history here but has one in another place.
    pub(super) async fn refuse_hidden_history(&self, service: &str) -> Result<(), StoreError> {
        let named = D::named_database(&self.pool);
        let named_database = named.as_deref();
        let found = retry!(self, "could not find the history", |connection| {
            self.ledger.hidden(connection, named_database, service)
        })?;
        found.map_or(Ok(()), |misplaced| Err(refusal(&misplaced)))
    }

    /// Refuses a session whose settings change what is written.
    pub(super) async fn refuse_unfit(&self) -> Result<(), StoreError> {
        let is_only = self.pool.options().get_max_connections() == 1;
        let unfit = retry!(self, "could not look at the session", |connection| {
            self.ledger.unfit(connection, is_only)
        })?;
        unfit.map_or(Ok(()), |unfit| {
            let text = format!("nothing can be recorded by this session: {unfit}");
            Err(StoreError::new(
                StoreErrorKind::Other,
                text,
                "a setting of the session is in the way",
            ))
        })
    }

    /// Refuses a session that does not see the tables or all of their content. No service has an
    /// empty name, so no entry is read.
    pub(super) async fn refuse_unreadable(&self) -> Result<(), StoreError> {
        self.snapshot("", "").await.map(drop)
    }
}

/// Returns the error, with what is in the way and how to fix it.
fn refusal(misplaced: &Misplaced) -> StoreError {
    let remedy = match misplaced {
        Misplaced::Elsewhere {
            schema,
            usable: false,
            ..
        } => format!(
            "The user of the database has no right to use that schema: `GRANT USAGE ON SCHEMA \"{schema}\"` gives it back. If a history of its own is meant, name its schema with `TableNames::schema`"
        ),
        Misplaced::Elsewhere { schema, .. } => format!(
            "Put the session back (its search_path, its database or its attached files), or name the schema with `TableNames::schema`: \"{schema}\", or the one in which a history of its own is meant to begin"
        ),
        Misplaced::Partial { .. } => {
            "Tables are never created beside others that have entries: restore what is missing, or drop all of them if every change is meant to run again".to_owned()
        }
        Misplaced::OtherPrefix { prefix, .. } => format!(
            "Set the prefix with `TableNames::prefix`: \"{prefix}\" if that is this application's history, its own one (\"flamingock_\" is the usual) if a history of its own is meant to begin"
        ),
    };
    let text = format!("{misplaced}. Every change would run again. {remedy}");
    StoreError::new(StoreErrorKind::Other, text, ACTION)
}
