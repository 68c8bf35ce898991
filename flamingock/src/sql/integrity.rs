//! SQLite: rows of child tables that are lost when their parent table is dropped.
//!
//! If foreign keys are enforced, `DROP TABLE` deletes the rows of the table first, and `ON DELETE
//! CASCADE` deletes the rows that refer to them. A rebuild of a table deletes the rows of its child
//! tables that way, without an error. In a transaction, `PRAGMA foreign_keys = OFF` has no effect.
//! Therefore changes of rows are recorded: a change may delete rows itself, but it must not lose
//! rows by dropping a table.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use flamingock_sqlx_audit::{Conn, Sqlite};
use sqlx::sqlite::SqliteOperation;

use super::driver::{Result, send};
use super::foreign_key::{ForeignKey, RowEffect, query_number, quote_identifier};
use super::integrity_mode::IntegrityMode;
use super::row_loss_hook::RowLossHook;
use crate::util::boxed::BoxError;

/// The state before a change.
#[derive(Debug)]
pub(crate) enum IntegrityWatch {
    Drops(DropWatch),
    /// The number of broken references, by child and parent table.
    References(HashMap<(String, String), i64>),
}

/// The changes of rows since.
#[derive(Debug, Default)]
struct RowChanges {
    last: Option<(String, RowEffect)>,
    deleted: HashSet<String>,
    touched: HashSet<(String, RowEffect)>,
    /// The changes that followed a deletion of rows of another table.
    after_parent: HashSet<(String, String, RowEffect)>,
}

impl RowChanges {
    fn record(&mut self, table: &str, effect: RowEffect) {
        if matches!(&self.last, Some((last, of)) if last == table && *of == effect) {
            return;
        }
        let name = table.to_ascii_lowercase();
        self.last = Some((table.to_owned(), effect));
        for before in self.deleted.iter().filter(|before| **before != name) {
            self.after_parent
                .insert((before.clone(), name.clone(), effect));
        }
        self.touched.insert((name.clone(), effect));
        if effect == RowEffect::Deleted {
            self.deleted.insert(name);
        }
    }
}

/// The tables before a change, and the changes of rows since.
#[derive(Debug)]
pub(crate) struct DropWatch {
    changes: Arc<Mutex<RowChanges>>,
    /// Rolls back statements that lose rows, for a change without a transaction.
    hook: Option<RowLossHook>,
    /// The root pages of the tables, and the tables whose changes the driver does not report.
    pages: HashMap<String, String>,
    unreported: HashSet<String>,
    /// The number of rows or references of the tables whose changes the driver does not report.
    counted: Vec<(ForeignKey, i64)>,
}

impl IntegrityWatch {
    pub(super) async fn begin(
        connection: &mut Conn<Sqlite>,
        integrity_mode: IntegrityMode,
    ) -> Result<Option<IntegrityWatch>> {
        match integrity_mode {
            IntegrityMode::BrokenReferences => {
                let broken_references = broken_references(connection).await?;
                Ok(Some(IntegrityWatch::References(broken_references)))
            }
            IntegrityMode::DroppedTables | IntegrityMode::DroppedTablesPerStatement
                if !is_enforced(connection).await? =>
            {
                Ok(None)
            }
            IntegrityMode::DroppedTables | IntegrityMode::DroppedTablesPerStatement => {
                let drops = DropWatch::begin(connection, integrity_mode).await?;
                Ok(Some(IntegrityWatch::Drops(drops)))
            }
        }
    }

    /// Returns why the work since then must not be committed.
    pub(super) async fn violation(
        &self,
        connection: &mut Conn<Sqlite>,
    ) -> Result<Option<BoxError>> {
        match self {
            IntegrityWatch::Drops(drops) => drops.violation(connection).await,
            IntegrityWatch::References(before) => {
                let now = broken_references(connection).await?;
                let worse = now
                    .iter()
                    .find(|(pair, count)| before.get(*pair).copied().unwrap_or_default() < **count);
                Ok(worse.map(|((child, parent), count)| {
                    format!("foreign keys were off while it ran, and rows of \"{child}\" now refer to rows of \"{parent}\" that are not there: {count} in all (`PRAGMA foreign_key_check` lists them)").into()
                }))
            }
        }
    }

    /// Returns why a statement was rolled back.
    pub(super) fn prevented_loss(&self) -> Option<BoxError> {
        match self {
            IntegrityWatch::Drops(drops) => {
                drops.hook.as_ref()?.prevented().as_ref().map(loss_error)
            }
            IntegrityWatch::References(_) => None,
        }
    }

