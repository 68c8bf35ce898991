//! The server at a pool's address: a database on which tests prove the guarantees, or another
//! product with the same protocol; and whether it accepts writes.
//!
//! The server is queried once per run, before the lock is acquired. A run without pending changes
//! does not query it.

use std::sync::atomic::{AtomicBool, Ordering};

use flamingock_sqlx_audit::{Conn, Failure, Row};
use sqlx::Pool;

use super::driver::{Driver, send};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::util::database_kind::DatabaseKind;

/// Why several writing nodes are not safe.
const UNSEEN_LOCKS: &str = "its nodes do not see each other's share locks, which keep an owner that lost its lease from committing, and cannot end each other's sessions";

/// Why any other untested product is not known to be safe.
const UNPROVED: &str =
    "no test proves on it that an owner that lost its lease cannot commit any more";

const TIDB_LOCKS: &str =
    "its share locks lock nothing, and they keep an owner that lost its lease from committing";

const PROXIED_SESSIONS: &str = "the transaction of an owner that lost its lease cannot be ended there: its proxy has other ids for sessions";

const TABLES_PER_NODE: &str = "each of its SQL nodes keeps InnoDB tables for itself, so that every node has a lock of its own";

/// Products with the protocol of PostgreSQL or MySQL: a part of their version, their name, and why
/// they are refused.
const PRODUCTS: [(DatabaseKind, &str, &str, &str); 16] = [
    (
        DatabaseKind::Postgres,
        "cockroachdb",
        "CockroachDB",
        UNPROVED,
    ),
    (DatabaseKind::Postgres, "-yb-", "YugabyteDB", UNPROVED),
    (DatabaseKind::Postgres, "yugabyte", "YugabyteDB", UNPROVED),
    (DatabaseKind::Postgres, "greenplum", "Greenplum", UNPROVED),
    (
        DatabaseKind::Postgres,
        "redshift",
        "Amazon Redshift",
        UNPROVED,
    ),
    (
        DatabaseKind::Postgres,
        "materialize",
        "Materialize",
        UNPROVED,
    ),
    (DatabaseKind::Postgres, "gauss", "openGauss", UNPROVED),
    (DatabaseKind::MySql, "tidb", "TiDB", TIDB_LOCKS),
    (DatabaseKind::MySql, "vitess", "Vitess", PROXIED_SESSIONS),
    (
        DatabaseKind::MySql,
        "planetscale",
        "PlanetScale (Vitess)",
        PROXIED_SESSIONS,
    ),
    (DatabaseKind::MySql, "singlestore", "SingleStore", UNPROVED),
    (DatabaseKind::MySql, "memsql", "SingleStore", UNPROVED),
    (DatabaseKind::MySql, "oceanbase", "OceanBase", UNPROVED),
    (DatabaseKind::MySql, "xpand", "MariaDB Xpand", UNPROVED),
    (
        DatabaseKind::MySql,
        "-cluster",
        "MySQL NDB Cluster",
        TABLES_PER_NODE,
    ),
    (DatabaseKind::MySql, "doris", "Apache Doris", UNPROVED),
];

/// The oldest accepted versions of PostgreSQL and MySQL.
const OLDEST_POSTGRES: u32 = 14;
const OLDEST_MYSQL: u32 = 8;

/// What a server reports about itself: names and values.
#[derive(Debug, Default)]
pub(super) struct ServerInfo(Vec<(String, String)>);

impl ServerInfo {
    fn of(rows: Vec<Row>) -> ServerInfo {
        let fact = |mut row: Row| Some((row.optional(0)?.to_lowercase(), row.optional(1)?));
        ServerInfo(rows.into_iter().filter_map(fact).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Reports whether a variable exists and is not off.
    fn is_on(&self, name: &str) -> bool {
        let value = self.get(name).unwrap_or_default();
        !matches!(
            value.to_lowercase().as_str(),
            "" | "0" | "off" | "f" | "false"
        )
    }
}

/// An untested product, or an untested way of running one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{product} is not tested: {reason}. Use a tested database, or accept the risk with `Runner::allow_untested_database()`, with the program `flamingock` `--allow-untested-database`"
)]
pub(super) struct Untested {
    product: String,
    reason: &'static str,
    /// Whether several of its nodes may write at once, so that only written rows conflict.
    has_several_writers: bool,
}

