//! SQLite.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, Transaction};
use sqlx_core::transaction::TransactionManager;

use crate::backend::{Answer, Backend, Conn, EachRow, Progress, collect_answer, run_to_its_end};
use crate::dialect::{Dialect, Isolation, LeaseWitness, ProgressSql, Setting, Upgrade};
use crate::failure::Failure;
use crate::template::{Rendered, Value, Values};

/// SQLite.
#[derive(Clone, Copy, Debug)]
pub struct Sqlite;

/// `synchronous = FULL`: a commit is on disk when it returns.
const FULL: i64 = 2;

fn pragma(text: &str) -> Rendered {
    Rendered {
        text: text.to_owned(),
        binds: Vec::new(),
    }
}

/// Returns the number that a pragma has.
async fn number(connection: &mut Conn<Sqlite>, text: &str) -> Result<Option<i64>, sqlx::Error> {
    let answer = Sqlite::fetch(connection, pragma(text)).await?;
    answer.rows.first().map_or(Ok(None), |row| row.int(0))
}

/// Sends statements, and commits the transaction.
async fn write_in(
    mut transaction: Transaction<'_, sqlx::Sqlite>,
    statements: Vec<Rendered>,
    patience: Duration,
) -> Result<Answer, sqlx::Error> {
    let mut all = Answer::default();
    for statement in statements {
        let answer = Sqlite::fetch(&mut transaction, statement).await?;
        all.rows.extend(answer.rows);
    }
    Sqlite::commit(&mut transaction, patience).await?;
    Ok(all)
}

/// The pause before a busy commit is repeated.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The pause before the next try to get the write lock that many processes want.
const TURN_PAUSE: Duration = Duration::from_millis(5);

/// SQLite has the same error for both.
const NO_SPACE: &str = "the disk is full, or the file has as many pages as max_page_count allows";

impl Backend for Sqlite {
    type Database = sqlx::Sqlite;

    const DIALECT: &'static Dialect = &DIALECT;

