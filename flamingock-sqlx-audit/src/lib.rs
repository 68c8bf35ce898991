//! Audit rows and the lock row of [Flamingock](https://docs.rs/flamingock) in SQL, for PostgreSQL,
//! MySQL and MariaDB, and SQLite.
//!
//! This crate contains rows, SQL and time, and nothing of the framework. Applications depend on
//! `flamingock`, whose features choose the databases. A [`Ledger`] represents the tables of one
//! database; each of its methods takes a connection and sends one statement (on SQLite: one short
//! transaction). Databases differ only in text: there is one [`Dialect`] for each of them.
//!
//! On PostgreSQL and MySQL every statement is sent by the simple protocol, with its values as
//! literals that mean the same in every quoting mode. Behind a pooler in transaction mode, prepared
//! statements fail or return the answers of other clients. SQLite binds its values.

mod backend;
#[cfg(feature = "sqlite")]
mod clock;
mod dialect;
mod failure;
mod grants;
mod ledger;
#[cfg(feature = "mysql")]
mod mysql;
mod names;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
mod template;

pub use crate::backend::{Answer, Backend, Conn, EachRow, Progress, Row, identifier, text_literal};
pub use crate::dialect::{Dialect, Isolation};
pub use crate::failure::Failure;
pub use crate::ledger::base::Ledger;
pub use crate::ledger::format::OtherFormat;
pub use crate::ledger::{Behind, FoundMarker, Misplaced, Unfit, Whose, Witness};
#[cfg(feature = "mysql")]
pub use crate::mysql::MySql;
pub use crate::names::{InvalidName, Names};
#[cfg(feature = "postgres")]
pub use crate::postgres::Postgres;
pub use crate::rows::{
    Acquired, AuditRow, Filter, LatestRow, LockGrant, LockProgress, LockStatus, NewAuditRow, Page,
    Snapshot,
};
pub use crate::rows::{
    BatchWrite, ChangeProgress, Control, ControlChange, ControlRequest, Marker, MarkerKind,
    ProgressOwner, SavedProgress,
};
#[cfg(feature = "sqlite")]
pub use crate::sqlite::Sqlite;
pub use crate::template::{Rendered, Value};