impl Untested {
    fn new(product: impl Into<String>, reason: &'static str) -> Untested {
        Untested {
            product: product.into(),
            reason,
            has_several_writers: false,
        }
    }

    fn several_writers(product: &str) -> Untested {
        Untested {
            has_several_writers: true,
            ..Untested::new(product, UNSEEN_LOCKS)
        }
    }
}

/// Why nothing can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReadOnly {
    /// The whole server is read-only.
    Server(&'static str),
    /// The setting of a user, a database or a session, with its source.
    Session(String),
}

/// Returns the product, if it is untested.
pub(super) fn untested(kind: DatabaseKind, info: &ServerInfo) -> Option<Untested> {
    let Some(version) = info.get("version") else {
        return (kind != DatabaseKind::Sqlite)
            .then(|| Untested::new("A server that does not say what it is", UNPROVED));
    };
    let description = [version, info.get("version_comment").unwrap_or_default()].join(" ");
    let description = description.to_lowercase();
    let known = PRODUCTS
        .iter()
        .find(|(of, mark, _, _)| *of == kind && description.contains(mark));
    if let Some((_, _, product, reason)) = known {
        return Some(Untested::new(*product, reason));
    }
    match kind {
        DatabaseKind::Postgres => untested_postgres(version, info),
        DatabaseKind::MySql => untested_mysql(version, info),
        DatabaseKind::Sqlite => None,
    }
}

fn untested_postgres(version: &str, info: &ServerInfo) -> Option<Untested> {
    if info
        .get("crdb_version")
        .is_some_and(|text| !text.is_empty())
    {
        return Some(Untested::new("CockroachDB", UNPROVED));
    }
    let is_dsql = |place: &str| place.contains(".dsql.") && place.contains(".on.aws");
    if info.get("place").is_some_and(is_dsql) {
        return Some(Untested::new("Amazon Aurora DSQL", UNPROVED));
    }
    match info.get("extension") {
        Some("bdr") => {
            return Some(Untested::several_writers(
                "PostgreSQL with the extension `bdr`",
            ));
        }
        Some("spock") => {
            return Some(Untested::several_writers(
                "PostgreSQL with the extension `spock`",
            ));
        }
        _ => {}
    }
    match version.strip_prefix("PostgreSQL ").and_then(major) {
        Some(major) if major >= OLDEST_POSTGRES => None,
        Some(major) => Some(Untested::new(
            format!("PostgreSQL {major}, which is older than {OLDEST_POSTGRES},"),
            UNPROVED,
        )),
        None => Some(Untested::new(
            format!("\"{}\"", shortened(version)),
            UNPROVED,
        )),
    }
}

fn untested_mysql(version: &str, info: &ServerInfo) -> Option<Untested> {
    if info.is_on("wsrep_on") {
        return Some(Untested::several_writers("Galera (`wsrep_on`)"));
    }
    let in_group = info
        .get("group_replication_group_name")
        .is_some_and(|name| !name.is_empty());
    if in_group && !info.is_on("group_replication_single_primary_mode") {
        return Some(Untested::several_writers(
            "MySQL group replication with several primaries",
        ));
    }
    if version.to_lowercase().contains("mariadb") {
        return None;
    }
    match major(version) {
        Some(major) if major >= OLDEST_MYSQL => None,
        Some(major) => Some(Untested::new(
            format!("MySQL {major}, which is older than {OLDEST_MYSQL},"),
            UNPROVED,
        )),
        None => Some(Untested::new(
            format!("\"{}\"", shortened(version)),
            UNPROVED,
        )),
    }
}

fn major(version: &str) -> Option<u32> {
    let end = version.find(|c: char| !c.is_ascii_digit());
    version[..end.unwrap_or(version.len())].parse().ok()
}

