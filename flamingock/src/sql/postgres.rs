//! What the engine needs from PostgreSQL.

use std::path::PathBuf;
use std::time::Duration;

use flamingock_sqlx_audit::Conn;
use sqlx::Connection as _;
use sqlx::{Pool, Transaction};
use sqlx_core::transaction::TransactionManager as _;

use super::client_options;
use super::driver::{Cancellation, Driver, Result, server_address};
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::statements::made_if_absent;
use crate::statements::script::Script;
use crate::target::invocation::Limits;
use crate::util::database_kind::DatabaseKind;

/// Returns the server process of the session, and when it began.
const SESSION_ID: &str = "SELECT concat(pid, ' ', extract(epoch FROM backend_start)) \
     FROM pg_stat_activity WHERE pid = pg_backend_pid()";

impl Driver for flamingock_sqlx_audit::Postgres {
    const KIND: DatabaseKind = DatabaseKind::Postgres;

    type IntegrityWatch = std::convert::Infallible;

    fn address(pool: &Pool<sqlx::Postgres>) -> String {
        let options = pool.connect_options();
        let socket = options.get_socket().map(PathBuf::as_path);
        let at = (options.get_host(), options.get_port());
        server_address(Self::KIND, at, socket, options.get_database())
    }

    // The source is read only if it is needed: to list the settings takes longer than the rest of
    // the query.
    const SERVER_INFO: Option<&'static str> = Some(
        "SELECT 'version', pg_catalog.version()
UNION ALL SELECT 'crdb_version', pg_catalog.current_setting('crdb_version', true)
UNION ALL SELECT 'in_recovery', pg_catalog.pg_is_in_recovery()::text
UNION ALL SELECT 'read_only_by', CASE WHEN pg_catalog.current_setting('transaction_read_only') = 'on'
  THEN (SELECT source FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') END
UNION ALL SELECT 'extension', extname::text FROM pg_catalog.pg_extension WHERE extname IN ('bdr', 'spock')",
    );

