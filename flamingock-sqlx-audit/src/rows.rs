//! Rows as plain data. Times are text in RFC 3339, in UTC, with microseconds.

use std::time::Duration;

/// One acquisition of a service's lock, identified by its fencing token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockGrant {
    /// The service.
    pub service: String,
    /// The lane of the service; `startup` for changes that run before an application serves
    /// requests.
    pub lane: String,
    /// The fencing token.
    pub fencing_token: i64,
    /// The random id of the run that acquired the lock. The fencing token alone is not unique,
    /// because a restored database generates the same number again.
    pub run_id: String,
}

/// The result of a successful acquisition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// The grant with which the owner writes.
    pub grant: LockGrant,
    /// The run that had the lock before and did not release it; the requesting run itself if it had
    /// the lock already.
    pub previous_run: Option<String>,
}

/// Who works on a change in batches.
#[derive(Clone, Copy, Debug)]
pub struct ProgressOwner<'a> {
    /// The grant of the run.
    pub grant: &'a LockGrant,
    /// The change's id.
    pub change_id: &'a str,
    /// The number of the attempt at this change, from 1.
    pub attempt: i64,
    /// The digest of the change's code.
    pub digest: &'a str,
    /// The application's version, if it is set.
    pub app_version: Option<&'a str>,
    /// Whether the lock is in this database, so that its row is checked too.
    pub holds_lock: bool,
}

/// What the end of a batch saves.
#[derive(Clone, Debug)]
pub struct BatchWrite<'a> {
    /// The number of batches before this one.
    pub number: i64,
    /// The cursor, as JSON.
    pub cursor: Option<&'a str>,
    /// The upper bound, as JSON; only that of the first batch that has one is kept.
    pub bound: Option<&'a str>,
    /// The number of rows that the batch did.
    pub done_rows: i64,
    /// The number of rows that there are to do; only that of the first batch that has one is kept.
    pub total_rows: Option<i64>,
    /// The size of the next batch.
    pub size: i64,
    /// `running`, or `finished` after the last batch; `rolling_back`, or `rolled_back`.
    pub state: &'a str,
    /// The rows that failed so far, as JSON; `None` without any.
    pub failed_items: Option<String>,
}

/// The progress of a change, after its last committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedProgress {
    /// The run that works on the change, or did last.
    pub run_id: String,
    /// The fencing token of that run.
    pub fencing_token: i64,
    /// The number of committed batches.
    pub batches: i64,
    /// The number of rows that they did.
    pub done_rows: i64,
    /// The cursor of the last one, as JSON.
    pub cursor: Option<String>,
    /// The upper bound, as JSON.
    pub bound: Option<String>,
    /// The size of the next batch.
    pub size: Option<i64>,
    /// `running`, or `finished` after the last batch; `rolling_back`, or `rolled_back`.
    pub state: String,
    /// The rows that failed, as JSON.
    pub failed_items: Option<String>,
    /// The version of the application that wrote it.
    pub app_version: Option<String>,
    /// The trace of a transaction that the database committed midway.
    pub tag: Option<String>,
    /// The number of rows that there are to do, as a batch estimated it.
    pub total_rows: Option<i64>,
}

/// What an operator asks the owner of a change in batches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRequest {
    /// `pause` or `cancel`.
    pub action: String,
    /// The operator, if it is known.
    pub operator: Option<String>,
    /// The reason.
    pub reason: Option<String>,
}

/// What operators have asked for, and how the batches of a change are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// `running`, `paused`, `cancelled`, `finished`, or `cleared` after a rollback.
    pub state: String,
    /// The request that the owner has not taken up yet.
    pub request: Option<ControlRequest>,
    /// The pause between two batches, in milliseconds.
    pub pause_ms: Option<i64>,
    /// Further settings, as text.
    pub throttle: Option<String>,
}

