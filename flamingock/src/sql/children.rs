//! SQLite: rows of child tables that go with a table that is dropped.
//!
//! Where foreign keys are enforced, `DROP TABLE` deletes the rows of the table first, and what refers to
//! them `ON DELETE CASCADE` goes with them: a table that is rebuilt takes the rows of its children along,
//! without an error. In a transaction, `PRAGMA foreign_keys = OFF` does nothing. So the rows are watched:
//! what a change deletes by itself is its own affair; what it loses by dropping a table is not applied.

use crate::sql::reference::{Kind, Reference, number, quoted};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use flamingock_sqlx_audit::{Conn, Sqlite};
use sqlx::sqlite::SqliteOperation;

use super::driver::send;
use super::veto::Veto;
use super::watching::Watching;
use crate::util::boxed::BoxError;

pub(super) type Result<T> = std::result::Result<T, sqlx::Error>;

/// What there was before a change.
#[derive(Debug)]
pub(crate) enum Watch {
    Drops(Drops),
    /// How many rows of a table refer to none of another one.
    References(HashMap<(String, String), i64>),
}

/// What has happened to rows since.
#[derive(Debug, Default)]
struct Seen {
    last: Option<(String, Kind)>,
    deleted: HashSet<String>,
    touched: HashSet<(String, Kind)>,
    /// What was touched after rows of another table had been deleted.
    after: HashSet<(String, String, Kind)>,
}

impl Seen {
    fn note(&mut self, table: &str, kind: Kind) {
        if matches!(&self.last, Some((last, of)) if last == table && *of == kind) {
            return;
        }
        let name = table.to_ascii_lowercase();
        self.last = Some((table.to_owned(), kind));
        for before in self.deleted.iter().filter(|before| **before != name) {
            self.after.insert((before.clone(), name.clone(), kind));
        }
        self.touched.insert((name.clone(), kind));
        if kind == Kind::Deleted {
            self.deleted.insert(name);
        }
    }
}

/// The tables before a change, and what has happened since.
#[derive(Debug)]
pub(crate) struct Drops {
    seen: Arc<Mutex<Seen>>,
    /// What undoes a statement that loses rows, where no transaction could.
    veto: Option<Veto>,
    /// The root pages of the tables, and those that the driver tells nothing of.
    pages: HashMap<String, String>,
    unwatched: HashSet<String>,
    /// How many rows, or references, tables had that the driver tells nothing of.
    counted: Vec<(Reference, i64)>,
}

impl Watch {
    pub(super) async fn begin(
        connection: &mut Conn<Sqlite>,
        watching: Watching,
    ) -> Result<Option<Watch>> {
        match watching {
            Watching::References => {
                let broken = broken(connection).await?;
                Ok(Some(Watch::References(broken)))
            }
            Watching::Drops | Watching::Statements if !is_enforced(connection).await? => Ok(None),
            Watching::Drops | Watching::Statements => {
                let drops = Drops::begin(connection, watching).await?;
                Ok(Some(Watch::Drops(drops)))
            }
        }
    }

    /// Why what was done since must not be committed.
    pub(super) async fn objection(
        &self,
        connection: &mut Conn<Sqlite>,
    ) -> Result<Option<BoxError>> {
        match self {
            Watch::Drops(drops) => drops.objection(connection).await,
            Watch::References(before) => {
                let now = broken(connection).await?;
                let worse = now
                    .iter()
                    .find(|(pair, count)| before.get(*pair).copied().unwrap_or_default() < **count);
                Ok(worse.map(|((child, parent), count)| {
                    format!("foreign keys were off while it ran, and rows of \"{child}\" now refer to rows of \"{parent}\" that are not there: {count} in all (`PRAGMA foreign_key_check` lists them)").into()
                }))
            }
        }
    }

    /// Why a statement was undone that would have lost rows.
    pub(super) fn vetoed(&self) -> Option<BoxError> {
        match self {
            Watch::Drops(drops) => drops.veto.as_ref()?.refused().as_ref().map(lost),
            Watch::References(_) => None,
        }
    }

    /// What comes now is another change's.
    pub(super) fn begins_again(&self) {
        if let Watch::Drops(drops) = self {
            *drops.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
        }
    }
}

impl Drops {
    async fn begin(connection: &mut Conn<Sqlite>, watching: Watching) -> Result<Drops> {
        let (pages, unwatched) = tables(connection).await?;
        let veto = match watching {
            Watching::Statements => {
                let mut watched = references(connection).await?;
                watched.retain(|one| {
                    let parent = one.parent.to_ascii_lowercase();
                    pages.contains_key(&parent) && !unwatched.contains(&parent)
                });
                Veto::of(connection, watched).await
            }
            Watching::Drops | Watching::References => None,
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let mut note = veto.as_ref().map(Veto::noting);
        let mut handle = connection.lock_handle().await?;
        handle.set_update_hook(move |row| {
            if let Some(note) = &mut note {
                note(&row);
            }
            let kind = match row.operation {
                SqliteOperation::Delete => Kind::Deleted,
                SqliteOperation::Update => Kind::Updated,
                SqliteOperation::Insert | SqliteOperation::Unknown(_) => return,
            };
            let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
            seen.note(row.table, kind);
        });
        if let Some(veto) = &veto {
            veto.arm(&mut handle);
        }
        drop(handle);
        let mut counted = Vec::new();
        if !unwatched.is_empty() {
            for reference in references(connection).await? {
                if unwatched.contains(&reference.child.to_ascii_lowercase()) {
                    let count = count(connection, &reference).await?;
                    counted.push((reference, count));
                }
            }
        }
        Ok(Drops {
            seen,
            veto,
            pages,
            unwatched,
            counted,
        })
    }

    async fn objection(&self, connection: &mut Conn<Sqlite>) -> Result<Option<BoxError>> {
        let is_quiet = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.after.is_empty() && (self.unwatched.is_empty() || seen.touched.is_empty())
        };
        if is_quiet && self.counted.is_empty() {
            return Ok(None);
        }
        let (pages, _) = tables(connection).await?;
        let is_changed = |parent: &str| {
            let parent = parent.to_ascii_lowercase();
            let before = self.pages.get(&parent);
            before.is_none() || before != pages.get(&parent)
        };
        let is_there = |child: &str| pages.contains_key(&child.to_ascii_lowercase());
        for reference in references(connection).await? {
            if is_changed(&reference.parent)
                && is_there(&reference.child)
                && self.has_lost(connection, &reference, &pages).await?
            {
                return Ok(Some(lost(&reference)));
            }
        }
        for (reference, before) in &self.counted {
            if is_changed(&reference.parent)
                && is_there(&reference.child)
                && count(connection, reference).await? < *before
            {
                return Ok(Some(lost(reference)));
            }
        }
        Ok(None)
    }

