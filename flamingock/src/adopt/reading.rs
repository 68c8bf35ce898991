//! Reading another tool's history from a database, and detecting whether the tool is running.

use super::adoption::Adoption;
use super::history::{self, Columns, History, is_true};
use super::interpret;
use super::mongock;
use super::place::{self, Found, Name, Table};
use super::problem::invalid;
use super::tool::Tool;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::report::error::Error;
use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;

/// The key of goose's lock on PostgreSQL: the checksum of its name.
const GOOSE_LOCK: i64 = 4_097_083_626;

/// The factor that sqlx multiplies the checksum of the database's name by to get the key of its
/// lock.
const SQLX_LOCK: i64 = 0x3d32_ad9e;

/// The factor that golang-migrate multiplies the checksum of a name by.
const GOLANG_SALT: u32 = 1_486_364_155;

/// The name of the lock that Atlas holds while it applies files.
const ATLAS_LOCK: &str = "atlas_migrate_execute";

/// Reads the history. Returns an empty one if the table is missing and may be.
pub(super) async fn read(
    adoption: &Adoption,
    database: Option<&dyn Database>,
) -> Result<History, Error> {
    if let Some(export) = &adoption.export {
        return mongock::history(export).map_err(|problem| invalid(vec![problem]));
    }
    let (Some(database), Some(table)) = (database, adoption.table_name()) else {
        let message = format!(
            "the target {:?} is no database of sqlx: name the target that has the history with `Adoption::target`",
            adoption.target
        );
        return Err(invalid(vec![message]));
    };
    let name = Name::parse(table).map_err(|problem| invalid(vec![problem]))?;
    let found = place::find(adoption.tool, &name, database).await;
    let (table, others) = match found.map_err(Error::store)? {
        Found::There { table, others } => (table, others),
        Found::Missing { others, far } => {
            return match missing(adoption, &name, &others, &far) {
                None => Ok(History::default()),
                Some(problem) => Err(invalid(vec![problem])),
            };
        }
        Found::NoSchema { alike } => {
            return Err(invalid(vec![no_schema(adoption, &name, &alike)]));
        }
        Found::Filtered(table) => {
            return Err(invalid(vec![format!(
                "row security hides rows of {} from this user: the history could not be read whole. Nothing was adopted. Let the user bypass row security, or own the table",
                table.written()
            )]));
        }
    };
    refuse_at_work(adoption, &table, database).await?;
    let rows = rows(adoption.tool, &table, database).await?;
    // A run of the tool that began in between has its lock now, or its rows were read.
    refuse_at_work(adoption, &table, database).await?;
    let history = interpret::history(adoption.tool, rows);
    // If no other place was named, one of the other tables may be the right one.
    if history.is_empty() && name.schema.is_none() && !others.is_empty() {
        return Err(invalid(vec![format!(
            "the history of {} in {} is empty, and there is {}: what stands there would run again. {}",
            adoption.tool,
            table.written(),
            listed(&others),
            which(&table, &others)
        )]));
    }
    Ok(history)
}

