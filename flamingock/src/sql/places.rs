//! Tables that are there and not seen, and sessions that would not write what they should: refused before
//! a second history begins.

use std::time::Duration;

use flamingock_sqlx_audit::Misplaced;

use super::driver::Driver;
use super::retry::{Tries, tries};
use super::store::SqlStore;
use crate::audit::store::AuditStore as _;
use crate::audit::store_error::{StoreError, StoreErrorKind};

const ACTION: &str = "no second history is begun";

/// How long to rest before a set of tables is looked at again of which some are missing: somebody may be
/// creating them, where that is no transaction.
const PAUSE: Duration = Duration::from_millis(200);

/// How often.
const LOOKS: u32 = 4;

impl<D: Driver> SqlStore<D> {
    /// The session sees no tables, or not all of them: it is refused to create them where they are there.
    pub(super) async fn refuse_misplaced(&self) -> Result<(), StoreError> {
        let named = D::named_database(&self.pool);
        let home = named.as_deref();
        for look in 1.. {
            let found = tries!(self, "could not find the history", |connection| {
                self.ledger.misplaced(connection, home)
            })?;
            match found {
                Some(Misplaced::Partial { .. }) if look < LOOKS => tokio::time::sleep(PAUSE).await,
                Some(misplaced) => return Err(refused(&misplaced)),
                None => break,
            }
        }
        Ok(())
    }

    /// A service that has no history here, and one in another place.
    pub(super) async fn refuse_hidden_history(&self, service: &str) -> Result<(), StoreError> {
        let named = D::named_database(&self.pool);
        let home = named.as_deref();
        let found = tries!(self, "could not find the history", |connection| {
            self.ledger.hidden(connection, home, service)
        })?;
        found.map_or(Ok(()), |misplaced| Err(refused(&misplaced)))
    }

    /// A session whose settings change what is written.
    pub(super) async fn refuse_unfit(&self) -> Result<(), StoreError> {
        let is_only = self.pool.options().get_max_connections() == 1;
        let unfit = tries!(self, "could not look at the session", |connection| {
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

    /// A session that does not see the tables, or not all that is in them. Nobody has a service without a
    /// name, so that no entry is read.
    pub(super) async fn refuse_unreadable(&self) -> Result<(), StoreError> {
        self.snapshot("", "").await.map(drop)
    }
}

/// What keeps the session from what is there, and what to do.
fn refused(misplaced: &Misplaced) -> StoreError {
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