    async fn has_lost(
        &self,
        connection: &mut Conn<Sqlite>,
        reference: &Reference,
        pages: &HashMap<String, String>,
    ) -> Result<bool> {
        if let Some(veto) = &self.veto {
            let is_there = pages.contains_key(&reference.parent.to_ascii_lowercase());
            let known = veto.has_lost(connection, reference, is_there).await?;
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let child = reference.child.to_ascii_lowercase();
        let parent = reference.parent.to_ascii_lowercase();
        let kind = reference.kind();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.unwatched.contains(&parent) {
            return Ok(child != parent && seen.touched.contains(&(child, kind)));
        }
        Ok(seen.after.contains(&(parent, child, kind)))
    }
}

fn lost(reference: &Reference) -> BoxError {
    let Reference {
        child,
        parent,
        action,
        ..
    } = reference;
    let what = match reference.kind() {
        Kind::Deleted => "deletes",
        Kind::Updated => "loses the references of",
    };
    format!("foreign keys are enforced, so that dropping the table \"{parent}\" {what} rows of \"{child}\" (ON DELETE {action}), also where it is only rebuilt. Switch that off before: a file says `PRAGMA foreign_keys = OFF;` at its head, for its whole transaction; a function sends it itself, with `transaction = false`. Or delete the rows of \"{child}\" first").into()
}

/// Why a statement that is to be run outside a transaction must not be: its rows could not be brought back.
pub(super) async fn would_lose(
    connection: &mut Conn<Sqlite>,
    statement: &str,
) -> Result<Option<BoxError>> {
    let statement = statement.to_ascii_lowercase();
    if !statement.contains("drop") || !is_enforced(connection).await? {
        return Ok(None);
    }
    for reference in references(connection).await? {
        let (child, parent) = (&reference.child, &reference.parent);
        let names_parent = statement.contains(&parent.to_ascii_lowercase());
        if names_parent && !child.eq_ignore_ascii_case(parent) {
            let set = format!(
                "SELECT count(*) FROM {} WHERE {} IS NOT NULL",
                quoted(child),
                quoted(&reference.column)
            );
            if number(connection, set).await? > 0 {
                return Ok(Some(lost(&reference)));
            }
        }
    }
    Ok(None)
}

async fn is_enforced(connection: &mut Conn<Sqlite>) -> Result<bool> {
    let is_on = number(connection, "PRAGMA foreign_keys".to_owned()).await?;
    Ok(is_on != 0)
}

/// The root pages of all tables, and those without rows of their own numbers.
async fn tables(
    connection: &mut Conn<Sqlite>,
) -> Result<(HashMap<String, String>, HashSet<String>)> {
    let text = "SELECT lower(name), CAST(rootpage AS TEXT), CAST(sql LIKE '%WITHOUT%ROWID%' AS TEXT) \
                FROM main.sqlite_master WHERE type = 'table'";
    let (mut pages, mut unwatched) = (HashMap::new(), HashSet::new());
    for mut row in send::<Sqlite>(connection, text.to_owned()).await?.rows {
        let name = row.text(0);
        if row.text(2) == "1" {
            unwatched.insert(name.clone());
        }
        pages.insert(name, row.text(1));
    }
    Ok((pages, unwatched))
}

/// All references that do something to their rows.
async fn references(connection: &mut Conn<Sqlite>) -> Result<Vec<Reference>> {
    let text = "SELECT m.name, f.\"from\", f.\"table\", upper(f.on_delete) \
                FROM main.sqlite_master m, pragma_foreign_key_list(m.name) f \
                WHERE m.type = 'table' AND m.sql LIKE '%REFERENCES%' \
                AND upper(f.on_delete) IN ('CASCADE', 'SET NULL', 'SET DEFAULT')";
    let rows = send::<Sqlite>(connection, text.to_owned()).await?.rows;
    let rows = rows.into_iter().map(|mut row| Reference {
        child: row.text(0),
        column: row.text(1),
        parent: row.text(2),
        action: row.text(3),
    });
    Ok(rows.collect())
}

/// How many rows there are that a parent's end would take along, or change.
async fn count(connection: &mut Conn<Sqlite>, reference: &Reference) -> Result<i64> {
    let what = match reference.kind() {
        Kind::Deleted => "*".to_owned(),
        Kind::Updated => quoted(&reference.column),
    };
    let text = format!("SELECT count({what}) FROM {}", quoted(&reference.child));
    number(connection, text).await
}

/// How many rows refer to none, by their table and the one that they refer to. A schema whose references
/// can't be checked has none.
async fn broken(connection: &mut Conn<Sqlite>) -> Result<HashMap<(String, String), i64>> {
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
