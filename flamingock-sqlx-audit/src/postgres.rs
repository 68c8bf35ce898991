//! PostgreSQL 14 and later.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};

use crate::backend::{Answer, Backend, Conn, EachRow, Progress, collect_answer, run_to_its_end};
use crate::dialect::{Dialect, IdleLimit, Isolation, ProgressSql, Setting, Upgrade};
use crate::failure::Failure;
use crate::template::{Rendered, Values};

/// PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct Postgres;

impl Backend for Postgres {
    type Database = sqlx::Postgres;

    const DIALECT: &'static Dialect = &DIALECT;

    async fn fetch_each(
        connection: &mut Conn<Self>,
        statement: Rendered,
        each: &mut EachRow<'_>,
    ) -> Result<Answer, sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(statement.text));
        collect_answer!(connection.fetch_many(query), each, result => 0)
    }

    async fn run(connection: &mut Conn<Self>, text: String, mark: &str) -> Progress {
        let query = sqlx::raw_sql(AssertSqlSafe(text));
        run_to_its_end!(connection.fetch_many(query), mark)
    }

    fn position(error: &sqlx::Error) -> Option<usize> {
        let error = error.as_database_error()?;
        match error
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?
            .position()?
        {
            sqlx::postgres::PgErrorPosition::Original(position) => Some(position),
            // The place is in a text of the server's own, such as the body of a function.
            sqlx::postgres::PgErrorPosition::Internal { .. } => None,
        }
    }

    /// Such errors occur after only the data was restored.
    fn repair(error: &sqlx::Error) -> Option<String> {
        let error = error.as_database_error()?;
        let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        if error.code() == "3F000" {
            return Some(NO_SCHEMA.to_owned());
        }
        let is_key = error.code() == "23505" && error.constraint()?.ends_with("_pkey");
        let table = error
            .table()
            .filter(|name| is_key && name.ends_with("audit"))?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let schema = error
            .schema()
            .map_or_else(String::new, |schema| quoted(schema) + ".");
        let sequence = format!("{schema}{}", quoted(&format!("{table}_seq_seq")));
        let (sequence_text, table) = (literal(&sequence), format!("{schema}{}", quoted(table)));
        Some(format!(
            "the sequence {sequence} is behind the entries, as after a restore of data alone: repair it with `SELECT pg_catalog.setval({sequence_text}, (SELECT max(seq) FROM {table}))`"
        ))
    }

    /// One message is one implicit transaction.
    async fn write(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        _patience: Duration,
    ) -> Result<Answer, sqlx::Error> {
        let texts: Vec<String> = statements.into_iter().map(|one| one.text).collect();
        Self::fetch(
            connection,
            Rendered {
                text: texts.join(";\n"),
                binds: Vec::new(),
            },
        )
        .await
    }

    fn classify_database_error(error: &dyn sqlx::error::DatabaseError) -> Failure {
        // A change can return the error of another database.
        if error
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
            .is_none()
        {
            return Failure::Other;
        }
        match error.code().as_deref() {
            Some("42P01" | "3F000") => Failure::MissingTable,
            // Identified by the column in the protocol, because the language of the message is the
            // server's.
            Some("23502") => match column(error) {
                // This is the only NOT NULL column of its name that a subquery fills.
                Some("fencing_token") => Failure::Refused,
                // A marker without a kind: the transaction is not the one that was begun.
                Some("kind") => Failure::NoSavepoint,
                _ => Failure::Other,
            },
            Some("40001") => Failure::Serialization,
            Some("40P01") => Failure::Deadlock,
            Some("55P03") => Failure::LockTimeout,
            Some("23505") => Failure::Duplicate,
            Some("3B001") => Failure::NoSavepoint,
            Some("42501") => Failure::Denied,
            Some("25006") => Failure::ReadOnly,
            // A server that shuts down, or a session that it has terminated.
            Some("57P01" | "57P02" | "57P03" | "25P03" | "57P05") => Failure::Disconnected,
            Some(code) if code.starts_with("08") => Failure::Disconnected,
            _ => Failure::Other,
        }
    }
}

