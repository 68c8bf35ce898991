//! What answers behind a pool's address: a database on which tests prove the guarantees, or another
//! product that speaks the same protocol; and whether it takes writes.
//!
//! The server is asked once a run, before the lock is taken: a run with nothing to do does not ask.

use std::sync::atomic::{AtomicBool, Ordering};

use flamingock_sqlx_audit::{Conn, Failure, Row};
use sqlx::Pool;

use super::driver::{Driver, send};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::util::database_kind::DatabaseKind;

/// What keeps several writing nodes from being safe.
const UNSEEN_LOCKS: &str = "its nodes do not see each other's share locks, which keep an owner that lost its lease from committing, and cannot end each other's sessions";

/// What keeps everything else from being safe.
const UNPROVED: &str =
    "no test proves on it that an owner that lost its lease cannot commit any more";

const TIDB_LOCKS: &str =
    "its share locks lock nothing, and they keep an owner that lost its lease from committing";

const PROXIED_SESSIONS: &str = "the transaction of an owner that lost its lease cannot be ended there: its proxy has other ids for sessions";

const TABLES_PER_NODE: &str = "each of its SQL nodes keeps InnoDB tables for itself, so that every node has a lock of its own";

/// Products that speak a protocol of PostgreSQL or MySQL: what their version says, their name, and why
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

/// The oldest PostgreSQL and MySQL that are not refused.
const OLDEST_POSTGRES: u32 = 14;
const OLDEST_MYSQL: u32 = 8;

/// What a server says of itself: names, and what it answered.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(String, String)>);

