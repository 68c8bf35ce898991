//! MariaDB, and MySQL 8 as far as it supports the same SQL; it is not tested there.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};

use crate::backend::{Answer, Backend, Conn, EachRow, Progress, collect_answer, run_to_its_end};
use crate::dialect::{Dialect, Isolation, ProgressSql, Setting, Upgrade};
use crate::failure::Failure;
use crate::template::{Rendered, Values, hex};

/// MySQL and MariaDB.
#[derive(Clone, Copy, Debug)]
pub struct MySql;

/// The server's own message does not name the setting.
const NO_MEMORY: &str = "a larger sort_buffer_size is needed than this session has";

impl Backend for MySql {
    type Database = sqlx::MySql;

    const DIALECT: &'static Dialect = &DIALECT;

    async fn fetch_each(
        connection: &mut Conn<Self>,
        statement: Rendered,
        each: &mut EachRow<'_>,
    ) -> Result<Answer, sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(statement.text));
        collect_answer!(
            connection.fetch_many(query),
            each,
            result => i64::try_from(result.last_insert_id()).unwrap_or_default()
        )
    }

    async fn run(connection: &mut Conn<Self>, text: String, mark: &str) -> Progress {
        let query = sqlx::raw_sql(AssertSqlSafe(text));
        run_to_its_end!(connection.fetch_many(query), mark)
    }

    /// Sends one message. Every message with more than one statement is idempotent, because the
    /// server may stop between two of them.
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

    async fn write_together(
        connection: &mut Conn<Self>,
        mut statements: Vec<Rendered>,
        patience: Duration,
    ) -> Result<Answer, sqlx::Error> {
        let own = |text: &str| Rendered {
            text: text.to_owned(),
            binds: Vec::new(),
        };
        statements.insert(0, own("START TRANSACTION"));
        statements.push(own(COMMIT));
        let written = Self::write(connection, statements, patience).await;
        if written.is_err() {
            // The server has stopped at the statement that failed, and kept the transaction open.
            let _ = Self::fetch(connection, own("ROLLBACK AND NO CHAIN NO RELEASE")).await;
        }
        written
    }

    /// Deadlocks and changed records; lock wait timeouts, if the server is configured so; a full
    /// lock table; a transaction that another one has aborted.
    fn may_undo_all(error: &sqlx::Error) -> bool {
        let error = error.as_database_error();
        let error =
            error.and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
        error.is_some_and(|error| {
            matches!(
                error.number(),
                1020 | 1180 | 1205 | 1206 | 1213 | 1614 | 1637
            )
        })
    }

    fn repair(error: &sqlx::Error) -> Option<String> {
        let error = error.as_database_error()?;
        let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
        (error.number() == 1038).then(|| NO_MEMORY.to_owned())
    }

    fn classify_database_error(error: &dyn sqlx::error::DatabaseError) -> Failure {
        let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() else {
            return Failure::Other;
        };
        match error.number() {
            1146 | 1049 => Failure::MissingTable,
            // "Column 'fencing_token' cannot be null". For "Record has changed since last read",
            // reading the lock decides.
            1048 if error.message().contains("'fencing_token'") => Failure::Refused,
            // The statement before a witness yields two rows unless the grant is the latest one.
            1242 => Failure::Refused,
            1020 => Failure::Serialization,
            1213 => Failure::Deadlock,
            // MySQL has a separate number for NOWAIT.
            1205 | 3572 => Failure::LockTimeout,
            1062 => Failure::Duplicate,
            1305 => Failure::NoSavepoint,
            // This is also the error for many other options of the server, which the message names
            // in any language: `--read-only`, `--super-read-only`.
            1290 if error.message().contains("read-only") => Failure::ReadOnly,
            1836 => Failure::ReadOnly,
            1044 | 1045 | 1142 | 1143 | 1227 | 1290 | 1792 => Failure::Denied,
            // A server that shuts down, a killed connection, a node that lost its cluster.
            1047 | 1053 | 1077 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 4031 => {
                Failure::Disconnected
            }
            _ => Failure::Other,
        }
    }
}