/// A change of the control of a change in batches.
#[derive(Clone, Copy, Debug)]
pub enum ControlChange<'a> {
    /// Asks the owner; `None` withdraws the request.
    Request(Option<&'a ControlRequest>),
    /// Sets the state, and removes the request for this action, if it is there.
    State {
        /// The state.
        state: &'a str,
        /// The action that led to it.
        acted: Option<&'a str>,
    },
    /// Sets how the batches are to be.
    Tune {
        /// The pause between two batches, in milliseconds.
        pause_ms: Option<i64>,
        /// Further settings, as text.
        throttle: Option<&'a str>,
    },
    /// Says why the owner waits.
    Wait(Option<&'a str>),
}

/// The progress of a change, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeProgress {
    /// The change's id.
    pub change_id: String,
    /// The run that works on the change, or did last.
    pub run_id: String,
    /// The number of its attempt at this change, from 1.
    pub attempt: i64,
    /// The number of committed batches.
    pub batches: i64,
    /// The number of rows that they did.
    pub done_rows: i64,
    /// The number of rows that there are to do, as a batch estimated it.
    pub total_rows: Option<i64>,
    /// The size of the next batch.
    pub size: Option<i64>,
    /// `running`, or `finished` after the last batch; or what an operator did.
    pub state: String,
    /// The rows that failed, as JSON.
    pub failed_items: Option<String>,
    /// When the change began (RFC 3339, UTC).
    pub started_at: String,
    /// When the last batch was committed, or a run began to work on the change.
    pub updated_at: String,
    /// The pause between two batches, in milliseconds.
    pub pause_ms: Option<i64>,
    /// Further settings of the batches, as text.
    pub throttle: Option<String>,
    /// Why the owner waits.
    pub waits_for: Option<String>,
    /// The request that the owner has not taken up yet.
    pub request: Option<ControlRequest>,
    /// When it was made (RFC 3339, UTC).
    pub requested_at: Option<String>,
}

/// A row to append.
#[derive(Clone, Debug, Default)]
pub struct NewAuditRow {
    /// The number of the attempt at this change, from 1.
    pub attempt: i64,
    /// The change's stage.
    pub stage: String,
    /// The change's id.
    pub change_id: String,
    /// The change's order.
    pub change_order: String,
    /// The change's author.
    pub author: String,
    /// The change's description.
    pub description: String,
    /// The change's target system.
    pub target: String,
    /// The state from this row on.
    pub state: String,
    /// How the attempt ran, which determines what it may have left behind.
    pub transaction_mode: String,
    /// The change's recovery setting.
    pub recovery: String,
    /// The source of the row: run, undo, operator, import, verify.
    pub origin: String,
    /// The operator, if there is one.
    pub operator: Option<String>,
    /// The digest of the change's code.
    pub digest: String,
    /// A random key. After a lost answer it shows whether the row was written.
    pub idempotency_key: String,
    /// How long the attempt took; `None` while it is running. The row's start time is that long
    /// ago.
    pub duration: Option<Duration>,
    /// How long ago the attempt ended, if the rows of several attempts are appended together.
    pub ended_ago: Duration,
    /// The name of the host.
    pub host: String,
    /// The id of the process.
    pub pid: i64,
    /// The application's version, if it is set.
    pub app_version: Option<String>,
    /// `file:line` of the change.
    pub location: String,
    /// The chain of causes as JSON.
    pub error: Option<String>,
    /// An operator's reason, or the step that the attempt reached.
    pub reason: Option<String>,
    /// The run's metadata as JSON.
    pub metadata: Option<String>,
}

/// A row of the audit.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// The position of the row in the order of appending.
    pub seq: i64,
    /// The service.
    pub service: String,
    /// The id of the run that appended it.
    pub run_id: String,
    /// The fencing token of the owner that appended it.
    pub fencing_token: i64,
    /// When the attempt began.
    pub started_at: String,
    /// When the attempt ended; `None` while it is running.
    pub finished_at: Option<String>,
    /// The other columns.
    pub row: NewAuditRow,
}

/// The latest row of a change.
#[derive(Clone, Debug)]
pub struct LatestRow {
    /// The change's id.
    pub change_id: String,
    /// The position of the row in the order of appending.
    pub seq: i64,
    /// The state from this row on.
    pub state: String,
    /// How the attempt ran.
    pub transaction_mode: String,
    /// The source of the row.
    pub origin: String,
    /// The digest of the code that ran.
    pub digest: String,
    /// The number of the attempt that the row belongs to.
    pub attempt: i64,
    /// The run that appended it.
    pub run_id: String,
    /// The change's stage at that time.
    pub stage: String,
    /// The change's order at that time.
    pub change_order: String,
    /// The change's target system at that time.
    pub target: String,
    /// When the attempt began.
    pub started_at: String,
    /// The chain of causes as JSON, if the attempt failed.
    pub error: Option<String>,
    /// The change's recovery setting at that time.
    pub recovery: String,
    /// An operator's reason, or the step that the attempt reached; `None` for an applied change.
    pub reason: Option<String>,
    /// The operator, if there was one.
    pub operator: Option<String>,
}