/// Returns the column in a constraint violation.
fn column(error: &dyn sqlx::error::DatabaseError) -> Option<&str> {
    error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?
        .column()
}

/// The server's own message does not say where to look.
const NO_SCHEMA: &str = "no schema of the session's search_path is there: set search_path for this role, this database or this pool, or name the schema with `schema` in the settings";

/// Returns a string with escapes, whose meaning does not depend on `standard_conforming_strings`
/// and `backslash_quote`, and which costs the server no function call. The type `text` cannot
/// contain a NUL.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 8);
    literal.push_str("E'");
    for character in text.chars().filter(|character| *character != '\0') {
        let stands_for_itself = matches!(character, ' '..='~') && !matches!(character, '\'' | '\\');
        match character {
            _ if stands_for_itself => literal.push(character),
            '\u{10000}'.. => literal.push_str(&format!("\\U{:08x}", u32::from(character))),
            _ => literal.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    literal.push('\'');
    literal
}

/// The progress of long work, and the requests of operators. It has one row for each change, or for
/// each shard of one.
const PROGRESS: &str = "CREATE TABLE IF NOT EXISTS {progress} (
  service text COLLATE \"C\" NOT NULL,
  change_id text COLLATE \"C\" NOT NULL,
  shard text COLLATE \"C\" NOT NULL,
  state text NOT NULL,
  batch_cursor text,
  upper_bound text,
  attempt integer NOT NULL,
  run_id text NOT NULL,
  fencing_token bigint NOT NULL,
  digest text NOT NULL,
  app_version text,
  batches bigint NOT NULL,
  done_rows bigint NOT NULL,
  total_rows bigint,
  batch_size bigint,
  pause_ms bigint,
  throttle text,
  waits_for text,
  failed_items text,
  request text,
  request_operator text,
  request_reason text,
  requested_at timestamptz,
  started_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  metadata text,
  PRIMARY KEY (service, change_id, shard)
)";

