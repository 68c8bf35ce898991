//! SQLite: switching foreign keys around a transaction, which is not possible inside it, and
//! checking that a change loses no rows by them.

use std::ops::Range;

use flamingock_sqlx_audit::Conn;

use super::call::FirstFailure;
use super::tries::TransactionRunner;
use crate::change::script::Script;
use crate::sql::connection::GuardedConnection;
use crate::sql::driver::{Driver, send};
use crate::sql::integrity_mode::IntegrityMode;
use crate::target::invocation::Ended;
use crate::util::database_kind::DatabaseKind;

impl<D: Driver> TransactionRunner<'_, D> {
    /// Returns whether the only change is a file that switches foreign keys on or off.
    fn enforces_foreign_keys(&self) -> Option<bool> {
        let [only] = self.parts else {
            return None;
        };
        let script = only.body.script();
        let script = script.filter(|_| D::KIND == DatabaseKind::Sqlite);
        script.and_then(Script::enforces_foreign_keys)
    }

    /// Sets what the file's pragma could not set in the transaction.
    pub(super) async fn set_foreign_keys(
        &self,
        connection: &mut GuardedConnection<D>,
    ) -> Result<(), sqlx::Error> {
        match self.enforces_foreign_keys() {
            Some(enforced) => {
                let text = format!("PRAGMA foreign_keys = {}", u8::from(enforced));
                send::<D>(connection, text).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Reads the state that the changes from this one on must not damage.
    pub(super) async fn watch_integrity(
        &self,
        connection: &mut Conn<D>,
        at: usize,
    ) -> Result<Option<D::IntegrityWatch>, FirstFailure> {
        let may_drop = self.parts.iter().any(|part| {
            let script = part.body.script();
            script.is_none_or(Script::may_drop)
        });
        let integrity_mode = match self.enforces_foreign_keys() {
            Some(false) => IntegrityMode::BrokenReferences,
            Some(true) | None if may_drop => IntegrityMode::DroppedTables,
            Some(true) | None => return Ok(None),
        };
        let watch = D::watch_integrity(connection, integrity_mode).await;
        watch.map_err(|error| FirstFailure::Entry { at, error })
    }

    /// Fails these changes, which have ended, if they lost rows.
    pub(super) async fn check_integrity(
        &self,
        connection: &mut Conn<D>,
        watch: &Option<D::IntegrityWatch>,
        range: Range<usize>,
    ) -> Result<(), FirstFailure> {
        let Some(watch) = watch else {
            return Ok(());
        };
        let last = range.end - 1;
        let violation = D::integrity_violation(connection, watch).await;
        let violation = violation.map_err(|error| FirstFailure::Entry { at: last, error })?;
        if let Some(cause) = violation {
            let drops = |at: &usize| {
                let script = self.parts[*at].body.script();
                script.is_none_or(Script::may_drop)
            };
            let at = range.rev().find(drops).unwrap_or(last);
            let ended = Ended::Returned(Err(cause));
            return Err(FirstFailure::Change { at, ended });
        }
        D::reset_integrity_watch(watch);
        Ok(())
    }
}
