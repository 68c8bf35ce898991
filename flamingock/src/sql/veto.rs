//! SQLite: a statement that loses the rows of child tables is undone, where no transaction around the change
//! could undo it.
//!
//! `DROP TABLE` deletes the rows of a parent as `DELETE` does, and what refers to them goes with them. Two things
//! tell it from `DELETE`: it fires no triggers, and the hook on commits can still turn the commit of the
//! statement into a rollback. So a temporary trigger on each parent marks the rows that are deleted on purpose.
//! Where all rows of a parent go without a mark, the rows of a child behind them are what nobody meant to lose.
//! All: a table that the change has rebuilt has no trigger any more, and some of its rows may be deleted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flamingock_sqlx_audit::{Conn, Sqlite};
use sqlx::sqlite::{LockedSqliteHandle, SqliteOperation, UpdateHookResult};

use super::driver::send;
use super::reference::{Kind, Reference, number, quoted};

const MARKS: &str = "flamingock_deleted";

/// How many rows of a table are counted at most.
const MOST: i64 = 1_000_000;

/// What undoes such a statement of one change.
#[derive(Debug)]
pub(super) struct Veto {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// The connection may outlive the change.
    is_armed: bool,
    references: Vec<Reference>,
    /// The parents by their names, each with the number of its mark.
    parents: HashMap<String, i64>,
    /// Rows that are about to be deleted on purpose.
    marked: HashMap<i64, u64>,
    /// How many rows the parents had, unless they are too many to count, and how many have come and gone in
    /// this transaction.
    rows: HashMap<String, Option<i64>>,
    change: HashMap<String, i64>,
    /// The parents of which rows went without a mark in this transaction.
    dropped: HashSet<String>,
    /// What this transaction may have lost by that.
    loss: Option<Reference>,
    /// The same of those that were committed.
    suspected: Vec<Reference>,
    /// The first loss that was undone.
    refused: Option<Reference>,
}

