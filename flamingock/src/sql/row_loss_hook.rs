//! SQLite: rolls back a statement that would delete rows of child tables by dropping their parent,
//! for changes that have no transaction.
//!
//! `DROP TABLE` deletes the rows of a parent table as `DELETE` does, and foreign keys delete the
//! rows that refer to them. Two facts distinguish it from `DELETE`: it fires no triggers, and the
//! commit hook can still turn the commit of the statement into a rollback. Therefore a temporary
//! trigger on each parent marks the rows that are deleted on purpose. If all rows of a parent are
//! deleted without a mark, the rows of a child that were deleted after them were not meant to be
//! lost. The rule is about all rows, because a table that the change has rebuilt has no trigger any
//! more, and some of its rows may be deleted on purpose.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flamingock_sqlx_audit::{Conn, Sqlite};
use sqlx::sqlite::{LockedSqliteHandle, SqliteOperation, UpdateHookResult};

use super::driver::send;
use super::foreign_key::{ForeignKey, RowEffect, query_number, quote_identifier};

const MARKS_TABLE: &str = "flamingock_deleted";

/// The largest number of rows of a table that is counted.
const MAX_COUNTED: i64 = 1_000_000;

/// The hooks that roll back such statements of one change.
#[derive(Debug)]
pub(super) struct RowLossHook {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Whether the change still runs: the connection may outlive it.
    is_active: bool,
    foreign_keys: Vec<ForeignKey>,
    /// The parent tables, with the number of the mark of each.
    parents: HashMap<String, i64>,
    /// The number of rows that are about to be deleted on purpose, by mark.
    marked: HashMap<i64, u64>,
    /// The number of rows of each parent; `None` if there are too many to count.
    row_counts: HashMap<String, Option<i64>>,
    /// How that number has changed in this transaction, by parent.
    row_changes: HashMap<String, i64>,
    /// The parents of which rows were deleted without a mark in this transaction.
    dropped: HashSet<String>,
    /// The foreign key by which this transaction may have lost rows.
    loss: Option<ForeignKey>,
    /// The same for the transactions that were committed.
    suspected: Vec<ForeignKey>,
    /// The foreign key of the first statement that was rolled back.
    prevented: Option<ForeignKey>,
}

impl State {
    fn record(&mut self, row: &UpdateHookResult<'_>) {
        let name = row.table.to_ascii_lowercase();
        let effect = match row.operation {
            SqliteOperation::Delete => RowEffect::Deleted,
            SqliteOperation::Update => RowEffect::Updated,
            SqliteOperation::Insert => {
                *self.row_changes.entry(name).or_default() += 1;
                return;
            }
            SqliteOperation::Unknown(_) => return,
        };
        if name == MARKS_TABLE {
            *self.marked.entry(row.rowid).or_default() += 1;
            return;
        }
        if effect == RowEffect::Deleted {
            *self.row_changes.entry(name.clone()).or_default() -= 1;
        }
        if self.loss.is_none() && !self.dropped.is_empty() {
            let mut all = self.foreign_keys.iter();
            let loss = all.find(|one| {
                let parent = one.parent.to_ascii_lowercase();
                one.child.eq_ignore_ascii_case(&name)
                    && one.effect() == effect
                    && parent != name
                    && self.dropped.contains(&parent)
            });
            self.loss = loss.cloned();
        }
        if effect == RowEffect::Deleted
            && let Some(number) = self.parents.get(&name)
        {
            match self.marked.get_mut(number) {
                Some(marks) if *marks > 0 => *marks -= 1,
                _ => {
                    self.dropped.insert(name);
                }
            }
        }
    }

    /// Reports whether this transaction may be committed.
    fn allows_commit(&mut self) -> bool {
        if let Some(loss) = self.loss.take() {
            let parent = loss.parent.to_ascii_lowercase();
            let left = self.row_changes.get(&parent).copied().unwrap_or_default();
            let had = self.row_counts.get(&parent).copied().flatten();
            if self.is_active && had.is_none_or(|had| had + left <= 0) {
                self.prevented.get_or_insert(loss);
                self.end_transaction();
                return false;
            }
            self.suspected.push(loss);
        }
        for (table, row_changes) in std::mem::take(&mut self.row_changes) {
            if let Some(Some(row_counts)) = self.row_counts.get_mut(&table) {
                *row_counts += row_changes;
            }
        }
        self.end_transaction();
        true
    }