fn shortened(version: &str) -> String {
    version.chars().take(60).collect()
}

/// Returns why the server or the session is read-only.
pub(super) fn read_only(info: &ServerInfo) -> Option<ReadOnly> {
    if info.is_on("in_recovery") {
        return Some(ReadOnly::Server("it is a standby (`pg_is_in_recovery()`)"));
    }
    for (variable, because) in [
        ("super_read_only", "`super_read_only` is on"),
        ("read_only", "`read_only` is on"),
        ("innodb_read_only", "`innodb_read_only` is on"),
    ] {
        if info.is_on(variable) {
            return Some(ReadOnly::Server(because));
        }
    }
    match info.get("read_only_by")? {
        source @ ("database" | "user" | "database user" | "client" | "session") => {
            Some(ReadOnly::Session(source.to_owned()))
        }
        _ => Some(ReadOnly::Server("`default_transaction_read_only` is on")),
    }
}

/// Reports whether the whole server is read-only.
pub(super) fn is_read_only_server(info: &ServerInfo) -> bool {
    matches!(read_only(info), Some(ReadOnly::Server(_)))
}

/// A read-only server or session.
#[derive(Debug, thiserror::Error)]
#[error("{place} takes no writes: {why}")]
struct TakesNoWritesError {
    place: String,
    why: String,
}

/// The checks of the server of a pool.
#[derive(Debug)]
pub(super) struct Server {
    allow_untested: bool,
    is_checked: AtomicBool,
}

impl Server {
    pub(super) fn new(allow_untested: bool) -> Server {
        Server {
            allow_untested,
            is_checked: AtomicBool::new(false),
        }
    }

    /// Reports whether the server was checked and is accepted.
    pub(super) fn is_checked(&self) -> bool {
        self.is_checked.load(Ordering::Relaxed)
    }

    /// Checks what the server reports. Returns whether several of its nodes write.
    pub(super) fn check<D: Driver>(
        &self,
        action: &'static str,
        pool: &Pool<D::Database>,
        info: &ServerInfo,
    ) -> Result<bool, StoreError> {
        let untested = untested(D::KIND, info);
        if let Some(untested) = untested.clone().filter(|_| !self.allow_untested) {
            return Err(StoreError::new(StoreErrorKind::Untested, action, untested));
        }
        let read_only = read_only(info);
        let refusal = |kind, why| {
            let place = D::address(pool);
            StoreError::new(kind, action, TakesNoWritesError { place, why })
        };
        match read_only {
            // A privileged user could still write, to a server whose data is not read.
            Some(ReadOnly::Server(because)) if !self.allow_untested => {
                let why = format!(
                    "{because}. It was demoted, or another server is the primary: see where the address leads"
                );
                return Err(refusal(StoreErrorKind::ReadOnly, why));
            }
            Some(ReadOnly::Session(source)) => {
                let why = format!(
                    "`default_transaction_read_only` is on for this session (set by: {source}). Turn it off for the user and the database that the changes run with"
                );
                return Err(refusal(StoreErrorKind::Denied, why));
            }
            Some(ReadOnly::Server(_)) | None => {}
        }
        self.is_checked.store(true, Ordering::Relaxed);
        Ok(untested.is_some_and(|untested| untested.has_several_writers))
    }
}

/// Queries what the server is. A server that rejects the query counts as unknown.
pub(super) async fn query<D: Driver>(
    connection: &mut Conn<D>,
    place: String,
) -> Result<ServerInfo, sqlx::Error> {
    let Some(query) = D::SERVER_INFO else {
        return Ok(ServerInfo::default());
    };
    match send::<D>(connection, query.to_owned()).await {
        Ok(answer) => {
            let mut info = ServerInfo::of(answer.rows);
            info.0.push(("place".to_owned(), place));
            Ok(info)
        }
        Err(error) if D::classify(&error) == Failure::Other => {
            tracing::warn!(%error, "the server does not say what it is");
            Ok(ServerInfo::default())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
