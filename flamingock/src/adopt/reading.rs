//! Reading another tool's history out of a database, and finding out whether it is at work.

use super::Adoption;
use super::history::{self, Columns, History, is_true};
use super::mongock;
use super::tool::Tool;
use crate::argument::DatabaseKind;
use crate::audit::{StoreError, StoreErrorKind};
use crate::database::Database;
use crate::error::Error;
use crate::pipeline::Problem;

/// The key of goose's lock on PostgreSQL: the checksum of its name.
const GOOSE_LOCK: i64 = 4_097_083_626;

/// What sqlx multiplies the checksum of the database's name with, for the key of its lock.
const SQLX_LOCK: i64 = 0x3d32_ad9e;

/// The history, if there is any place where it could stand.
pub(super) async fn read(
    adoption: &Adoption,
    database: Option<&dyn Database>,
) -> Result<Option<History>, Error> {
    if let Some(export) = &adoption.export {
        let history = mongock::history(export);
        return history.map(Some).map_err(|problem| invalid(vec![problem]));
    }
    let (Some(database), Some(table)) = (database, adoption.table_name()) else {
        let message = format!(
            "the target {:?} is no database of sqlx: name the target that has the history with `Adoption::target`",
            adoption.target
        );
        return Err(invalid(vec![message]));
    };
    if !is_name(table) {
        return Err(invalid(vec![format!(
            "the table {table:?}: use letters, digits, `_`, `$`, and one dot between a schema and a table"
        )]));
    }
    refuse_at_work(adoption.tool, table, database).await?;
    let Some(rows) = rows(adoption.tool, table, database).await? else {
        return Ok(None);
    };
    // Whoever came in between has its lock now, or its rows were read.
    refuse_at_work(adoption.tool, table, database).await?;
    Ok(Some(history::history(adoption.tool, rows)))
}

/// The rows of the table; none where there is no table.
async fn rows(
    tool: Tool,
    table: &str,
    database: &dyn Database,
) -> Result<Option<Vec<Columns>>, Error> {
    let mut refused = None;
    for query in history::queries(tool) {
        match database.read(query.replace("{table}", table)).await {
            Ok(rows) => return Ok(Some(rows)),
            Err(error) if error.kind == StoreErrorKind::MissingTable => return Ok(None),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) => Err(Error::store(error)),
        None => Ok(None),
    }
}

async fn refuse_at_work(tool: Tool, table: &str, database: &dyn Database) -> Result<(), Error> {
    match at_work(tool, table, database).await.map_err(Error::store)? {
        None => Ok(()),
        Some(who) => Err(invalid(vec![format!(
            "{tool} is at work: {who}. Nothing was taken over. Let it end, or release its lock by its own means if it is known to be dead, and try again"
        )])),
    }
}

/// Who has the tool's own lock, where the database tells.
async fn at_work(
    tool: Tool,
    table: &str,
    database: &dyn Database,
) -> Result<Option<String>, StoreError> {
    match (tool, database.kind()) {
        (Tool::Sqlx, DatabaseKind::Postgres) => {
            let name = one(database, "SELECT current_database()").await?;
            advisory_lock(database, SQLX_LOCK * checksum(&name)).await
        }
        (Tool::Sqlx, DatabaseKind::MySql) => {
            let name = one(database, "SELECT DATABASE()").await?;
            let lock = format!("{:x}", SQLX_LOCK * checksum(&name));
            let owner = one(database, &format!("SELECT IS_USED_LOCK('{lock}')")).await?;
            Ok((!owner.is_empty()).then(|| format!("its lock is held by the connection {owner}")))
        }
        (Tool::Goose, DatabaseKind::Postgres) => advisory_lock(database, GOOSE_LOCK).await,
        (Tool::Liquibase, _) => {
            let lock = format!("SELECT LOCKED, LOCKEDBY FROM {table}LOCK");
            let rows = if_there(database.read(lock).await)?;
            let held = rows.into_iter().find(|row| is_true(column(row, 0)));
            Ok(held.map(|row| {
                let owner = column(&row, 1).unwrap_or("somebody").to_owned();
                format!("its table {table}LOCK is locked by {owner}")
            }))
        }
        (Tool::FlamingockJava, _) => {
            let lock = "SELECT owner FROM flamingockLock WHERE status = 'LOCK_HELD'";
            let rows = if_there(database.read(lock.to_owned()).await)?;
            Ok(rows.first().map(|row| {
                let owner = column(row, 0).unwrap_or("somebody");
                format!("its table flamingockLock says that {owner} has the lock")
            }))
        }
        // They have no lock that another session could see.
        (
            Tool::Sqlx
            | Tool::Refinery
            | Tool::SeaOrm
            | Tool::Diesel
            | Tool::Goose
            | Tool::Flyway
            | Tool::Mongock,
            _,
        ) => Ok(None),
    }
}

/// Who has an advisory lock of a whole number in this database of PostgreSQL.
async fn advisory_lock(database: &dyn Database, key: i64) -> Result<Option<String>, StoreError> {
    let [high, low] = [key >> 32, key].map(|half| half & 0xffff_ffff);
    let pid = one(
        database,
        &format!(
            "SELECT max(pid) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted \
             AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
             AND objsubid = 1 AND classid::bigint = {high} AND objid::bigint = {low}"
        ),
    )
    .await?;
    Ok((!pid.is_empty()).then(|| format!("its lock is held by the server process {pid}")))
}

/// The first column of the first row; empty where that is NULL.
async fn one(database: &dyn Database, statement: &str) -> Result<String, StoreError> {
    let rows = database.read(statement.to_owned()).await?;
    let first = rows.first().and_then(|row| column(row, 0));
    Ok(first.unwrap_or_default().to_owned())
}

fn column(row: &Columns, column: usize) -> Option<&str> {
    row.get(column)?.as_deref()
}

fn if_there(rows: Result<Vec<Columns>, StoreError>) -> Result<Vec<Columns>, StoreError> {
    match rows {
        Err(error) if error.kind == StoreErrorKind::MissingTable => Ok(Vec::new()),
        rows => rows,
    }
}

fn checksum(text: &str) -> i64 {
    i64::from(crc32fast::hash(text.as_bytes()))
}

fn is_name(table: &str) -> bool {
    let is_part = |part: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_$".contains(letter);
        !part.is_empty() && part.chars().all(is_letter)
    };
    table.split('.').all(is_part) && table.split('.').count() <= 2
}

pub(super) fn invalid(messages: Vec<String>) -> Error {
    Error::Invalid(messages.into_iter().map(Problem::general).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_the_tools_use() {
        assert_eq!(checksum("goose"), GOOSE_LOCK);
    }

    #[test]
    fn a_name_cannot_be_a_statement() {
        for name in ["_sqlx_migrations", "app.flyway_schema_history", "a$1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "a.", "a.b.c", "a b", "a;", "a\"", "a'"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