    /// Returns whether rows may have been lost by a foreign key, and the expected number of rows of
    /// its parent.
    fn expected_rows(&self, parent: &str, foreign_key: &ForeignKey) -> Option<(bool, i64)> {
        let row_counts = self.row_counts.get(parent).copied().flatten()?;
        let mut all = self.suspected.iter().chain(&self.loss);
        let is_suspected = all.any(|one| {
            one.child.eq_ignore_ascii_case(&foreign_key.child)
                && one.parent.eq_ignore_ascii_case(parent)
        });
        Some((is_suspected, row_counts))
    }

    /// Resets the state of the transaction.
    fn end_transaction(&mut self) {
        self.marked.clear();
        self.row_changes.clear();
        self.dropped.clear();
        self.loss = None;
    }
}

impl RowLossHook {
    /// Creates the triggers that mark deleted rows of the parents. Returns `None` if there are no
    /// parents, or if no triggers can be created.
    pub(super) async fn install(
        connection: &mut Conn<Sqlite>,
        foreign_keys: Vec<ForeignKey>,
    ) -> Option<RowLossHook> {
        let mut parents = HashMap::new();
        for foreign_key in &foreign_keys {
            let next = i64::try_from(parents.len()).unwrap_or(i64::MAX);
            let parent = foreign_key.parent.to_ascii_lowercase();
            parents.entry(parent).or_insert(next);
        }
        if parents.is_empty() {
            return None;
        }
        let mut row_counts = HashMap::new();
        for parent in parents.keys() {
            let text = format!(
                "SELECT count(*) FROM (SELECT 1 FROM main.{} LIMIT {})",
                quote_identifier(parent),
                MAX_COUNTED + 1
            );
            let count = query_number(connection, text).await.ok()?;
            row_counts.insert(parent.clone(), (count <= MAX_COUNTED).then_some(count));
        }
        let mut texts = vec![format!(
            "CREATE TEMP TABLE {MARKS_TABLE} (parent INTEGER PRIMARY KEY, mark INTEGER)"
        )];
        for (parent, number) in &parents {
            texts.push(format!(
                "INSERT INTO temp.{MARKS_TABLE} VALUES ({number}, 0)"
            ));
            texts.push(format!(
                "CREATE TEMP TRIGGER {MARKS_TABLE}_{number} BEFORE DELETE ON main.{} \
                 BEGIN UPDATE {MARKS_TABLE} SET mark = 1 WHERE parent = {number}; END",
                quote_identifier(parent)
            ));
        }
        for text in texts {
            if let Err(error) = send::<Sqlite>(connection, text).await {
                tracing::debug!(%error, "lost rows of child tables are only detected after the change");
                return None;
            }
        }
        let state = State {
            is_active: true,
            foreign_keys,
            parents,
            marked: HashMap::new(),
            row_counts,
            row_changes: HashMap::new(),
            dropped: HashSet::new(),
            loss: None,
            suspected: Vec::new(),
            prevented: None,
        };
        Some(RowLossHook {
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Returns the callback for each changed row.
    pub(super) fn row_callback(&self) -> impl FnMut(&UpdateHookResult<'_>) + Send + 'static {
        let state = Arc::clone(&self.state);
        move |row| locked(&state).record(row)
    }

    pub(super) fn activate(&self, handle: &mut LockedSqliteHandle<'_>) {
        let state = Arc::clone(&self.state);
        handle.set_commit_hook(move || locked(&state).allows_commit());
        let state = Arc::clone(&self.state);
        handle.set_rollback_hook(move || locked(&state).end_transaction());
    }

    /// Returns whether rows were lost by a foreign key. `None` if that cannot be determined.
    pub(super) async fn has_lost(
        &self,
        connection: &mut Conn<Sqlite>,
        foreign_key: &ForeignKey,
        is_parent_there: bool,
    ) -> Result<Option<bool>, sqlx::Error> {
        let parent = foreign_key.parent.to_ascii_lowercase();
        let Some((is_suspected, row_counts)) =
            locked(&self.state).expected_rows(&parent, foreign_key)
        else {
            return Ok(None);
        };
        if !is_suspected {
            return Ok(Some(false));
        }
        // If the expected count is right, rows of the parent were left each time, so it was not
        // dropped. The driver does not report rows that `REPLACE` deletes.
        let now = match is_parent_there {
            true => {
                let text = format!("SELECT count(*) FROM main.{}", quote_identifier(&parent));
                query_number(connection, text).await?
            }
            false => 0,
        };
        Ok(Some(now != row_counts))
    }

    /// Returns the foreign key of the first statement that was rolled back.
    pub(super) fn prevented(&self) -> Option<ForeignKey> {
        locked(&self.state).prevented.clone()
    }
}

impl Drop for RowLossHook {
    fn drop(&mut self) {
        locked(&self.state).is_active = false;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