    async fn fetch_each(
        connection: &mut Conn<Self>,
        statement: Rendered,
        each: &mut EachRow<'_>,
    ) -> Result<Answer, sqlx::Error> {
        // A statement without values is about a savepoint or a pragma, and is not sent again.
        let is_kept = !statement.binds.is_empty();
        let mut query = sqlx::query(AssertSqlSafe(statement.text)).persistent(is_kept);
        for value in statement.binds {
            query = match value {
                Value::Null => query.bind(None::<String>),
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        collect_answer!(connection.fetch_many(query), each, result => 0)
    }

    fn repair(error: &sqlx::Error) -> Option<String> {
        let is_full = error.as_database_error()?.code()? == "13";
        is_full.then(|| NO_SPACE.to_owned())
    }

    async fn run(connection: &mut Conn<Self>, text: String, mark: &str) -> Progress {
        let query = sqlx::raw_sql(AssertSqlSafe(text));
        run_to_its_end!(connection.fetch_many(query), mark)
    }

    /// Uses a transaction that takes the write lock at once, because a later upgrade would be
    /// refused without waiting.
    async fn write(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> Result<Answer, sqlx::Error> {
        let transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        write_in(transaction, statements, patience).await
    }

    /// SQLite itself waits for the write lock in steps that grow to a tenth of a second, while a
    /// run that applies its changes leaves the lock free only for a moment after each.
    async fn write_among_others(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        moot: Option<Rendered>,
        patience: Duration,
    ) -> Result<Answer, sqlx::Error> {
        let own = number(connection, "PRAGMA busy_timeout")
            .await?
            .unwrap_or(0);
        let restored = pragma(&format!("PRAGMA busy_timeout = {own}"));
        let deadline = Instant::now() + Duration::from_millis(own.try_into().unwrap_or(0));
        Self::fetch(connection, pragma("PRAGMA busy_timeout = 0")).await?;
        loop {
            let refused = match connection.begin_with("BEGIN IMMEDIATE").await {
                Ok(mut transaction) => {
                    Self::fetch(&mut transaction, restored).await?;
                    return write_in(transaction, statements, patience).await;
                }
                Err(error) => error,
            };
            if Self::classify(&refused) != Failure::Busy || Instant::now() >= deadline {
                Self::fetch(connection, restored).await?;
                return Err(refused);
            }
            if let Some(moot) = &moot {
                // An error or a missing table shows up again in the next try.
                let found = Self::fetch(connection, moot.clone()).await;
                if found.is_ok_and(|answer| !answer.rows.is_empty()) {
                    Self::fetch(connection, restored).await?;
                    return Ok(Answer::default());
                }
            }
            tokio::time::sleep(TURN_PAUSE).await;
        }
    }

    /// With `synchronous = NORMAL`, the usual advice for WAL, a power failure can lose a commit.
    async fn write_durably(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> Result<Answer, sqlx::Error> {
        let own = number(connection, "PRAGMA synchronous")
            .await?
            .unwrap_or(FULL);
        if own >= FULL {
            return Self::write(connection, statements, patience).await;
        }
        Self::fetch(connection, pragma(&format!("PRAGMA synchronous = {FULL}"))).await?;
        let written = Self::write(connection, statements, patience).await;
        let restored =
            Self::fetch(connection, pragma(&format!("PRAGMA synchronous = {own}"))).await;
        let answer = written?;
        restored?;
        Ok(answer)
    }

    /// The errors that SQLite documents, and a constraint whose conflicts are resolved by ROLLBACK.
    fn may_undo_all(error: &sqlx::Error) -> bool {
        let error = error.as_database_error();
        let own = error.filter(|error| {
            let error = error.try_downcast_ref::<sqlx::sqlite::SqliteError>();
            error.is_some()
        });
        let code = own.and_then(|error| error.code()?.parse::<u32>().ok());
        code.is_some_and(|code| matches!(code & 0xff, 5 | 7 | 9 | 10 | 13 | 19))
    }

    fn classify_database_error(error: &dyn sqlx::error::DatabaseError) -> Failure {
        // A change can return the error of another database.
        if error
            .try_downcast_ref::<sqlx::sqlite::SqliteError>()
            .is_none()
        {
            return Failure::Other;
        }
        let message = error.message();
        let code = error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .unwrap_or_default();
        match code {
            // The low byte is the primary code: busy, or locked by a connection of this process.
            _ if matches!(code & 0xff, 5 | 6) => Failure::Busy,
            _ if message.starts_with("no such table") => Failure::MissingTable,
            _ if message.starts_with("no such savepoint") => Failure::NoSavepoint,
            1299 if message.ends_with(".fencing_token") => Failure::Refused,
            1555 | 2067 => Failure::Duplicate,
            _ if code & 0xff == 8 => Failure::Denied,
            _ => Failure::Other,
        }
    }
}

impl Sqlite {
    /// Commits. A commit that is refused because another connection is reading leaves the
    /// transaction open, and is repeated.
    ///
    /// # Errors
    /// Any other error of the commit, and a reader that lasts longer than `patience`.
    pub async fn commit(
        connection: &mut Conn<Self>,
        patience: Duration,
    ) -> Result<(), sqlx::Error> {
        let deadline = Instant::now() + patience;
        loop {
            match sqlx::sqlite::SqliteTransactionManager::commit(connection).await {
                Err(error)
                    if Self::classify(&error) == Failure::Busy && Instant::now() < deadline =>
                {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

/// Whether the lease `e` has not ended. The clock of another boot means nothing here, but its owner
/// may be alive: containers with boot ids of their own, or a virtual machine and its host, can
/// share a file. In that case the end by the wall clock counts, which includes a margin for clocks
/// that differ.
macro_rules! live {
    () => {
        "(e.expires_ms = {never} OR (e.boot_id = $boot AND e.expires_ms > $now_ms)
    OR (e.boot_id <> $boot AND e.expires_wall_ms > $wall_ms))"
    };
}

/// The progress of long work, and the requests of operators. It has one row for each change, or for
/// each shard of one.
const PROGRESS: &str = "CREATE TABLE IF NOT EXISTS {progress} (
  service TEXT NOT NULL,
  change_id TEXT NOT NULL,
  shard TEXT NOT NULL,
  state TEXT NOT NULL,
  batch_cursor TEXT,
  upper_bound TEXT,
  attempt INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  fencing_token INTEGER NOT NULL,
  digest TEXT NOT NULL,
  app_version TEXT,
  batches INTEGER NOT NULL,
  done_rows INTEGER NOT NULL,
  total_rows INTEGER,
  batch_size INTEGER,
  pause_ms INTEGER,
  throttle TEXT,
  waits_for TEXT,
  failed_items TEXT,
  request TEXT,
  request_operator TEXT,
  request_reason TEXT,
  requested_at TEXT,
  started_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  metadata TEXT,
  PRIMARY KEY (service, change_id, shard)
)";

const DIALECT: Dialect = Dialect {
    name: "SQLite",
    isolation: Isolation::Whole,
    has_one_writer: true,
    quote: '"',
    values: Values::Bound,
    user_quote: None,
    has_schema_rights: false,
    rights_of_changes: &[],
    create_schema: None,
    create_lock: None,
    create_lock_is_free: None,
    create: &[
        "CREATE TABLE IF NOT EXISTS {audit} (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  service TEXT NOT NULL,
  run_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  stage TEXT NOT NULL,
  change_id TEXT NOT NULL,
  change_order TEXT NOT NULL,
  author TEXT NOT NULL,
  description TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  transaction_mode TEXT NOT NULL,
  recovery TEXT NOT NULL,
  origin TEXT NOT NULL,
  operator TEXT,
  digest TEXT NOT NULL,
  fencing_token INTEGER NOT NULL,
  idempotency_key TEXT NOT NULL,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  duration_us INTEGER,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  app_version TEXT,
  location TEXT NOT NULL,
  error TEXT,
  reason TEXT,
  metadata TEXT
)",
        "CREATE INDEX IF NOT EXISTS {audit_index} ON {audit_bare} (service, change_id, seq)",
        "CREATE TABLE IF NOT EXISTS {lock} (
  service TEXT NOT NULL,
  lane TEXT NOT NULL,
  fencing_token INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  acquired_at TEXT NOT NULL,
  pipeline_digest TEXT,
  format_version INTEGER NOT NULL,
  PRIMARY KEY (service, lane)
)",
        "CREATE TABLE IF NOT EXISTS {lease} (
  service TEXT NOT NULL,
  lane TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  expires_ms INTEGER NOT NULL,
  expires_wall_ms INTEGER NOT NULL,
  expires_at TEXT,
  activity TEXT,
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
            statement: "ALTER TABLE {audit} ADD COLUMN operator TEXT",
        },
        Upgrade {
            table: "audit",
            column: "idempotency_key",
            statement: "ALTER TABLE {audit} ADD COLUMN idempotency_key TEXT NOT NULL DEFAULT ''",
        },
        Upgrade {
            table: "lock",
            column: "fencing_token",
            statement: "ALTER TABLE {lock} RENAME COLUMN token TO fencing_token",
        },
        Upgrade {
            table: "lease",
            column: "expires_wall_ms",
            statement: "ALTER TABLE {lease} ADD COLUMN expires_wall_ms INTEGER NOT NULL DEFAULT 0",
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
            statement: "ALTER TABLE {lock} ADD COLUMN format_version INTEGER NOT NULL DEFAULT 1",
        },
    ],
    columns: "SELECT m.name, c.name FROM pragma_table_list m, pragma_table_info(m.name, m.schema) c
WHERE m.schema = $schema AND m.name IN ({audit_plain}, {lock_plain}, {lease_plain}, {progress_plain})",
    format_version: "SELECT max(format_version) FROM {lock}",
    create_marker: "CREATE TABLE IF NOT EXISTS {marker} (
  service TEXT NOT NULL,
  change_id TEXT NOT NULL,
  started_seq INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  marked_at TEXT NOT NULL,
  PRIMARY KEY (service, change_id, started_seq)
)",
    // A temporary table of the same name would take precedence.
    home: Some("main"),
    places: "SELECT schema, name, coalesce($schema, 'main'), 1 FROM pragma_table_list
WHERE schema <> 'temp' AND (name LIKE '%audit' OR name LIKE '%lock' OR name LIKE '%lease')
ORDER BY schema, name",
    settings: &[
        Setting {
            what: "query_only is on: nothing can be written",
            remedy: "switch it off for the connections of this pool",
            keeps_others_out: false,
        },
        Setting {
            what: "journal_mode is off: a rollback would undo nothing",
            remedy: "use another one: wal, delete, truncate, persist or memory",
            keeps_others_out: false,
        },
        Setting {
            what: "read_uncommitted is on in a database that connections share: what is not committed yet would count",
            remedy: "switch it off for the connections of this pool",
            keeps_others_out: false,
        },
        Setting {
            what: "locking_mode is exclusive: the first connection keeps the pool's others out",
            remedy: "set it to normal, or the pool's max_connections to 1",
            keeps_others_out: true,
        },
    ],
    inspect: &[
        "SELECT (SELECT query_only FROM pragma_query_only),
  (SELECT journal_mode = 'off' FROM pragma_journal_mode),
  (SELECT file = '' FROM pragma_database_list WHERE name = 'main')
    AND (SELECT read_uncommitted FROM pragma_read_uncommitted),
  (SELECT locking_mode = 'exclusive' FROM pragma_locking_mode)",
    ],
    seed: &[
        "INSERT OR IGNORE INTO {lock} (service, lane, fencing_token, run_id, owner, acquired_at, format_version)
VALUES ($service, $lane, 0, '', '', $now_text, $format_version)",
        "INSERT OR IGNORE INTO {lease} (service, lane, boot_id, expires_ms, expires_wall_ms)
VALUES ($service, $lane, '', 0, 0)",
    ],
    is_made: Some(
        "SELECT 1 FROM {lock} k JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
WHERE k.service = $service AND k.lane = $lane",
    ),
    // CROSS JOIN fixes the order, so that no entry is read if the digest matches.
    unchanged: None,
    snapshot: concat!(
        "WITH RECURSIVE l(stored) AS (
  SELECT (SELECT pipeline_digest FROM {lock} WHERE service = $service AND lane = $lane)),
k(change_id, seq) AS (
  SELECT * FROM (SELECT a.change_id, a.seq FROM l CROSS JOIN {audit} a
    WHERE l.stored IS NOT $digest AND a.service = $service
    ORDER BY a.change_id DESC, a.seq DESC LIMIT 1)
  UNION ALL
  SELECT a.change_id, a.seq FROM k CROSS JOIN {audit} a ON a.seq = (
    SELECT x.seq FROM {audit} x WHERE x.service = $service AND x.change_id < k.change_id
    ORDER BY x.change_id DESC, x.seq DESC LIMIT 1))
SELECT 'main', (SELECT file = '' FROM pragma_database_list WHERE name = 'main')
    + EXISTS (SELECT 1 FROM {lock} WHERE service = $service AND lane <> $lane) * 8,
  c.fencing_token, c.run_id, c.owner, c.pipeline_digest, c.acquired_at, e.expires_at, e.activity,
  coalesce(",
        live!(),
        ", 0),
  b.change_id, b.seq, b.state, b.transaction_mode, b.origin, b.digest, b.attempt, b.run_id, b.stage,
  b.change_order, b.target, b.started_at,
  CASE WHEN b.state IN ('APPLIED', 'MANUAL_MARKED_AS_APPLIED') THEN NULL ELSE b.error END,
  b.recovery,
  CASE WHEN b.state IN ('APPLIED', 'MANUAL_MARKED_AS_APPLIED') THEN NULL ELSE b.reason END,
  b.operator, (SELECT max(format_version) FROM {lock})
FROM (SELECT 1) AS one
LEFT JOIN {lock} c ON c.service = $service AND c.lane = $lane
LEFT JOIN {lease} e ON e.service = c.service AND e.lane = c.lane
LEFT JOIN (k CROSS JOIN {audit} b ON b.seq = k.seq)"
    ),
    // The plus keeps SQLite from using the index of the service, which would read all of its
    // entries.
    lock_progress: concat!(
        "SELECT (SELECT max(seq) FROM {audit}),
  (SELECT count(*) FROM {audit} a WHERE a.seq > $since AND +a.service = $service AND a.state = 'APPLIED'),
  k.fencing_token, k.run_id, k.owner,
  k.pipeline_digest, k.acquired_at, e.expires_at, e.activity,
  ",
        live!(),
        "
FROM {lock} k JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
WHERE k.service = $service AND k.lane = $lane"
    ),
    history: "SELECT a.seq, a.service, a.run_id, a.fencing_token, a.started_at, a.finished_at,
  a.attempt, a.stage, a.change_id, a.change_order, a.author, a.description, a.target, a.state,
  a.transaction_mode, a.recovery, a.origin, a.digest, a.duration_us, a.host, a.pid, a.app_version,
  a.location, a.error, a.reason, a.metadata, a.operator, a.idempotency_key
FROM {audit} a WHERE a.service = $service AND a.seq > $after
  AND ($change_id IS NULL OR a.change_id = $change_id)
  AND ($state IS NULL OR a.state = $state)
  AND ($attempt IS NULL OR a.attempt = $attempt)
  AND ($run_id IS NULL OR a.run_id = $run_id)
  AND ($since IS NULL OR a.started_at >= $since)
  AND ($latest_only = 0 OR a.seq = (SELECT max(b.seq) FROM {audit} b
       WHERE b.service = a.service AND b.change_id = a.change_id))
ORDER BY a.seq LIMIT $limit",
    // If the row of the lock was deleted, only the audit knows the service.
    seed_lane: "INSERT OR IGNORE INTO {lock} (service, lane, fencing_token, run_id, owner, acquired_at, format_version)
SELECT $service, $lane, COALESCE(MAX(fencing_token), 0), '', '', $now_text, $format_version FROM {lock}
WHERE service = $service",
    lanes: "SELECT lane FROM {lock} WHERE service = $service AND lane <> $lane ORDER BY lane LIMIT 100000",
    services: "SELECT service FROM {lock} WHERE lane = $lane
UNION SELECT service FROM {audit} ORDER BY service",
    is_held: Some(concat!(
        "SELECT 1 FROM {lock} k JOIN {lease} e ON e.service = k.service AND e.lane = k.lane
WHERE k.service = $service AND k.lane = $lane AND k.run_id <> $run_id AND $force IS NULL AND ",
        live!()
    )),
    // A run whose answer was lost asks again, and gets the same fencing token.
    acquire: &[
        "SELECT run_id, NULL FROM {lock} WHERE service = $service AND lane = $lane",
        concat!(
            "UPDATE {lock} SET fencing_token = CASE WHEN run_id = $run_id THEN fencing_token
    ELSE max(fencing_token, $floor) + 1 END, run_id = $run_id, owner = $owner,
  acquired_at = $now_text, pipeline_digest = NULL
WHERE service = $service AND lane = $lane AND EXISTS (SELECT 1 FROM {lease} e
  WHERE e.service = $service AND e.lane = $lane AND (run_id = $run_id OR (fencing_token = $force AND run_id <> '')
    OR ($force IS NULL AND (($lease_ms < 0 AND e.expires_ms = {never}) OR NOT ",
            live!(),
            "))))"
        ),
        "UPDATE {lease} SET boot_id = $boot, activity = NULL,
  expires_ms = CASE WHEN $lease_ms < 0 THEN {never} ELSE $now_ms + $lease_ms END,
  expires_wall_ms = $wall_end_ms, expires_at = $expires_text
WHERE service = $service AND lane = $lane
  AND EXISTS (SELECT 1 FROM {lock} WHERE service = $service AND lane = $lane AND run_id = $run_id)",
        "SELECT NULL, fencing_token FROM {lock}
WHERE service = $service AND lane = $lane AND run_id = $run_id",
    ],
    renew: "UPDATE {lease} SET boot_id = $boot, activity = coalesce($activity, activity),
  expires_ms = CASE WHEN expires_ms = {never} THEN {never} ELSE $now_ms + $lease_ms END,
  expires_wall_ms = $wall_end_ms, expires_at = $expires_text
WHERE service = $service AND lane = $lane AND EXISTS (SELECT 1 FROM {lock}
  WHERE service = $service AND lane = $lane AND fencing_token = $fencing_token AND run_id = $run_id)",
    release: &[
        "UPDATE {lease} SET boot_id = '', expires_ms = 0, expires_wall_ms = 0, expires_at = NULL,
  activity = NULL
WHERE service = $service AND lane = $lane AND EXISTS (SELECT 1 FROM {lock}
  WHERE service = $service AND lane = $lane AND fencing_token = $fencing_token AND run_id = $run_id)",
        "UPDATE {lock} SET pipeline_digest = $digest, run_id = ''
WHERE service = $service AND lane = $lane AND fencing_token = $fencing_token AND run_id = $run_id",
    ],
    append: "INSERT INTO {audit} (service, run_id, attempt, stage, change_id, change_order, author,
  description, target, state, transaction_mode, recovery, origin, operator, digest, fencing_token,
  idempotency_key, started_at, finished_at, duration_us, host, pid, app_version, location, error, reason,
  metadata)
VALUES ($service, $run_id, $attempt, $stage, $change_id, $change_order, $author, $description,
  $target, $state, $transaction_mode, $recovery, $origin, $operator, $digest, {fencing},
  $idempotency_key, {began},
  CASE WHEN $finished = 1 THEN $ended_text END, $duration_us, $host, $pid, $app_version,
  $location, $error, $reason, {metadata})
RETURNING seq",
    began: "$started_text",
    began_in_text: "",
    fencing_within: FENCING,
    fencing_between: FENCING,
    limit_idle: None,
    fencing_alone: FENCING,
    write_lock: None,
    unless_ended: "",
    witness_metadata: None,
    settle: &[
        "SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane",
        "SELECT state FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt ORDER BY seq",
    ],
    states: "SELECT state FROM {audit} WHERE service = $service AND change_id = $change_id
  AND run_id = $run_id AND attempt = $attempt ORDER BY seq",
    older: None,
    holds: "SELECT 1 FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id",
    connection_of: None,
    witnesses: None,
    marked_sessions: None,
    before_witness: None,
    behind_witness: None,
    lease_witness: Some(LeaseWitness {
        set: "UPDATE {lease} SET activity = 'fl_%tag%' WHERE service = $service AND lane = $lane",
        read: "SELECT 1 FROM {lease} WHERE service = $service AND lane = $lane
  AND activity = 'fl_%tag%'",
    }),
    note_time: None,
    elapsed_in_text: "",
    limit_behind_text: None,
    clock: Some("CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"),
    begin: "BEGIN IMMEDIATE",
    begin_reversible: None,
    savepoint: "SAVEPOINT fl_%tag%",
    release_savepoint: "RELEASE SAVEPOINT fl_%tag%",
    rollback_to_savepoint: "ROLLBACK TO SAVEPOINT fl_%tag%",
    marker_schema: "SELECT 'main'",
    marker_insert: "INSERT INTO {marker} (service, change_id, started_seq, run_id, kind, marked_at)
VALUES ($service, $change_id, $started_seq, $run_id, $kind, $now_text)",
    marker_promote: "UPDATE {marker} SET kind = 'applied' WHERE service = $service
  AND change_id = $change_id AND started_seq = $started_seq AND run_id = $run_id AND kind = 'started'",
    marker_tombstone: "INSERT INTO {marker} (service, change_id, started_seq, run_id, kind, marked_at)
VALUES ($service, $change_id, $started_seq, $run_id, 'tombstone', $now_text)",
    marker_read: "SELECT kind, run_id FROM {marker} WHERE service = $service AND change_id = $change_id
  AND started_seq = $started_seq",
    marker_delete: "DELETE FROM {marker} WHERE service = $service AND change_id = $change_id
  AND started_seq = $started_seq AND kind <> 'tombstone'",
    progress: ProgressSql {
        create: PROGRESS,
        insert: ("INSERT OR IGNORE", ""),
        now: "$now_text",
        none: "''",
        text: "%column%",
        time: "%column%",
        behind_begin: None,
        in_transaction: "",
        session: &[],
    },
};

const FENCING: &str = "(SELECT fencing_token FROM {lock} WHERE service = $service AND lane = $lane
  AND fencing_token = $fencing_token AND run_id = $run_id)";