/// A hex literal with its character set does not depend on `NO_BACKSLASH_ESCAPES`.
fn literal(text: &str) -> String {
    format!("_utf8mb4 X'{}'", hex(text))
}

const DIALECT: Dialect = Dialect {
    name: "MySQL/MariaDB",
    isolation: Isolation::Witnessed,
    has_one_writer: false,
    quote: '`',
    values: Values::Literal(literal),
    user_quote: Some('\''),
    has_schema_rights: false,
    rights_of_changes: &[
        ("marker", &["SELECT", "INSERT", "DELETE"]),
        ("progress", &["SELECT", "INSERT", "UPDATE"]),
    ],
    create_schema: None,
    create_lock: None,
    create_lock_is_free: None,
    create: &[
        "CREATE TABLE IF NOT EXISTS {audit} (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  service VARCHAR(190) NOT NULL,
  run_id VARCHAR(64) NOT NULL,
  attempt INT NOT NULL,
  stage VARCHAR(190) NOT NULL,
  change_id VARCHAR(190) NOT NULL,
  change_order VARCHAR(190) NOT NULL,
  author TEXT NOT NULL,
  description MEDIUMTEXT NOT NULL,
  target VARCHAR(190) NOT NULL,
  state VARCHAR(64) NOT NULL,
  transaction_mode VARCHAR(32) NOT NULL,
  recovery VARCHAR(32) NOT NULL,
  origin VARCHAR(32) NOT NULL,
  operator TEXT NULL,
  digest VARCHAR(190) NOT NULL,
  fencing_token BIGINT NOT NULL,
  idempotency_key VARCHAR(64) NOT NULL,
  started_at DATETIME(6) NOT NULL,
  finished_at DATETIME(6) NULL,
  duration_us BIGINT NULL,
  host VARCHAR(255) NOT NULL,
  pid BIGINT NOT NULL,
  app_version TEXT NULL,
  location TEXT NOT NULL,
  error MEDIUMTEXT NULL,
  reason MEDIUMTEXT NULL,
  metadata MEDIUMTEXT NULL,
  INDEX {audit_index_bare} (service, change_id, seq)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "CREATE TABLE IF NOT EXISTS {lock} (
  service VARCHAR(190) NOT NULL,
  lane VARCHAR(64) NOT NULL,
  fencing_token BIGINT NOT NULL,
  run_id VARCHAR(64) NOT NULL,
  owner VARCHAR(500) NOT NULL,
  acquired_at DATETIME(6) NOT NULL,
  pipeline_digest VARCHAR(190) NULL,
  format_version INT NOT NULL,
  PRIMARY KEY (service, lane)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "CREATE TABLE IF NOT EXISTS {lease} (
  service VARCHAR(190) NOT NULL,
  lane VARCHAR(64) NOT NULL,
  run_id VARCHAR(64) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  activity VARCHAR(500) NULL,
  PRIMARY KEY (service, lane)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        MARKER,
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
            statement: "ALTER TABLE {audit} ADD COLUMN operator TEXT NULL AFTER origin",
        },
        Upgrade {
            table: "audit",
            column: "idempotency_key",
            statement: "ALTER TABLE {audit} ADD COLUMN idempotency_key VARCHAR(64) NOT NULL DEFAULT '' AFTER fencing_token",
        },
        Upgrade {
            table: "lock",
            column: "fencing_token",
            statement: "ALTER TABLE {lock} RENAME COLUMN token TO fencing_token",
        },
        Upgrade {
            table: "marker",
            column: "started_seq",
            statement: "ALTER TABLE {marker} RENAME COLUMN attempt TO started_seq",
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
            statement: "ALTER TABLE {lock} ADD COLUMN format_version INT NOT NULL DEFAULT 1",
        },
    ],
    columns: "SELECT CAST(TABLE_NAME AS BINARY), CAST(COLUMN_NAME AS BINARY)
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = COALESCE($schema, DATABASE())
  AND TABLE_NAME IN ({audit_plain}, {lock_plain}, {lease_plain}, {marker_plain}, {progress_plain})