const DIALECT: Dialect = Dialect {
    name: "PostgreSQL",
    isolation: Isolation::Whole,
    has_one_writer: false,
    quote: '"',
    values: Values::Literal(literal),
    user_quote: Some('"'),
    has_schema_rights: true,
    rights_of_changes: &[("progress", &["SELECT", "INSERT", "UPDATE"])],
    // CREATE SCHEMA IF NOT EXISTS demands the right to create schemas even if the schema exists.
    create_schema: Some(
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = \
         '{bare_schema}') THEN CREATE SCHEMA \"{bare_schema}\"; END IF; END $$",
    ),
    // CREATE .. IF NOT EXISTS fails if two sessions execute it at the same time. The advisory lock
    // ends with the transaction, so it is safe behind a pooler. The number is arbitrary.
    create_lock: Some("SELECT pg_catalog.pg_advisory_xact_lock(5208117391)"),
    // In its own transaction, so the lock is released at once.
    create_lock_is_free: Some("SELECT pg_catalog.pg_try_advisory_xact_lock(5208117391)"),
    create: &[
        "CREATE TABLE IF NOT EXISTS {audit} (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  service text COLLATE \"C\" NOT NULL,
  run_id text NOT NULL,
  attempt integer NOT NULL,
  stage text NOT NULL,
  change_id text COLLATE \"C\" NOT NULL,
  change_order text NOT NULL,
  author text NOT NULL,
  description text NOT NULL,
  target text NOT NULL,
  state text NOT NULL,
  transaction_mode text NOT NULL,
  recovery text NOT NULL,
  origin text NOT NULL,
  operator text,
  digest text NOT NULL,
  fencing_token bigint NOT NULL,
  idempotency_key text NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  duration_us bigint,
  host text NOT NULL,
  pid bigint NOT NULL,
  app_version text,
  location text NOT NULL,
  error text,
  reason text,
  metadata text
)",
        "CREATE INDEX IF NOT EXISTS {audit_index_bare} ON {audit} (service, change_id, seq)",
        "CREATE TABLE IF NOT EXISTS {lock} (
  service text COLLATE \"C\" NOT NULL,
  lane text COLLATE \"C\" NOT NULL,
  fencing_token bigint NOT NULL,
  run_id text NOT NULL,
  owner text NOT NULL,
  acquired_at timestamptz NOT NULL,
  pipeline_digest text,
  format_version integer NOT NULL,
  PRIMARY KEY (service, lane)
)",
        "CREATE TABLE IF NOT EXISTS {lease} (
  service text COLLATE \"C\" NOT NULL,
  lane text COLLATE \"C\" NOT NULL,
  run_id text NOT NULL,
  expires_at timestamptz NOT NULL,
  activity text,
  PRIMARY KEY (service, lane)
)",
        PROGRESS,
    ],
    upgrades: &[
        Upgrade {
            table: "audit",
            column: "fencing_token",
            statement: "ALTER TABLE {audit} RENAME COLUMN fence TO fencing_token",
        },
        Upgrade {
            table: "audit",
            column: "operator",
            statement: "ALTER TABLE {audit} ADD COLUMN operator text",
        },
        Upgrade {
            table: "audit",
            column: "idempotency_key",
            statement: "ALTER TABLE {audit} ADD COLUMN idempotency_key text NOT NULL DEFAULT ''",
        },
        Upgrade {
            table: "lock",
            column: "fencing_token",
            statement: "ALTER TABLE {lock} RENAME COLUMN token TO fencing_token",
        },
        Upgrade {
            table: "progress",
            column: "shard",
            statement: PROGRESS,
        },
        // The last one: until this column exists, the tables have the older format.
        Upgrade {
            table: "lock",
            column: "format_version",
            statement: "ALTER TABLE {lock} ADD COLUMN format_version integer NOT NULL DEFAULT 1",
        },
    ],
    columns: "SELECT c.relname, a.attname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.oid IN (pg_catalog.to_regclass({audit_text}), pg_catalog.to_regclass({lock_text}),
  pg_catalog.to_regclass({lease_text}), pg_catalog.to_regclass({progress_text}))
  AND a.attnum > 0 AND NOT a.attisdropped",
    format_version: "SELECT max(format_version) FROM {lock}",
    create_marker: "CREATE TABLE IF NOT EXISTS {marker} (
  service text COLLATE \"C\" NOT NULL,
  change_id text COLLATE \"C\" NOT NULL,
  started_seq bigint NOT NULL,
  run_id text NOT NULL,
  kind text NOT NULL,
  marked_at timestamptz NOT NULL,
  PRIMARY KEY (service, change_id, started_seq)
)",
    home: None,
    // Temporary tables belong to other sessions, unless they are this session's own.
    places: "SELECT n.nspname, c.relname, pg_catalog.current_schema(),
  pg_catalog.has_schema_privilege(n.oid, 'USAGE')::int
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname ~ '(audit|lock|lease)$'
  AND (c.relpersistence <> 't' OR n.oid = pg_catalog.pg_my_temp_schema())