impl State {
    fn note(&mut self, row: &UpdateHookResult<'_>) {
        let name = row.table.to_ascii_lowercase();
        let kind = match row.operation {
            SqliteOperation::Delete => Kind::Deleted,
            SqliteOperation::Update => Kind::Updated,
            SqliteOperation::Insert => {
                *self.change.entry(name).or_default() += 1;
                return;
            }
            SqliteOperation::Unknown(_) => return,
        };
        if name == MARKS {
            *self.marked.entry(row.rowid).or_default() += 1;
            return;
        }
        if kind == Kind::Deleted {
            *self.change.entry(name.clone()).or_default() -= 1;
        }
        if self.loss.is_none() && !self.dropped.is_empty() {
            let mut all = self.references.iter();
            let lost = all.find(|one| {
                let parent = one.parent.to_ascii_lowercase();
                one.child.eq_ignore_ascii_case(&name)
                    && one.kind() == kind
                    && parent != name
                    && self.dropped.contains(&parent)
            });
            self.loss = lost.cloned();
        }
        if kind == Kind::Deleted
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

    /// Whether this transaction may be committed.
    fn judge(&mut self) -> bool {
        if let Some(loss) = self.loss.take() {
            let parent = loss.parent.to_ascii_lowercase();
            let left = self.change.get(&parent).copied().unwrap_or_default();
            let had = self.rows.get(&parent).copied().flatten();
            if self.is_armed && had.is_none_or(|had| had + left <= 0) {
                self.refused.get_or_insert(loss);
                self.forget();
                return false;
            }
            self.suspected.push(loss);
        }
        for (table, change) in std::mem::take(&mut self.change) {
            if let Some(Some(rows)) = self.rows.get_mut(&table) {
                *rows += change;
            }
        }
        self.forget();
        true
    }

    /// Whether rows may have gone by a reference, and how many rows its parent should have.
    fn knows(&self, parent: &str, reference: &Reference) -> Option<(bool, i64)> {
        let rows = self.rows.get(parent).copied().flatten()?;
        let mut all = self.suspected.iter().chain(&self.loss);
        let is_suspected = all.any(|one| {
            one.child.eq_ignore_ascii_case(&reference.child)
                && one.parent.eq_ignore_ascii_case(parent)
        });
        Some((is_suspected, rows))
    }

    /// The transaction has ended.
    fn forget(&mut self) {
        self.marked.clear();
        self.change.clear();
        self.dropped.clear();
        self.loss = None;
    }
}

impl Veto {
    /// Marks what is deleted from the parents on purpose. None: there are none, or nothing can be marked.
    pub(super) async fn of(
        connection: &mut Conn<Sqlite>,
        references: Vec<Reference>,
    ) -> Option<Veto> {
        let mut parents = HashMap::new();
        for reference in &references {
            let next = i64::try_from(parents.len()).unwrap_or(i64::MAX);
            let parent = reference.parent.to_ascii_lowercase();
            parents.entry(parent).or_insert(next);
        }
        if parents.is_empty() {
            return None;
        }
        let mut rows = HashMap::new();
        for parent in parents.keys() {
            let text = format!(
                "SELECT count(*) FROM (SELECT 1 FROM main.{} LIMIT {})",
                quoted(parent),
                MOST + 1
            );
            let count = number(connection, text).await.ok()?;
            rows.insert(parent.clone(), (count <= MOST).then_some(count));
        }
        let mut texts = vec![format!(
            "CREATE TEMP TABLE {MARKS} (parent INTEGER PRIMARY KEY, mark INTEGER)"
        )];
        for (parent, number) in &parents {
            texts.push(format!("INSERT INTO temp.{MARKS} VALUES ({number}, 0)"));
            texts.push(format!(
                "CREATE TEMP TRIGGER {MARKS}_{number} BEFORE DELETE ON main.{} \
                 BEGIN UPDATE {MARKS} SET mark = 1 WHERE parent = {number}; END",
                quoted(parent)
            ));
        }
        for text in texts {
            if let Err(error) = send::<Sqlite>(connection, text).await {
                tracing::debug!(%error, "rows that go with a dropped table are looked for behind the change alone");
                return None;
            }
        }
        let state = State {
            is_armed: true,
            references,
            parents,
            marked: HashMap::new(),
            rows,
            change: HashMap::new(),
            dropped: HashSet::new(),
            loss: None,
            suspected: Vec::new(),
            refused: None,
        };
        Some(Veto {
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// What is told of each row.
    pub(super) fn noting(&self) -> impl FnMut(&UpdateHookResult<'_>) + Send + 'static {
        let state = Arc::clone(&self.state);
        move |row| locked(&state).note(row)
    }

    pub(super) fn arm(&self, handle: &mut LockedSqliteHandle<'_>) {
        let state = Arc::clone(&self.state);
        handle.set_commit_hook(move || locked(&state).judge());
        let state = Arc::clone(&self.state);
        handle.set_rollback_hook(move || locked(&state).forget());
    }

    /// Whether rows have gone by a reference; none if it doesn't tell.
    pub(super) async fn has_lost(
        &self,
        connection: &mut Conn<Sqlite>,
        reference: &Reference,
        is_parent_there: bool,
    ) -> Result<Option<bool>, sqlx::Error> {
        let parent = reference.parent.to_ascii_lowercase();
        let Some((is_suspected, rows)) = locked(&self.state).knows(&parent, reference) else {
            return Ok(None);
        };
        if !is_suspected {
            return Ok(Some(false));
        }
        // Where the count has been right all the time, rows of the parent were left each time: it was not
        // dropped. The driver does not tell of rows that REPLACE deletes.
        let now = match is_parent_there {
            true => {
                let text = format!("SELECT count(*) FROM main.{}", quoted(&parent));
                number(connection, text).await?
            }
            false => 0,
        };
        Ok(Some(now != rows))
    }

    /// The first loss that was undone.
    pub(super) fn refused(&self) -> Option<Reference> {
        locked(&self.state).refused.clone()
    }
}

impl Drop for Veto {
    fn drop(&mut self) {
        locked(&self.state).is_armed = false;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