    /// Starts again for the next change of the transaction.
    pub(super) fn reset(&self) {
        if let IntegrityWatch::Drops(drops) = self {
            *drops.changes.lock().unwrap_or_else(PoisonError::into_inner) = RowChanges::default();
        }
    }
}

impl DropWatch {
    async fn begin(
        connection: &mut Conn<Sqlite>,
        integrity_mode: IntegrityMode,
    ) -> Result<DropWatch> {
        let (pages, unreported) = tables(connection).await?;
        let hook = match integrity_mode {
            IntegrityMode::DroppedTablesPerStatement => {
                let mut watched = foreign_keys(connection).await?;
                watched.retain(|one| {
                    let parent = one.parent.to_ascii_lowercase();
                    pages.contains_key(&parent) && !unreported.contains(&parent)
                });
                RowLossHook::install(connection, watched).await
            }
            IntegrityMode::DroppedTables | IntegrityMode::BrokenReferences => None,
        };
        let changes = Arc::new(Mutex::new(RowChanges::default()));
        let recorded = Arc::clone(&changes);
        let mut callback = hook.as_ref().map(RowLossHook::row_callback);
        let mut handle = connection.lock_handle().await?;
        handle.set_update_hook(move |row| {
            if let Some(callback) = &mut callback {
                callback(&row);
            }
            let effect = match row.operation {
                SqliteOperation::Delete => RowEffect::Deleted,
                SqliteOperation::Update => RowEffect::Updated,
                SqliteOperation::Insert | SqliteOperation::Unknown(_) => return,
            };
            let mut changes = recorded.lock().unwrap_or_else(PoisonError::into_inner);
            changes.record(row.table, effect);
        });
        if let Some(hook) = &hook {
            hook.activate(&mut handle);
        }
        drop(handle);
        let mut counted = Vec::new();
        if !unreported.is_empty() {
            for foreign_key in foreign_keys(connection).await? {
                if unreported.contains(&foreign_key.child.to_ascii_lowercase()) {
                    let count = count(connection, &foreign_key).await?;
                    counted.push((foreign_key, count));
                }
            }
        }
        Ok(DropWatch {
            changes,
            hook,
            pages,
            unreported,
            counted,
        })
    }

    async fn violation(&self, connection: &mut Conn<Sqlite>) -> Result<Option<BoxError>> {
        let is_unaffected = {
            let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            changes.after_parent.is_empty()
                && (self.unreported.is_empty() || changes.touched.is_empty())
        };
        if is_unaffected && self.counted.is_empty() {
            return Ok(None);
        }
        let (pages, _) = tables(connection).await?;
        let is_changed = |parent: &str| {
            let parent = parent.to_ascii_lowercase();
            let before = self.pages.get(&parent);
            before.is_none() || before != pages.get(&parent)
        };
        let exists = |child: &str| pages.contains_key(&child.to_ascii_lowercase());
        for foreign_key in foreign_keys(connection).await? {
            if is_changed(&foreign_key.parent)
                && exists(&foreign_key.child)
                && self.has_lost(connection, &foreign_key, &pages).await?
            {
                return Ok(Some(loss_error(&foreign_key)));
            }
        }
        for (foreign_key, before) in &self.counted {
            if is_changed(&foreign_key.parent)
                && exists(&foreign_key.child)
                && count(connection, foreign_key).await? < *before
            {
                return Ok(Some(loss_error(foreign_key)));
            }
        }
        Ok(None)
    }