ORDER BY n.nspname, c.relname",
    settings: &[
        Setting {
            what: "default_transaction_read_only is on: nothing can be written",
            remedy: "switch it off for the role, the database or the session",
            keeps_others_out: false,
        },
        Setting {
            what: "client_encoding is not UTF8: names and texts would be changed on their way",
            remedy: "leave it as sqlx sets it",
            keeps_others_out: false,
        },
        Setting {
            what: "the sequence {audit_seq_seq} is behind the entries, as after a restore of data alone: it would hand out numbers that are taken",
            remedy: "repair it with `SELECT pg_catalog.setval({audit_seq_seq_text}, (SELECT max(seq) FROM {audit}))`",
            keeps_others_out: false,
        },
    ],
    inspect: &[
        "SELECT (pg_catalog.current_setting('default_transaction_read_only') = 'on')::int,
  (pg_catalog.current_setting('client_encoding') NOT IN ('UTF8', 'SQL_ASCII'))::int,
  (CASE WHEN s.is_called THEN s.last_value < m.seq ELSE s.last_value <= m.seq END)::int
FROM {audit_seq_seq} s, (SELECT coalesce(max(seq), 0) AS seq FROM {audit}) m",
        // For users who may not read the sequence.
        "SELECT (pg_catalog.current_setting('default_transaction_read_only') = 'on')::int,
  (pg_catalog.current_setting('client_encoding') NOT IN ('UTF8', 'SQL_ASCII'))::int, 0",
    ],
    is_made: None,
    is_held: None,
    seed: &[
        "INSERT INTO {lock} (service, lane, fencing_token, run_id, owner, acquired_at, format_version)
VALUES ($service, $lane, 0, '', '', clock_timestamp(), $format_version) ON CONFLICT DO NOTHING",
        "INSERT INTO {lease} (service, lane, run_id, expires_at)
VALUES ($service, $lane, '', to_timestamp(0)) ON CONFLICT DO NOTHING",
    ],
    // Planning the snapshot takes the server longer than everything else. The lock has no owner while
    // there is a digest, so its lease need not be read. A missing table is reported even if nothing is
    // read from it.
    unchanged: Some(
        "SELECT NULL, ({audit_text}::pg_catalog.regclass IS NULL
    OR {lease_text}::pg_catalog.regclass IS NULL)::int, k.fencing_token, k.run_id, k.owner, k.pipeline_digest,
  current_setting('lock_timeout'), (SELECT max(format_version) FROM {lock})
FROM (SELECT 1) AS one
LEFT JOIN {lock} k ON k.service = $service AND k.lane = $lane",
    ),
    snapshot: "WITH RECURSIVE k(change_id, seq) AS (
  (SELECT a.change_id, a.seq FROM {audit} a WHERE a.service = $service
   ORDER BY a.change_id DESC, a.seq DESC LIMIT 1)
  UNION ALL
  SELECT a.change_id, a.seq FROM k CROSS JOIN LATERAL (
    SELECT a.change_id, a.seq FROM {audit} a WHERE a.service = $service AND a.change_id < k.change_id
    ORDER BY a.change_id DESC, a.seq DESC LIMIT 1) a)