LIMIT 18446744073709551615",
    format_version: "SELECT MAX(format_version) FROM {lock} LIMIT 1",
    create_marker: MARKER,
    home: None,
    // Other databases of the server belong to other applications. The database of the URL is the
    // application's own, wherever its session has moved.
    places: "SELECT CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY),
  CAST(COALESCE($schema, DATABASE()) AS BINARY), 1
FROM information_schema.TABLES
WHERE TABLE_SCHEMA IN (COALESCE($schema, DATABASE()), COALESCE($home, DATABASE()))
  AND TABLE_NAME REGEXP '(audit|lock|lease)$' ORDER BY 1, 2 LIMIT 18446744073709551615",
    settings: &[
        Setting {
            what: "autocommit is off: what is written is not committed",
            remedy: "switch it on for the connections of this pool",
            keeps_others_out: false,
        },
        Setting {
            what: "timestamp is set: the clock of the session is stopped, and no lease would end in time",
            remedy: "leave it at its default",
            keeps_others_out: false,
        },
        Setting {
            what: "insert_id is set: the next entry would get a number that is not its own",
            remedy: "leave it at 0",
            keeps_others_out: false,
        },
        Setting {
            what: "tx_read_only (transaction_read_only) is on: nothing can be written",
            remedy: "switch it off for the connections of this pool",
            keeps_others_out: false,
        },
        Setting {
            what: "character_set_results is one whose texts cannot be read here",
            remedy: "leave it as sqlx sets it",
            keeps_others_out: false,
        },
        Setting {
            what: "enforce_storage_engine is not InnoDB: a rollback would undo nothing",
            remedy: "leave it empty for the connections of this pool",
            keeps_others_out: false,
        },
    ],
    inspect: &[
        // Bytes, because numbers are converted too.
        "SELECT CAST(@@autocommit = 0 AS BINARY),
  CAST(ABS(TIMESTAMPDIFF(SECOND, NOW(), SYSDATE())) > 5 AS BINARY), CAST(@@insert_id <> 0 AS BINARY),
  CAST(/*M! @@tx_read_only */ /*!50720 @@transaction_read_only */ = 1 AS BINARY),
  CAST(COALESCE(@@character_set_results IN ('ucs2', 'utf16', 'utf16le', 'utf32'), 0) AS BINARY),
  CAST(/*M! COALESCE(@@enforce_storage_engine <> 'InnoDB', 0) */ /*!50720 0 */ AS BINARY)
LIMIT 1",
    ],
    is_made: None,
    is_held: None,
    // An empty text is NULL in some modes, but the same text in hex digits is not.
    seed: &[
        "INSERT IGNORE INTO {lock} (service, lane, fencing_token, run_id, owner, acquired_at, format_version)
VALUES ($service, $lane, 0, X'', X'', UTC_TIMESTAMP(6), $format_version)",
        "INSERT IGNORE INTO {lease} (service, lane, run_id, expires_at)
VALUES ($service, $lane, X'', '1970-01-01')",
    ],
    unchanged: None,
    // Bytes are not converted to the connection's character set: an altered id would be that of a
    // change that never ran. The rows are grouped by both columns of the index, because without the
    // service the server scans all rows. Each query that can have more than one row has its own
    // limit, because that of the session would hide entries, whose changes would run again.
    snapshot: "SELECT CAST(DATABASE() AS BINARY),
  CAST(COALESCE(@@character_set_results IN ('ucs2', 'utf16', 'utf16le', 'utf32'), 0) * 2
    + (/*M! @@tx_isolation */ /*!50720 @@transaction_isolation */ = 'READ-UNCOMMITTED') * 4
    + EXISTS (SELECT 1 FROM {lock} WHERE service = $service AND lane <> $lane) * 8 AS BINARY), k.fencing_token, k.run_id, CAST(k.owner AS BINARY), k.pipeline_digest,
  DATE_FORMAT(k.acquired_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  DATE_FORMAT(e.expires_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  CAST(e.activity AS BINARY), COALESCE(e.expires_at > UTC_TIMESTAMP(6), 0),
  CAST(b.change_id AS BINARY), b.seq, b.state, b.transaction_mode, b.origin, b.digest, b.attempt, b.run_id,
  CAST(b.stage AS BINARY), b.change_order, CAST(b.target AS BINARY),
  DATE_FORMAT(b.started_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  CASE WHEN b.state IN ('APPLIED', 'MANUAL_MARKED_AS_APPLIED') THEN NULL ELSE CAST(b.error AS BINARY) END,
  b.recovery,
  CASE WHEN b.state IN ('APPLIED', 'MANUAL_MARKED_AS_APPLIED') THEN NULL ELSE CAST(b.reason AS BINARY) END,
  CAST(b.operator AS BINARY), (SELECT MAX(format_version) FROM {lock})
FROM (SELECT 1) AS one
LEFT JOIN {lock} k ON k.service = $service AND k.lane = $lane
LEFT JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
LEFT JOIN (SELECT service, change_id, MAX(seq) AS seq FROM {audit} WHERE service = $service
    AND COALESCE((SELECT NOT (pipeline_digest <=> $digest) FROM {lock}
                  WHERE service = $service AND lane = $lane), 1)
    GROUP BY service, change_id) m ON TRUE
LEFT JOIN {audit} b ON b.seq = m.seq
LIMIT 18446744073709551615",
    lock_progress: "SELECT (SELECT MAX(seq) FROM {audit}),
  (SELECT COUNT(*) FROM {audit} a WHERE a.seq > $since AND a.service = $service AND a.state = 'APPLIED'),
  k.fencing_token, k.run_id,
  CAST(k.owner AS BINARY), k.pipeline_digest, DATE_FORMAT(k.acquired_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  DATE_FORMAT(e.expires_at, '%Y-%m-%dT%H:%i:%s.%fZ'), CAST(e.activity AS BINARY),
  e.expires_at > UTC_TIMESTAMP(6)
FROM {lock} k JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
WHERE k.service = $service AND k.lane = $lane LIMIT 1",
    history: "SELECT a.seq, CAST(a.service AS BINARY), a.run_id, a.fencing_token,
  DATE_FORMAT(a.started_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  DATE_FORMAT(a.finished_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  a.attempt, CAST(a.stage AS BINARY), CAST(a.change_id AS BINARY), a.change_order,
  CAST(a.author AS BINARY), CAST(a.description AS BINARY), CAST(a.target AS BINARY), a.state,
  a.transaction_mode, a.recovery, a.origin, a.digest, a.duration_us, CAST(a.host AS BINARY), a.pid,
  CAST(a.app_version AS BINARY), CAST(a.location AS BINARY), CAST(a.error AS BINARY),
  CAST(a.reason AS BINARY), CAST(a.metadata AS BINARY), CAST(a.operator AS BINARY), a.idempotency_key
FROM {audit} a WHERE a.service = $service AND a.seq > $after
  AND ($change_id IS NULL OR (a.change_id = $change_id
       AND CHAR_LENGTH(a.change_id) = CHAR_LENGTH($change_id)))
  AND ($state IS NULL OR a.state = $state)
  AND ($attempt IS NULL OR a.attempt = $attempt)
  AND ($run_id IS NULL OR a.run_id = $run_id)
  AND ($since IS NULL OR a.started_at >= CAST(REPLACE(REPLACE($since, 'T', ' '), 'Z', X'') AS DATETIME(6)))
  AND ($latest_only = 0 OR a.seq IN (SELECT MAX(b.seq) FROM {audit} b WHERE b.service = $service
       GROUP BY b.service, b.change_id))
ORDER BY a.seq LIMIT $limit",
    // If the row of the lock was deleted, only the audit knows the service.
    seed_lane: "INSERT IGNORE INTO {lock} (service, lane, fencing_token, run_id, owner, acquired_at, format_version)
SELECT $service, $lane, COALESCE(MAX(fencing_token), 0), X'', X'', UTC_TIMESTAMP(6), $format_version
FROM (SELECT fencing_token FROM {lock} WHERE service = $service) AS lanes",
    lanes: "SELECT CAST(lane AS BINARY) FROM {lock} WHERE service = $service AND lane <> $lane ORDER BY lane LIMIT 100000",
    services: "SELECT CAST(service AS BINARY) AS service FROM {lock} WHERE lane = $lane
UNION SELECT CAST(service AS BINARY) FROM {audit} ORDER BY service LIMIT 18446744073709551615",
    // The rows are locked in the same order here and in every statement below: two statements that
    // locked them in opposite orders would deadlock. No statement waits for a locked row. A run
    // whose answer was lost asks again, and gets the same fencing token.
    acquire: &[
        "START TRANSACTION",
        "SELECT k.run_id, NULL FROM {lock} k
STRAIGHT_JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
WHERE k.service = $service AND k.lane = $lane LIMIT 1 FOR UPDATE NOWAIT",
        "UPDATE {lock} SET fencing_token = IF(run_id = $run_id, fencing_token, GREATEST(fencing_token, $floor) + 1), run_id = $run_id,
  owner = $owner, acquired_at = UTC_TIMESTAMP(6), pipeline_digest = NULL
WHERE service = $service AND lane = $lane AND (run_id = $run_id OR (fencing_token = $force AND run_id <> X'')
  OR ($force IS NULL AND EXISTS (SELECT 1 FROM {lease} e
    WHERE e.service = $service AND e.lane = $lane AND e.expires_at <= UTC_TIMESTAMP(6))))",
        "UPDATE {lease} SET run_id = $run_id, activity = NULL,
  expires_at = UTC_TIMESTAMP(6) + INTERVAL ($lease_ms * 1000) MICROSECOND
WHERE service = $service AND lane = $lane AND EXISTS (SELECT 1 FROM {lock} k
  WHERE k.service = $service AND k.lane = $lane AND k.run_id = $run_id)",
        COMMIT,
        "SELECT NULL, fencing_token FROM {lock}
WHERE service = $service AND lane = $lane AND run_id = $run_id LIMIT 1",
    ],
    renew: "UPDATE {lock} k STRAIGHT_JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
SET e.expires_at = UTC_TIMESTAMP(6) + INTERVAL ($lease_ms * 1000) MICROSECOND,
  e.activity = COALESCE($activity, e.activity)
WHERE k.service = $service AND k.lane = $lane AND e.run_id = $run_id
  AND k.fencing_token = $fencing_token AND k.run_id = $run_id",
    release: &["UPDATE {lock} k STRAIGHT_JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
SET k.pipeline_digest = $digest, k.run_id = X'', e.run_id = X'', e.expires_at = '1970-01-01',
  e.activity = NULL
WHERE k.service = $service AND k.lane = $lane AND k.fencing_token = $fencing_token AND k.run_id = $run_id"],
    // Single-row VALUES: with an empty `sql_mode`, every other form stores 0 instead of refusing
    // NULL.
    append: "INSERT INTO {audit} (service, run_id, attempt, stage, change_id, change_order, author,
  description, target, state, transaction_mode, recovery, origin, operator, digest, fencing_token,
  idempotency_key, started_at, finished_at, duration_us, host, pid, app_version, location, error, reason,
  metadata)
VALUES ($service, $run_id, $attempt, $stage, $change_id, $change_order, $author, $description,
  $target, $state, $transaction_mode, $recovery, $origin, $operator, $digest, {fencing},
  $idempotency_key, {began},
  IF($finished = 1, UTC_TIMESTAMP(6), NULL), $duration_us, $host, $pid, $app_version,
  $location, $error, $reason, {metadata})",
    began: "UTC_TIMESTAMP(6) - INTERVAL $elapsed_us MICROSECOND",
    began_in_text: "@flamingock_began",
    fencing_within: FENCING,
    // DDL of a later change commits the row: the lock must not change its owner before that.
    fencing_between: FENCING,
    // MySQL has no such limit, and sees an assignment that changes nothing.
    limit_idle: Some(
        "SET /*M!100300 @flamingock_idle = @@SESSION.idle_write_transaction_timeout, \
         SESSION idle_write_transaction_timeout = 15, */ autocommit = 0",
    ),
    fencing_alone: FENCING_ALONE,
    // The digest matches no pipeline, so no run takes the pipeline for up to date; releasing or
    // taking over the lock overwrites it.
    write_lock: Some(
        "UPDATE {lock} SET pipeline_digest = CONCAT('entry ', UUID()) WHERE service = $service
  AND lane = $lane AND fencing_token = $fencing_token AND run_id = $run_id",
    ),
    // The table that is written to can be read only in a derived table, which the limit keeps from
    // being merged.
    unless_ended: "AND NOT EXISTS (SELECT 1 FROM (SELECT 1 FROM {audit}
    WHERE service = $service AND change_id = $change_id AND run_id = $run_id AND attempt = $attempt
    AND state IN ('APPLIED', 'ROLLED_BACK', 'ROLLBACK_FAILED') LIMIT 1) AS ended)",
    // Another session needs the id of the connection to cancel one of its statements.
    witness_metadata: Some(
        "CONCAT('{\"connection\":', CONNECTION_ID(), IF($metadata IS NULL, '}', CONCAT(',', SUBSTRING($metadata, 2))))",
    ),
    settle: &[
        "SET SESSION innodb_lock_wait_timeout = 5",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "START TRANSACTION",
        "SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane LIMIT 1 FOR UPDATE",
        "SELECT state FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt ORDER BY seq LIMIT 18446744073709551615 LOCK IN SHARE MODE",
        COMMIT,
    ],
    states: "SELECT state FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt ORDER BY seq LIMIT 18446744073709551615",
    older: None,
    holds: "SELECT 1 FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id LIMIT 1",
    connection_of: Some(&[
        "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SELECT metadata FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt AND state = 'STARTED' LIMIT 1",
    ]),
    // The latest ones are enough: the witnesses of one transaction name one connection, and those
    // of an open transaction are recent.
    witnesses: Some(
        "SELECT seq, metadata FROM {audit} WHERE service = $service AND state = 'STARTED' AND {whose}
  AND transaction_mode = 'shared' AND metadata LIKE '{\"connection\":%' ORDER BY seq DESC LIMIT 1000",
    ),
    // A session without a witness has at least the entries of earlier changes of its run.
    marked_sessions: Some(
        "SELECT DISTINCT IS_USED_LOCK(CONCAT($mark, run_id)) FROM (SELECT run_id FROM {audit}
  WHERE service = $service AND run_id <> $run_id AND CHAR_LENGTH(run_id) BETWEEN 1 AND 50
  AND run_id NOT IN (SELECT run_id FROM {lock} WHERE service = $service AND lane <> $lane)
  ORDER BY seq DESC LIMIT 1000) AS latest LIMIT 1000",
    ),
    // A witness of a late owner would be newer than the entries of the next owner. SET is used,
    // because DO turns the error into a warning.
    before_witness: Some(
        "SET @flamingock_owner = (SELECT 1 UNION ALL SELECT 2 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {lock}
  WHERE service = $service AND lane = $lane AND fencing_token = $fencing_token AND run_id = $run_id))",
    ),
    behind_witness: Some("DO LAST_INSERT_ID(0)"),
    lease_witness: None,
    note_time: Some(NOTE_TIME),
    elapsed_in_text: ELAPSED,
    limit_behind_text: None,
    clock: None,
    // With autocommit off, nothing after a deadlock or DDL is committed statement by statement. A
    // commit must neither begin another transaction nor end the session.
    begin: "SET autocommit = 0, completion_type = 0; START TRANSACTION",
    // Without autocommit, the savepoint begins the transaction.
    begin_reversible: Some(
        "SET autocommit = 0, completion_type = 0, @flamingock_began = UTC_TIMESTAMP(6); SAVEPOINT fl_%tag%",
    ),
    savepoint: "SAVEPOINT fl_%tag%",
    release_savepoint: "RELEASE SAVEPOINT fl_%tag%",
    rollback_to_savepoint: "ROLLBACK TO SAVEPOINT fl_%tag%",
    marker_schema: "SELECT CAST(DATABASE() AS BINARY) LIMIT 1",
    marker_insert: "INSERT INTO {marker} (service, change_id, started_seq, run_id, kind, marked_at)
VALUES ($service, $change_id, $started_seq, $run_id, $kind, UTC_TIMESTAMP(6))",
    marker_promote: "UPDATE {marker} SET kind = 'applied' WHERE service = $service
  AND change_id = $change_id AND started_seq = $started_seq AND run_id = $run_id AND kind = 'started'",
    // Commits explicitly, because sessions of the application may have autocommit off.
    marker_tombstone: "SET SESSION innodb_lock_wait_timeout = 5;
START TRANSACTION;
INSERT INTO {marker} (service, change_id, started_seq, run_id, kind, marked_at)
VALUES ($service, $change_id, $started_seq, $run_id, 'tombstone', UTC_TIMESTAMP(6));
COMMIT AND NO CHAIN NO RELEASE",
    marker_read: "SELECT kind, run_id FROM {marker} WHERE service = $service AND change_id = $change_id
  AND started_seq = $started_seq LIMIT 1",
    marker_delete: "DELETE FROM {marker} WHERE service = $service AND change_id = $change_id
  AND started_seq = $started_seq AND kind <> 'tombstone'",
    progress: ProgressSql {
        create: PROGRESS,
        insert: ("INSERT IGNORE", ""),
        now: "UTC_TIMESTAMP(6)",
        none: "X''",
        text: "CAST(%column% AS BINARY)",
        time: "DATE_FORMAT(%column%, '%Y-%m-%dT%H:%i:%s.%fZ')",
        // The transaction's own write is the only one that it sees with this tag.
        behind_begin: Some(
            "SET @flamingock_owner = (SELECT 1 UNION ALL SELECT 2 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {progress}
  WHERE %batch% AND metadata = '%tag%'))",
        ),
        in_transaction: "",
        session: &[
            "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            "SELECT IS_USED_LOCK(CONCAT($mark, CAST(metadata AS BINARY))) FROM {progress}
WHERE service = $service AND change_id = $change_id AND shard = X''
  AND fencing_token <= $fencing_token AND ($whose = 0 OR run_id = $run_id) LIMIT 1",
        ],
    },
};