/// The row of the lock with its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockStatus {
    /// The fencing token of the current or last owner.
    pub fencing_token: i64,
    /// The id of the owner's run.
    pub run_id: String,
    /// A description of the owner for people.
    pub owner: String,
    /// The digest of the pipeline that was completely applied when the lock was last released.
    pub pipeline_digest: Option<String>,
    /// When the lock was acquired.
    pub acquired_at: String,
    /// When the lease ends; `None` if it ends with the process.
    pub expires_at: Option<String>,
    /// What the owner is working on.
    pub activity: Option<String>,
    /// Whether the lock has an owner whose lease has not ended.
    pub held: bool,
}

impl LockStatus {
    /// Reports whether the lock was released with this pipeline completely applied.
    pub(crate) fn ended_with(&self, digest: &str) -> bool {
        self.pipeline_digest.as_deref() == Some(digest)
    }
}

/// The state that a run reads first, in one statement.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The row of the lock; `None` for a service that is not known.
    pub lock: Option<LockStatus>,
    /// Whether the stored digest of the pipeline matches. In that case no rows are read.
    pub digest_matches: bool,
    /// The latest row of each change, unless the digest matches.
    pub latest: Vec<LatestRow>,
    /// Whether the database is in the memory of this process.
    pub in_memory: bool,
    /// Whether the service has another lane, unless the digest matches.
    pub has_lanes: bool,
    /// Why the rows differ from those in the tables, if they do: row security hides some, or the
    /// session alters texts.
    pub unreadable: Option<String>,
    /// The format of the tables; `None` if no service has a row yet.
    pub format: Option<i64>,
    /// Whether the session reads uncommitted rows.
    pub(crate) dirty: bool,
}

impl Snapshot {
    pub(crate) fn ended_with(&self, digest: &str) -> bool {
        self.lock
            .as_ref()
            .is_some_and(|lock| lock.ended_with(digest))
    }
}

/// The state that a waiter reads at each poll, in one statement.
#[derive(Clone, Debug)]
pub struct LockProgress {
    /// The lock row.
    pub lock: LockStatus,
    /// Whether the stored digest of the pipeline matches.
    pub digest_matches: bool,
    /// The position of the latest row of all services.
    pub latest: i64,
    /// The number of rows of this service after the requested position that record a change as
    /// applied.
    pub applied: i64,
}

/// Selects the rows of the audit to read.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this change.
    pub change_id: Option<String>,
    /// Only this state.
    pub state: Option<String>,
    /// Only this attempt.
    pub attempt: Option<i64>,
    /// Only this run.
    pub run_id: Option<String>,
    /// Only rows that began at or after this time (RFC 3339, UTC).
    pub since: Option<String>,
    /// Only the latest row of each change.
    pub latest_only: bool,
}

/// The part of a history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only rows after this position in the order of appending.
    pub after: i64,
    /// The maximum number of rows.
    pub limit: i64,
}

impl Page {
    /// The whole history.
    pub const ALL: Page = Page {
        // Its absolute value is also a number, because some databases parse it without the sign.
        after: -i64::MAX,
        limit: i64::MAX,
    };
}

/// The key of a marker: the attempt at a change that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The service.
    pub service: String,
    /// The change.
    pub change_id: String,
    /// The number of the attempt's STARTED row, or any unused number.
    pub started_seq: i64,
    /// The run of the attempt. Another run's marker with the same key does not belong to it.
    pub run_id: String,
}

/// The kind of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerKind {
    /// The transaction that inserted it was committed midway.
    Started,
    /// The transaction that inserted it was committed at its end.
    Applied,
    /// The attempt can no longer commit.
    Tombstone,
}

impl MarkerKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            MarkerKind::Started => "started",
            MarkerKind::Applied => "applied",
            MarkerKind::Tombstone => "tombstone",
        }
    }
}