SELECT (SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = pg_catalog.to_regclass({lock_text})),
  (EXISTS (SELECT 1 FROM {lock} WHERE service = $service AND lane <> $lane))::int * 8,
  l.fencing_token, l.run_id, l.owner, l.pipeline_digest,
  to_char(l.acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  to_char(e.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  e.activity, coalesce(e.expires_at > clock_timestamp(), false)::int,
  x.change_id, x.seq, x.state, x.transaction_mode, x.origin, x.digest, x.attempt, x.run_id, x.stage,
  x.change_order, x.target, to_char(x.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  CASE WHEN x.state IN ('APPLIED', 'MANUAL_MARKED_AS_APPLIED') THEN NULL ELSE x.error END,
  x.recovery,
  CASE WHEN x.state IN ('APPLIED', 'MANUAL_MARKED_AS_APPLIED') THEN NULL ELSE x.reason END, x.operator,
  (SELECT max(format_version) FROM {lock}),
  (SELECT string_agg(hidden.name, ', ') FROM (VALUES
      ({audit_text}, pg_catalog.to_regclass({audit_text})), ({lock_text}, pg_catalog.to_regclass({lock_text})),
      ({lease_text}, pg_catalog.to_regclass({lease_text}))) AS hidden(name, id)
   WHERE pg_catalog.row_security_active(hidden.id::oid)),
  (SELECT e.name FROM pg_catalog.current_setting('client_encoding') AS e(name)
   WHERE e.name NOT IN ('UTF8', 'SQL_ASCII'))
FROM (SELECT 1) AS one
LEFT JOIN {lock} l ON l.service = $service AND l.lane = $lane
LEFT JOIN {lease} e ON e.service = l.service AND e.lane = l.lane
LEFT JOIN (k CROSS JOIN LATERAL (SELECT * FROM {audit} a WHERE a.seq = k.seq LIMIT 1) x) ON true",
    lock_progress: "SELECT (SELECT max(seq) FROM {audit}),
  (SELECT count(*) FROM {audit} a WHERE a.seq > $since AND a.service = $service AND a.state = 'APPLIED'),
  k.fencing_token, k.run_id, k.owner, k.pipeline_digest,
  to_char(k.acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  to_char(e.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  e.activity, (e.expires_at > clock_timestamp())::int
FROM {lock} k JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
WHERE k.service = $service AND k.lane = $lane",
    history: "SELECT a.seq, a.service, a.run_id, a.fencing_token,
  to_char(a.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  to_char(a.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
  a.attempt, a.stage, a.change_id, a.change_order, a.author, a.description, a.target, a.state,
  a.transaction_mode, a.recovery, a.origin, a.digest, a.duration_us, a.host, a.pid, a.app_version,
  a.location, a.error, a.reason, a.metadata, a.operator, a.idempotency_key
FROM {audit} a WHERE a.service = $service AND a.seq > $after
  AND ($change_id::text IS NULL OR a.change_id = $change_id)
  AND ($state::text IS NULL OR a.state = $state)
  AND ($attempt::bigint IS NULL OR a.attempt = $attempt)
  AND ($run_id::text IS NULL OR a.run_id = $run_id)
  AND ($since::text IS NULL OR a.started_at >= ($since::text)::timestamptz)
  AND ($latest_only = 0 OR a.seq = (SELECT max(b.seq) FROM {audit} b
       WHERE b.service = a.service AND b.change_id = a.change_id))
ORDER BY a.seq LIMIT $limit",
    // If the row of the lock was deleted, only the audit knows the service.
    seed_lane: "INSERT INTO {lock} (service, lane, fencing_token, run_id, owner, acquired_at, format_version)
SELECT $service, $lane, COALESCE(max(fencing_token), 0), '', '', clock_timestamp(), $format_version FROM {lock}
WHERE service = $service ON CONFLICT DO NOTHING",
    lanes: "SELECT lane FROM {lock} WHERE service = $service AND lane <> $lane ORDER BY lane LIMIT 100000",
    services: "SELECT service FROM {lock} WHERE lane = $lane
UNION SELECT service FROM {audit} ORDER BY service",
    // SKIP LOCKED: a locked row is not free, and nothing waits here. A run whose answer was lost
    // asks again, and gets the same fencing token.
    acquire: &["WITH c AS (
  SELECT k.service, k.lane, k.run_id FROM {lock} k
  JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
  WHERE k.service = $service AND k.lane = $lane
    AND (k.run_id = $run_id OR (k.fencing_token = $force AND k.run_id <> '')
      OR ($force IS NULL AND e.expires_at <= clock_timestamp()))
  FOR UPDATE OF k, e SKIP LOCKED),
e AS (
  UPDATE {lease} e SET run_id = $run_id, activity = NULL,
    expires_at = clock_timestamp() + $lease_ms * interval '1 millisecond'
  FROM c WHERE e.service = c.service AND e.lane = c.lane)
UPDATE {lock} k SET fencing_token = CASE WHEN c.run_id = $run_id THEN k.fencing_token
    ELSE greatest(k.fencing_token, $floor) + 1 END,
  run_id = $run_id, owner = $owner, acquired_at = clock_timestamp(), pipeline_digest = NULL
FROM c WHERE k.service = c.service AND k.lane = c.lane RETURNING c.run_id, k.fencing_token"],
    // The lease's own run is compared: an update that had to wait checks this row again, and not
    // that of the lock.
    renew: "UPDATE {lease} e SET expires_at = clock_timestamp() + $lease_ms * interval '1 millisecond',
  activity = coalesce($activity, e.activity)
FROM {lock} k WHERE e.service = $service AND e.lane = $lane AND e.run_id = $run_id
  AND k.service = e.service AND k.lane = e.lane AND k.fencing_token = $fencing_token AND k.run_id = $run_id",
    release: &["WITH k AS (
  UPDATE {lock} SET pipeline_digest = $digest, run_id = ''
  WHERE service = $service AND lane = $lane AND fencing_token = $fencing_token AND run_id = $run_id
  RETURNING service, lane)
UPDATE {lease} e SET run_id = '', expires_at = to_timestamp(0), activity = NULL
FROM k WHERE e.service = k.service AND e.lane = k.lane"],
    append: "INSERT INTO {audit} (service, run_id, attempt, stage, change_id, change_order, author,
  description, target, state, transaction_mode, recovery, origin, operator, digest, fencing_token,
  idempotency_key, started_at, finished_at, duration_us, host, pid, app_version, location, error, reason,
  metadata)
VALUES ($service, $run_id, $attempt, $stage, $change_id, $change_order, $author, $description,
  $target, $state, $transaction_mode, $recovery, $origin, $operator, $digest, {fencing},
  $idempotency_key, {began},
  CASE WHEN $finished = 1 THEN clock_timestamp() - $ended_us * interval '1 microsecond' END, $duration_us, $host, $pid, $app_version,
  $location, $error, $reason, {metadata})
RETURNING seq",
    began: "clock_timestamp() - ($elapsed_us + $ended_us) * interval '1 microsecond'",
    began_in_text: "statement_timestamp()",
    fencing_within: "(SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id AND current_setting('flamingock.tx', true) = $tag
  FOR SHARE)",
    // The lock of the last row guards the commit of all rows.
    fencing_between: "(SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id AND current_setting('flamingock.tx', true) = $tag)",
    limit_idle: Some("SET LOCAL idle_in_transaction_session_timeout = '15s'"),
    fencing_alone: "(SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id
  AND CASE WHEN current_setting('synchronous_commit') = 'off'
      THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL
  {unless_ended} FOR SHARE)",
    write_lock: None,
    unless_ended: "AND NOT EXISTS (SELECT 1 FROM {audit}
    WHERE service = $service AND change_id = $change_id AND run_id = $run_id AND attempt = $attempt
    AND state IN ('APPLIED', 'ROLLED_BACK', 'ROLLBACK_FAILED'))",
    witness_metadata: None,
    settle: &[
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '5s'",
        "SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane FOR UPDATE",
        "SELECT state FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt ORDER BY seq",
        "COMMIT",
    ],
    states: "SELECT state FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt ORDER BY seq",
    // Transactions are numbered when they begin to write, and each row shows its own number.
    older: Some(
        "SELECT c.oid::text FROM pg_catalog.pg_class c, (SELECT max(age(xmin)) AS age FROM {audit}
    WHERE service = $service AND change_id = $change_id AND state = 'STARTED' AND attempt <= $attempts) began
  WHERE c.oid = ANY ($ids::oid[]) AND (began.age IS NULL OR age(c.xmin) > began.age)",
    ),
    holds: "SELECT 1 FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id",
    connection_of: None,
    witnesses: None,
    marked_sessions: None,
    before_witness: None,
    behind_witness: None,
    lease_witness: None,
    // The time of the statement is the time at which the whole message arrived. Recording another
    // time takes a query, after which a transaction cannot choose its isolation level.
    note_time: None,
    elapsed_in_text: "(date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000000)::bigint",
    limit_behind_text: Some(IdleLimit {
        set: "SELECT set_config('flamingock.idle', current_setting('idle_in_transaction_session_timeout'), true);
SET LOCAL idle_in_transaction_session_timeout = '15s'",
        lift: "SELECT set_config('idle_in_transaction_session_timeout', current_setting('flamingock.idle'), true)",
    }),
    clock: Some("(date_part('epoch', clock_timestamp()) * 1000000)::bigint"),
    // SET is no query, so the change can still choose its isolation level. The name of the
    // application lets another connection find the session when its statement must be cancelled. A
    // setting of the session exists after the transaction only if that was committed.
    begin: "BEGIN; SET flamingock.begun = '%tag%'; SET LOCAL flamingock.tx = '%tag%'; SET LOCAL application_name = 'flamingock %tag%'",
    begin_reversible: None,
    savepoint: "",
    release_savepoint: "",
    rollback_to_savepoint: "",
    marker_schema: "SELECT coalesce((SELECT n.nspname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = pg_catalog.to_regclass({marker_text})), current_schema()), current_setting('lock_timeout')",
    // The audit, in another database, is about to record the result, which must not be lost with
    // this server.
    marker_insert: "INSERT INTO {marker} (service, change_id, started_seq, run_id, kind, marked_at)
VALUES ($service, $change_id, $started_seq, $run_id,
  CASE WHEN current_setting('flamingock.tx', true) = $tag
    AND CASE WHEN current_setting('synchronous_commit') = 'off'
      THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL
    THEN $kind END, clock_timestamp())",
    marker_promote: "UPDATE {marker} SET kind = 'applied' WHERE service = $service
  AND change_id = $change_id AND started_seq = $started_seq AND run_id = $run_id AND kind = 'started'",
    marker_tombstone: "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '5s';
INSERT INTO {marker} (service, change_id, started_seq, run_id, kind, marked_at)
VALUES ($service, $change_id, $started_seq, $run_id, 'tombstone', clock_timestamp());
COMMIT",
    marker_read: "SELECT kind, run_id FROM {marker} WHERE service = $service AND change_id = $change_id
  AND started_seq = $started_seq",
    marker_delete: "DELETE FROM {marker} WHERE service = $service AND change_id = $change_id
  AND started_seq = $started_seq AND kind <> 'tombstone'",
    progress: ProgressSql {
        create: PROGRESS,
        insert: ("INSERT", "\nON CONFLICT DO NOTHING"),
        now: "clock_timestamp()",
        none: "''",
        text: "%column%",
        time: "to_char(%column% AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        behind_begin: None,
        in_transaction: "
  AND current_setting('flamingock.tx', true) = $tag
  AND CASE WHEN current_setting('synchronous_commit') = 'off'
    THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL",
        // The row's xmax is the transaction. The name of the session is set by the batch.
        session: &["SELECT l.pid FROM {progress} p
  JOIN pg_catalog.pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = p.xmax
    AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid AND a.application_name ~ '^flamingock [0-9a-f]{16}$'
WHERE p.service = $service AND p.change_id = $change_id AND p.shard = ''
  AND p.fencing_token <= $fencing_token AND ($whose = 0 OR p.run_id = $run_id)"],
    },
};

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_literal_needs_no_quoting_mode() {
        for (text, expected) in [
            ("", "E''"),
            ("create-users 1%$", "E'create-users 1%$'"),
            ("it's", r"E'it\u0027s'"),
            (r"a\b", r"E'a\u005cb'"),
            ("line\nnext\ttab", r"E'line\u000anext\u0009tab'"),
            ("gr\u{fc}n \u{1f9a9}", r"E'gr\u00fcn \U0001f9a9'"),
            ("nothing\0here", "E'nothinghere'"),
        ] {
            assert_eq!(literal(text), expected);
        }
    }
}