/// Does not depend on how the session completes a plain commit.
const COMMIT: &str = "COMMIT AND NO CHAIN NO RELEASE";

const NOTE_TIME: &str = "SET @flamingock_began = UTC_TIMESTAMP(6)";

/// The expression for the microseconds since a message, or a part of it, began.
const ELAPSED: &str = "TIMESTAMPDIFF(MICROSECOND, @flamingock_began, UTC_TIMESTAMP(6))";

const FENCING: &str = "(SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id LOCK IN SHARE MODE)";

const FENCING_ALONE: &str =
    "(SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id {unless_ended} LOCK IN SHARE MODE)";

/// Also exists next to the audit: the rollback of a change needs a witness that is no audit row.
const MARKER: &str = "CREATE TABLE IF NOT EXISTS {marker} (
  service VARCHAR(190) NOT NULL,
  change_id VARCHAR(190) NOT NULL,
  started_seq BIGINT NOT NULL,
  run_id VARCHAR(64) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  marked_at DATETIME(6) NOT NULL,
  PRIMARY KEY (service, change_id, started_seq)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// The progress of long work, and the requests of operators. It has one row for each change, or for
/// each shard of one.
const PROGRESS: &str = "CREATE TABLE IF NOT EXISTS {progress} (
  service VARCHAR(190) NOT NULL,
  change_id VARCHAR(190) NOT NULL,
  shard VARCHAR(64) NOT NULL,
  state VARCHAR(64) NOT NULL,
  batch_cursor MEDIUMTEXT NULL,
  upper_bound MEDIUMTEXT NULL,
  attempt INT NOT NULL,
  run_id VARCHAR(64) NOT NULL,
  fencing_token BIGINT NOT NULL,
  digest VARCHAR(190) NOT NULL,
  app_version TEXT NULL,
  batches BIGINT NOT NULL,
  done_rows BIGINT NOT NULL,
  total_rows BIGINT NULL,
  batch_size BIGINT NULL,
  pause_ms BIGINT NULL,
  throttle TEXT NULL,
  waits_for TEXT NULL,
  failed_items MEDIUMTEXT NULL,
  request VARCHAR(64) NULL,
  request_operator TEXT NULL,
  request_reason MEDIUMTEXT NULL,
  requested_at DATETIME(6) NULL,
  started_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  metadata MEDIUMTEXT NULL,
  PRIMARY KEY (service, change_id, shard)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