    async fn has_lost(
        &self,
        connection: &mut Conn<Sqlite>,
        foreign_key: &ForeignKey,
        pages: &HashMap<String, String>,
    ) -> Result<bool> {
        if let Some(hook) = &self.hook {
            let exists = pages.contains_key(&foreign_key.parent.to_ascii_lowercase());
            let known = hook.has_lost(connection, foreign_key, exists).await?;
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let child = foreign_key.child.to_ascii_lowercase();
        let parent = foreign_key.parent.to_ascii_lowercase();
        let effect = foreign_key.effect();
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.unreported.contains(&parent) {
            return Ok(child != parent && changes.touched.contains(&(child, effect)));
        }
        Ok(changes.after_parent.contains(&(parent, child, effect)))
    }
}

fn loss_error(foreign_key: &ForeignKey) -> BoxError {
    let ForeignKey {
        child,
        parent,
        action,
        ..
    } = foreign_key;
    let what = match foreign_key.effect() {
        RowEffect::Deleted => "deletes",
        RowEffect::Updated => "loses the references of",
    };
    format!("foreign keys are enforced, so that dropping the table \"{parent}\" {what} rows of \"{child}\" (ON DELETE {action}), also where it is only rebuilt. Switch that off before: a file says `PRAGMA foreign_keys = OFF;` at its head, for its whole transaction; a function sends it itself, with `transaction = false`. Or delete the rows of \"{child}\" first").into()
}

/// Returns why a statement must not run outside a transaction: the rows that it deletes could not
/// be restored.
pub(super) async fn row_loss(
    connection: &mut Conn<Sqlite>,
    statement: &str,
) -> Result<Option<BoxError>> {
    let statement = statement.to_ascii_lowercase();
    if !statement.contains("drop") || !is_enforced(connection).await? {
        return Ok(None);
    }
    for foreign_key in foreign_keys(connection).await? {
        let (child, parent) = (&foreign_key.child, &foreign_key.parent);
        let names_parent = statement.contains(&parent.to_ascii_lowercase());
        if names_parent && !child.eq_ignore_ascii_case(parent) {
            let set = format!(
                "SELECT count(*) FROM {} WHERE {} IS NOT NULL",
                quote_identifier(child),
                quote_identifier(&foreign_key.column)
            );
            if query_number(connection, set).await? > 0 {
                return Ok(Some(loss_error(&foreign_key)));
            }
        }
    }
    Ok(None)
}

async fn is_enforced(connection: &mut Conn<Sqlite>) -> Result<bool> {
    let is_on = query_number(connection, "PRAGMA foreign_keys".to_owned()).await?;
    Ok(is_on != 0)
}

/// Returns the root pages of all tables, and the tables without row IDs.
async fn tables(
    connection: &mut Conn<Sqlite>,
) -> Result<(HashMap<String, String>, HashSet<String>)> {
    let text = "SELECT lower(name), CAST(rootpage AS TEXT), CAST(sql LIKE '%WITHOUT%ROWID%' AS TEXT) \
                FROM main.sqlite_master WHERE type = 'table'";
    let (mut pages, mut unreported) = (HashMap::new(), HashSet::new());
    for mut row in send::<Sqlite>(connection, text.to_owned()).await?.rows {
        let name = row.text(0);
        if row.text(2) == "1" {
            unreported.insert(name.clone());
        }
        pages.insert(name, row.text(1));
    }
    Ok((pages, unreported))
}

/// Returns all foreign keys with an action on delete.
async fn foreign_keys(connection: &mut Conn<Sqlite>) -> Result<Vec<ForeignKey>> {
    let text = "SELECT m.name, f.\"from\", f.\"table\", upper(f.on_delete) \
                FROM main.sqlite_master m, pragma_foreign_key_list(m.name) f \
                WHERE m.type = 'table' AND m.sql LIKE '%REFERENCES%' \
                AND upper(f.on_delete) IN ('CASCADE', 'SET NULL', 'SET DEFAULT')";
    let rows = send::<Sqlite>(connection, text.to_owned()).await?.rows;
    let rows = rows.into_iter().map(|mut row| ForeignKey {
        child: row.text(0),
        column: row.text(1),
        parent: row.text(2),
        action: row.text(3),
    });
    Ok(rows.collect())
}

/// Counts the rows that would be deleted or updated together with the parent's.
async fn count(connection: &mut Conn<Sqlite>, foreign_key: &ForeignKey) -> Result<i64> {
    let what = match foreign_key.effect() {
        RowEffect::Deleted => "*".to_owned(),
        RowEffect::Updated => quote_identifier(&foreign_key.column),
    };
    let text = format!(
        "SELECT count({what}) FROM {}",
        quote_identifier(&foreign_key.child)
    );
    query_number(connection, text).await
}

/// Counts the broken references by child and parent table. A schema whose references cannot be
/// checked has none.
async fn broken_references(
    connection: &mut Conn<Sqlite>,
) -> Result<HashMap<(String, String), i64>> {
    let text = "SELECT \"table\", parent, CAST(count(*) AS TEXT) FROM pragma_foreign_key_check \
                GROUP BY 1, 2";
    let Ok(answer) = send::<Sqlite>(connection, text.to_owned()).await else {
        return Ok(HashMap::new());
    };
    let rows = answer.rows.into_iter().map(|mut row| {
        let count = row.text(2).parse().unwrap_or_default();
        ((row.text(0), row.text(1)), count)
    });
    Ok(rows.collect())
}