    const CANCELLATION: Option<Cancellation> = Some(Cancellation {
        own_session: Some(SESSION_ID),
        // A process ID can be reused, but not with the same start time.
        mark: SESSION_ID,
        mark_prefix: "",
        id_by_mark: None,
        by_mark: "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                  WHERE concat(pid, ' ', extract(epoch FROM backend_start)) = '%mark%' \
                  AND pid <> pg_backend_pid()",
        by_id: "SELECT pg_cancel_backend(%id%)",
        end_by_id: "SELECT pg_terminate_backend(%id%)",
        exists_by_id: "SELECT 1 FROM pg_stat_activity WHERE pid = %id%",
        exists_by_tag: Some(
            "SELECT 1 FROM pg_stat_activity \
             WHERE application_name = 'flamingock %tag%' AND pid <> pg_backend_pid()",
        ),
        by_tag: Some(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'flamingock %tag%' AND pid <> pg_backend_pid()",
        ),
    });
    const SINGLE_MESSAGE: bool = true;
    // A message may have a gigabyte.
    const MAX_SCRIPT_BYTES: usize = usize::MAX;
    // `SHOW` takes no snapshot. After a snapshot, a file could not set its isolation level.
    const QUOTING: Option<&'static str> = Some("SHOW standard_conforming_strings");
    const TRANSACTION_TAG: Option<&'static str> =
        Some("SELECT current_setting('flamingock.tx', true)");
    // A setting of the session has its value again only if the transaction that set it was
    // committed. In the chained transaction nothing was done.
    const ABORTED_TAG: Option<&'static str> = Some(
        "ROLLBACK AND CHAIN; SELECT CASE WHEN current_setting('flamingock.begun', true) \
         IS DISTINCT FROM '%tag%' THEN '%tag%' END",
    );
    const BLOCKER: Option<&'static str> = Some(
        "SELECT b.pid, coalesce(b.application_name, ''), coalesce(left(b.query, 200), '') \
         FROM pg_stat_activity w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS by(pid) \
         JOIN pg_stat_activity b ON b.pid = by.pid \
         WHERE w.application_name = 'flamingock %tag%' AND w.pid <> pg_backend_pid() LIMIT 1",
    );
    const LOCKS_QUEUE: bool = true;
    // Inside a transaction, `now()` is earlier than the start of the statement.
    const OPEN_TRANSACTION_CHECK: &'static [&'static str] =
        &["SELECT 1 / (CASE WHEN now() = statement_timestamp() THEN 1 ELSE 0 END)"];

    // Objects below 16384 are part of every database. Functions of the listed extensions use no
    // session state. What `nextval` leaves is visible to a file only through `currval` and
    // `lastval`, which are volatile too.
    const RUNS_NO_CODE: Option<&'static str> = Some(
        r"SELECT (pg_catalog.pg_my_temp_schema() = 0
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_sequence WHERE seqcache > 1)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_operator WHERE oid >= 16384 AND oprcode < 16384)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_cast WHERE oid >= 16384 AND castfunc BETWEEN 1 AND 16383)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc p
    WHERE p.oid >= 16384 AND p.probin IS DISTINCT FROM '$libdir/plpgsql' AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
        AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        AND e.extname IN ('btree_gin', 'btree_gist', 'citext', 'hstore', 'ltree', 'pg_trgm', 'pgcrypto',
          'unaccent', 'uuid-ossp')))
  AND NOT EXISTS (SELECT 1 FROM (
      SELECT adbin::pg_catalog.text AS tree FROM pg_catalog.pg_attrdef
      UNION ALL SELECT conbin::pg_catalog.text FROM pg_catalog.pg_constraint
      UNION ALL SELECT pg_catalog.concat(polqual, polwithcheck) FROM pg_catalog.pg_policy
      UNION ALL SELECT pg_catalog.concat(ev_qual, ev_action) FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384) t
    CROSS JOIN LATERAL pg_catalog.regexp_matches(t.tree, E':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') m
    JOIN pg_catalog.pg_proc p ON p.oid = m[1]::pg_catalog.oid
    WHERE p.provolatile = 'v' AND p.proname NOT IN ('nextval', 'clock_timestamp', 'gen_random_uuid',
      'uuid_generate_v1', 'uuid_generate_v4')))::pg_catalog.int4",
    );

    async fn clear_cached_statements(connection: &mut Conn<Self>) -> Result<()> {
        connection.clear_cached_statements().await
    }

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c> {
        Session::Postgres(connection)
    }

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c> {
        Session::PostgresTransaction(transaction)
    }

    async fn client_setup(
        connection: &mut Conn<Self>,
        client: Client,
        _in_memory: bool,
    ) -> Result<String> {
        let client_options = client_options::client_options(connection, client).await?;
        Ok(client_options.text)
    }

    async fn unknown_client_options(
        connection: &mut Conn<Self>,
        client: Client,
    ) -> Result<Vec<String>> {
        let client_options = client_options::client_options(connection, client).await?;
        Ok(client_options.unknown)
    }

    // `CREATE INDEX CONCURRENTLY` leaves an invalid index behind if it fails, and has one while it
    // runs. The index of a partitioned table is invalid until the indexes of its partitions exist.
    const INVALID_INDEXES: Option<&'static str> = Some(
        "SELECT i.indexrelid::text, 'the invalid index ' || i.indexrelid::regclass \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         WHERE NOT i.indisvalid AND c.relkind = 'i' AND NOT EXISTS (\
           SELECT 1 FROM pg_catalog.pg_stat_progress_create_index p JOIN pg_catalog.pg_locks l ON l.pid = p.pid \
           WHERE p.pid <> pg_backend_pid() AND l.locktype = 'relation' AND l.granted \
           AND l.mode = 'ShareUpdateExclusiveLock' AND l.relation = i.indrelid \
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) \
         ORDER BY 2",
    );

    /// Appends a check of the indexes that are created `IF NOT EXISTS`: an index that exists may be
    /// invalid.
    fn as_message(read: &Script<'_>, text: &str) -> String {
        match Self::check_after(read) {
            Some(check) => format!("{text}\n;\n{check}"),
            None => text.to_owned(),
        }
    }

    fn check_after(read: &Script<'_>) -> Option<String> {
        let indexes = read.statements.iter().filter_map(made_if_absent);
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let any: Vec<String> = indexes
            .map(|index| {
                let (name, table) = (literal(&index.name), literal(index.table));
                format!("c.relname = {name} AND i.indrelid = to_regclass({table})")
            })
            .collect();
        if any.is_empty() {
            return None;
        }
        let any = any.join(" OR ");
        Some(format!(
            "DO $flamingock$ DECLARE found text; BEGIN \
             SELECT string_agg(i.indexrelid::regclass::text, ', ') INTO found \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE NOT i.indisvalid AND c.relkind = 'i' AND ({any}); \
             IF found IS NOT NULL THEN RAISE EXCEPTION \
             'the index % was there already, and it is invalid: no query uses it. Drop it before the change runs again', found; \
             END IF; END $flamingock$"
        ))
    }

    fn limits(limits: &Limits, within: bool) -> Option<String> {
        let set = if within { "SET LOCAL" } else { "SET" };
        let one = |name: &str, limit: Option<Duration>| {
            limit.map(|limit| {
                let most = u128::from(i32::MAX.unsigned_abs());
                format!("{set} {name} = {}", limit.as_millis().clamp(1, most))
            })
        };
        let texts = [
            one("lock_timeout", limits.lock),
            one("statement_timeout", limits.statement),
        ];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    async fn commit(connection: &mut Conn<Self>, _patience: Duration) -> Result<()> {
        sqlx::postgres::PgTransactionManager::commit(connection).await
    }
}