impl Facts {
    fn of(rows: Vec<Row>) -> Facts {
        let fact = |mut row: Row| Some((row.optional(0)?.to_lowercase(), row.optional(1)?));
        Facts(rows.into_iter().filter_map(fact).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a variable is there and not off.
    fn is_on(&self, name: &str) -> bool {
        let value = self.get(name).unwrap_or_default();
        !matches!(
            value.to_lowercase().as_str(),
            "" | "0" | "off" | "f" | "false"
        )
    }
}

/// A product, or a way of running one, on which nothing is proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{product} is not tested: {reason}. Use a tested database, or accept the risk with `Runner::allow_untested_database()`, on the command line `--allow-untested-database`"
)]
pub(super) struct Untested {
    product: String,
    reason: &'static str,
    /// Several of its nodes may write at once, and only written rows conflict.
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
pub(super) enum NoWrites {
    /// Not by anybody, on this server.
    Server(&'static str),
    /// Not by this user, or in this database: where the setting comes from.
    Session(String),
}

/// Names the product that nothing is proved on.
pub(super) fn untested(kind: DatabaseKind, facts: &Facts) -> Option<Untested> {
    let Some(version) = facts.get("version") else {
        return (kind != DatabaseKind::Sqlite)
            .then(|| Untested::new("A server that does not say what it is", UNPROVED));
    };
    let said = [version, facts.get("version_comment").unwrap_or_default()].join(" ");
    let said = said.to_lowercase();
    let known = PRODUCTS
        .iter()
        .find(|(of, mark, _, _)| *of == kind && said.contains(mark));
    if let Some((_, _, product, reason)) = known {
        return Some(Untested::new(*product, reason));
    }
    match kind {
        DatabaseKind::Postgres => untested_postgres(version, facts),
        DatabaseKind::MySql => untested_mysql(version, facts),
        DatabaseKind::Sqlite => None,
    }
}

fn untested_postgres(version: &str, facts: &Facts) -> Option<Untested> {
    if facts
        .get("crdb_version")
        .is_some_and(|text| !text.is_empty())
    {
        return Some(Untested::new("CockroachDB", UNPROVED));
    }
    let is_dsql = |place: &str| place.contains(".dsql.") && place.contains(".on.aws");
    if facts.get("place").is_some_and(is_dsql) {
        return Some(Untested::new("Amazon Aurora DSQL", UNPROVED));
    }
    match facts.get("extension") {
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

fn untested_mysql(version: &str, facts: &Facts) -> Option<Untested> {
    if facts.is_on("wsrep_on") {
        return Some(Untested::several_writers("Galera (`wsrep_on`)"));
    }
    let in_group = facts
        .get("group_replication_group_name")
        .is_some_and(|name| !name.is_empty());
    if in_group && !facts.is_on("group_replication_single_primary_mode") {
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

/// Tells why the server, or the session, takes no writes.
pub(super) fn no_writes(facts: &Facts) -> Option<NoWrites> {
    if facts.is_on("in_recovery") {
        return Some(NoWrites::Server("it is a standby (`pg_is_in_recovery()`)"));
    }
    for (variable, because) in [
        ("super_read_only", "`super_read_only` is on"),
        ("read_only", "`read_only` is on"),
        ("innodb_read_only", "`innodb_read_only` is on"),
    ] {
        if facts.is_on(variable) {
            return Some(NoWrites::Server(because));
        }
    }
    match facts.get("read_only_by")? {
        source @ ("database" | "user" | "database user" | "client" | "session") => {
            Some(NoWrites::Session(source.to_owned()))
        }
        _ => Some(NoWrites::Server("`default_transaction_read_only` is on")),
    }
}

/// Whether nobody can write on this server.
pub(super) fn is_no_writer(facts: &Facts) -> bool {
    matches!(no_writes(facts), Some(NoWrites::Server(_)))
}

/// A server, or a session, that takes no writes.
#[derive(Debug, thiserror::Error)]
#[error("{place} takes no writes: {why}")]
struct TakesNoWrites {
    place: String,
    why: String,
}

/// What is known of the server behind a pool.
#[derive(Debug)]
pub(super) struct Server {
    allow_untested: bool,
    is_known: AtomicBool,
}

impl Server {
    pub(super) fn new(allow_untested: bool) -> Server {
        Server {
            allow_untested,
            is_known: AtomicBool::new(false),
        }
    }

    /// Whether it was asked, and may be used.
    pub(super) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Judges what the server said. Tells whether it has several nodes that write.
    pub(super) fn judge<D: Driver>(
        &self,
        action: &'static str,
        pool: &Pool<D::Database>,
        facts: &Facts,
    ) -> Result<bool, StoreError> {
        let untested = untested(D::KIND, facts);
        if let Some(untested) = untested.clone().filter(|_| !self.allow_untested) {
            return Err(StoreError::new(StoreErrorKind::Untested, action, untested));
        }
        let no_writes = no_writes(facts);
        let refusal = |kind, why| {
            let place = D::place(pool);
            StoreError::new(kind, action, TakesNoWrites { place, why })
        };
        match no_writes {
            // A user who may write nevertheless would write to a server that nobody reads from.
            Some(NoWrites::Server(because)) if !self.allow_untested => {
                let why = format!(
                    "{because}. It was demoted, or another server is the primary: see where the address leads"
                );
                return Err(refusal(StoreErrorKind::ReadOnly, why));
            }
            Some(NoWrites::Session(source)) => {
                let why = format!(
                    "`default_transaction_read_only` is on for this session (set by: {source}). Turn it off for the user and the database that the changes run with"
                );
                return Err(refusal(StoreErrorKind::Denied, why));
            }
            Some(NoWrites::Server(_)) | None => {}
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(untested.is_some_and(|untested| untested.has_several_writers))
    }
}

/// Asks a server what it is. A server that does not understand the question counts as unknown.
pub(super) async fn ask<D: Driver>(
    connection: &mut Conn<D>,
    place: String,
) -> Result<Facts, sqlx::Error> {
    let Some(question) = D::WHAT_ANSWERS else {
        return Ok(Facts::default());
    };
    match send::<D>(connection, question.to_owned()).await {
        Ok(answer) => {
            let mut facts = Facts::of(answer.rows);
            facts.0.push(("place".to_owned(), place));
            Ok(facts)
        }
        Err(error) if D::classify(&error) == Failure::Other => {
            tracing::warn!(%error, "the server does not say what it is");
            Ok(Facts::default())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
