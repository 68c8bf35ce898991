//! SQLite: foreign keys around a transaction, in which they can't be switched, and what a change must not
//! lose by them.

use std::ops::Range;

use flamingock_sqlx_audit::Conn;

use super::batch::Transact;
use super::call::Broke;
use crate::change::script::Script;
use crate::sql::connection::Held;
use crate::sql::driver::{Driver, send};
use crate::sql::watching::Watching;
use crate::target::invocation::Ended;
use crate::util::database_kind::DatabaseKind;

impl<D: Driver> Transact<'_, D> {
    /// Whether foreign keys are to be enforced, if the only change is a file that says so.
    fn enforces_foreign_keys(&self) -> Option<bool> {
        let [only] = self.parts else {
            return None;
        };
        let script = only.body.script();
        let script = script.filter(|_| D::KIND == DatabaseKind::Sqlite);
        script.and_then(Script::enforces_foreign_keys)
    }

    /// Does what the file's pragma would not do in the transaction.
    pub(super) async fn set_foreign_keys(&self, held: &mut Held<D>) -> Result<(), sqlx::Error> {
        match self.enforces_foreign_keys() {
            Some(enforced) => {
                let text = format!("PRAGMA foreign_keys = {}", u8::from(enforced));
                send::<D>(held, text).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Looks at what the changes from this one on must not lose.
    pub(super) async fn watch(
        &self,
        connection: &mut Conn<D>,
        at: usize,
    ) -> Result<Option<D::Watch>, Broke> {
        let may_drop = self.parts.iter().any(|part| {
            let script = part.body.script();
            script.is_none_or(Script::may_drop)
        });
        let watching = match self.enforces_foreign_keys() {
            Some(false) => Watching::References,
            Some(true) | None if may_drop => Watching::Drops,
            Some(true) | None => return Ok(None),
        };
        let watch = D::watch(connection, watching).await;
        watch.map_err(|error| Broke::Entry { at, error })
    }

    /// Makes these changes fail, which have ended, if they have lost something.
    pub(super) async fn object(
        &self,
        connection: &mut Conn<D>,
        watch: &Option<D::Watch>,
        range: Range<usize>,
    ) -> Result<(), Broke> {
        let Some(watch) = watch else {
            return Ok(());
        };
        let last = range.end - 1;
        let objection = D::objection(connection, watch).await;
        let objection = objection.map_err(|error| Broke::Entry { at: last, error })?;
        if let Some(cause) = objection {
            let drops = |at: &usize| {
                let script = self.parts[*at].body.script();
                script.is_none_or(Script::may_drop)
            };
            let at = range.rev().find(drops).unwrap_or(last);
            let ended = Ended::Returned(Err(cause));
            return Err(Broke::Change { at, ended });
        }
        D::begins_again(watch);
        Ok(())
    }
}