/// Reports whether a tool has a history in a database: its table exists, with the tool's columns.
pub(crate) async fn has_history(
    tool: Tool,
    table: Option<&str>,
    database: &dyn Database,
) -> Result<bool, StoreError> {
    let name = table.or(tool.table()).map(Name::parse);
    let Some(Ok(name)) = name else {
        return Ok(false);
    };
    let Found::There { table, .. } = place::find(tool, &name, database).await? else {
        return Ok(false);
    };
    for query in history::queries(tool) {
        let query = query.replace("{table}", &table.sql(database.kind()));
        match database.read(query).await {
            Ok(_) => return Ok(true),
            // The table belongs to another tool.
            Err(error) if error.kind == StoreErrorKind::Other => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Returns why a missing table does not count as an empty history; `None` if it may be missing.
fn missing(adoption: &Adoption, name: &Name, others: &[Table], far: &[Table]) -> Option<String> {
    let tool = adoption.tool;
    let written = adoption.table_name().unwrap_or_default();
    let near: Vec<Table> = match &name.schema {
        // A table in another schema is not the named one, but one whose name differs in case may
        // be.
        Some(schema) => {
            let is_there = |other: &&Table| other.schema.eq_ignore_ascii_case(&schema.text);
            others.iter().filter(is_there).cloned().collect()
        }
        None => others.to_vec(),
    };
    let may_be_missing = adoption.allow_missing || adoption.allow_empty && adoption.table.is_none();
    if may_be_missing && near.is_empty() {
        return None;
    }
    let target = &adoption.target;
    if !others.is_empty() {
        let own = Table {
            schema: name
                .schema
                .as_ref()
                .map_or("the_schema", |part| &part.text)
                .to_owned(),
            name: name.table.text.clone(),
        };
        return Some(format!(
            "there is no table {written:?} in the target {target:?}, but there is {}: what {tool} has applied would run again. {}",
            listed(others),
            which(&own, others)
        ));
    }
    let far = match far {
        [] => String::new(),
        far => format!(
            ". In other databases of the server there is {}",
            listed(far)
        ),
    };
    if adoption.allow_empty {
        return Some(format!(
            "there is no table {written:?} in the target {target:?}, although it was named: what {tool} has applied would run again. Name the table that it has, or say `.allow_missing()` if new environments do not have it{far}"
        ));
    }
    Some(format!(
        "there is no table {written:?} in the target {target:?}: {tool} has applied nothing there. Name the table or the target if it is another one, or allow an empty history for new environments{far}"
    ))
}

fn which(own: &Table, others: &[Table]) -> String {
    let first = others.first().map_or_else(String::new, Table::written);
    format!(
        "If that is the history, name it: `.table({first:?})` or `--table '{first}'`. If it is another application's, name the place of this one's and say that it may be missing: `.table({:?}).allow_missing()`",
        own.written()
    )
}

fn no_schema(adoption: &Adoption, name: &Name, alike: &[String]) -> String {
    let schema = name.schema.as_ref().map_or("", |part| &part.text);
    let alike: Vec<String> = alike.iter().map(|name| format!("{name:?}")).collect();
    let alike = match alike[..] {
        [] => String::new(),
        _ => format!(", but there is {}", alike.join(", ")),
    };
    format!(
        "there is no schema {schema:?} in the target {:?}{alike}: the history of {} is said to be in {:?}. Name the schema that it is in",
        adoption.target,
        adoption.tool,
        adoption.table_name().unwrap_or_default()
    )
}

/// Lists tables, shortened to fit a line.
fn listed(tables: &[Table]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = tables.iter().take(SHOWN).map(Table::written).collect();
    if tables.len() > SHOWN {
        names.push(format!("{} more", tables.len() - SHOWN));
    }
    names.join(" and ")
}

async fn rows(tool: Tool, table: &Table, database: &dyn Database) -> Result<Vec<Columns>, Error> {
    let mut refused = None;
    // Both tools use the same name for their table.
    if tool == Tool::Dbmate {
        let dirty = format!("SELECT dirty FROM {}", table.sql(database.kind()));
        if database.read(dirty).await.is_ok() {
            return Err(invalid(vec![format!(
                "the table {} is one of golang-migrate, and not of dbmate: nothing was adopted. Adopt from golang-migrate",
                table.written()
            )]));
        }
    }
    for query in history::queries(tool) {
        let query = query.replace("{table}", &table.sql(database.kind()));
        match database.read(query).await {
            Ok(rows) => return Ok(rows),
            Err(error) if error.kind == StoreErrorKind::Other => refused = Some(error),
            Err(error) => return Err(Error::store(error)),
        }
    }
    match refused {
        Some(error) => Err(invalid(vec![format!(
            "the table {} could not be read as {tool}'s history ({}): it is another tool's, or of a version that is not known. Nothing was adopted",
            table.written(),
            chain(&error)
        )])),
        None => Ok(Vec::new()),
    }
}

/// Returns the text of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

async fn refuse_at_work(
    adoption: &Adoption,
    table: &Table,
    database: &dyn Database,
) -> Result<(), Error> {
    let tool = adoption.tool;
    match at_work(tool, table, database).await.map_err(Error::store)? {
        None => Ok(()),
        Some(who) => Err(invalid(vec![format!(
            "{tool} is running: {who}. Nothing was adopted. Let it end, or release its lock by its own means if it is known to be dead, and try again"
        )])),
    }
}

/// Returns who holds the tool's own lock, if the database shows it.
async fn at_work(
    tool: Tool,
    table: &Table,
    database: &dyn Database,
) -> Result<Option<String>, StoreError> {
    match (tool, database.kind()) {
        (Tool::Sqlx, DatabaseKind::Postgres) => {
            let name = one(database, "SELECT current_database()").await?;
            advisory_lock(database, SQLX_LOCK * checksum(&name)).await
        }
        (Tool::Sqlx, DatabaseKind::MySql) => {
            let name = one(database, "SELECT DATABASE()").await?;
            named_lock(database, &format!("{:x}", SQLX_LOCK * checksum(&name))).await
        }
        (Tool::Goose, DatabaseKind::Postgres) => advisory_lock(database, GOOSE_LOCK).await,
        (Tool::GolangMigrate, DatabaseKind::Postgres) => {
            let name = one(database, "SELECT current_database()").await?;
            let key = golang_lock(&format!("{}\0{}\0{name}", table.schema, table.name));
            advisory_lock(database, key).await
        }
        (Tool::GolangMigrate, DatabaseKind::MySql) => {
            let name = one(database, "SELECT DATABASE()").await?;
            let key = golang_lock(&format!("{name}:{}", table.name));
            named_lock(database, &key.to_string()).await
        }
        (Tool::Atlas, DatabaseKind::Postgres) => advisory_lock(database, fnv(ATLAS_LOCK)).await,
        (Tool::Atlas, DatabaseKind::MySql) => named_lock(database, ATLAS_LOCK).await,
        // Either table can have any name, so the columns identify the table of the lock.
        (Tool::Liquibase, _) => {
            let columns = ["lockgranted", "lockedby"];
            for lock in place::with_columns(database, &table.schema, columns).await? {
                let query = format!("SELECT LOCKED, LOCKEDBY FROM {}", lock.sql(database.kind()));
                let rows = if_there(database.read(query).await)?;
                if let Some(row) = rows.into_iter().find(|row| is_true(column(row, 0))) {
                    let owner = column(&row, 1).unwrap_or("an unnamed owner");
                    return Ok(Some(format!(
                        "its table {} is locked by {owner}",
                        lock.name
                    )));
                }
            }
            Ok(None)
        }
        (Tool::FlamingockJava, _) => {
            let columns = ["status", "owner"];
            for lock in place::with_columns(database, &table.schema, columns).await? {
                if !lock.name.to_lowercase().ends_with("lock") {
                    continue;
                }
                let query = format!(
                    "SELECT owner FROM {} WHERE status = 'LOCK_HELD'",
                    lock.sql(database.kind())
                );
                let rows = if_there(database.read(query).await)?;
                if let Some(row) = rows.first() {
                    let owner = column(row, 0).unwrap_or("an unnamed owner");
                    return Ok(Some(format!(
                        "its table {} says that {owner} has the lock",
                        lock.name
                    )));
                }
            }
            Ok(None)
        }
        // These tools have no lock that another session could see.
        (
            Tool::Sqlx
            | Tool::Refinery
            | Tool::SeaOrm
            | Tool::Diesel
            | Tool::Goose
            | Tool::Flyway
            | Tool::Dbmate
            | Tool::GolangMigrate
            | Tool::Atlas
            | Tool::Mongock,
            _,
        ) => Ok(None),
    }
}

/// Returns the owner of a named lock on MySQL or MariaDB.
async fn named_lock(database: &dyn Database, name: &str) -> Result<Option<String>, StoreError> {
    let owner = one(database, &format!("SELECT IS_USED_LOCK('{name}')")).await?;
    Ok((!owner.is_empty()).then(|| format!("its lock is held by the connection {owner}")))
}

/// Returns the owner of an advisory lock with a 64-bit key in this database of PostgreSQL.
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

/// Returns the first column of the first row; empty for NULL.
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

/// Returns the key of golang-migrate's lock.
fn golang_lock(name: &str) -> i64 {
    let sum = crc32fast::hash(name.as_bytes());
    i64::from(sum.wrapping_mul(GOLANG_SALT))
}

/// The 32-bit FNV-1 hash.
fn fnv(text: &str) -> i64 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        hash.wrapping_mul(0x0100_0193) ^ u32::from(byte)
    });
    i64::from(hash)
}

fn checksum(text: &str) -> i64 {
    i64::from(crc32fast::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_the_tools_use() {
        assert_eq!(checksum("goose"), GOOSE_LOCK);
    }
}
