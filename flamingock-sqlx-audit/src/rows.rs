//! Rows as plain data. Times are texts in RFC 3339, in UTC, with microseconds.

use std::time::Duration;

/// One owner's hold on a service's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockGrant {
    /// The service.
    pub service: String,
    /// The lane of the service; `startup` for what runs before an application serves.
    pub lane: String,
    /// The fencing token.
    pub fencing_token: i64,
    /// The random id of the run that has it. The number alone is not unique: a restored database
    /// hands the same one out again.
    pub run_id: String,
}

/// The lock, as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// What its owner shows from now on.
    pub grant: LockGrant,
    /// The run that had the lock before and did not give it back; the run itself where it asked again.
    pub previous_run: Option<String>,
}

/// A row to append.
#[derive(Clone, Debug, Default)]
pub struct NewAuditRow {
    /// Counts the runs that started the change, from 1.
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
    /// What is so from now on.
    pub state: String,
    /// How the attempt ran: what it may have left behind.
    pub transaction_mode: String,
    /// What the code says about recovery.
    pub recovery: String,
    /// Who appends: run, undo, operator, import, verify.
    pub origin: String,
    /// The person who asked for it, if that is known.
    pub operator: Option<String>,
    /// The digest of the change's code.
    pub digest: String,
    /// Random. Tells whether a row whose answer was lost was written.
    pub idempotency_key: String,
    /// How long the attempt took; none while it is running. The row's start is that long ago.
    pub duration: Option<Duration>,
    /// How long ago it ended: where rows of several attempts are appended together.
    pub ended_ago: Duration,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: i64,
    /// The application's version, if it gave one.
    pub app_version: Option<String>,
    /// `file:line` of the change.
    pub location: String,
    /// The chain of causes as JSON.
    pub error: Option<String>,
    /// An operator's words.
    pub reason: Option<String>,
    /// The run's metadata as JSON.
    pub metadata: Option<String>,
}

/// A row as it was appended.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Its place in the order of appending.
    pub seq: i64,
    /// The service.
    pub service: String,
    /// The run.
    pub run_id: String,
    /// The fencing token of the owner that appended it.
    pub fencing_token: i64,
    /// When the attempt began.
    pub started_at: String,
    /// When it ended; none while it is running.
    pub finished_at: Option<String>,
    /// The rest.
    pub row: NewAuditRow,
}

/// The newest row of a change.
#[derive(Clone, Debug)]
pub struct NewestRow {
    /// The change's id.
    pub change_id: String,
    /// The row's place in the order of appending.
    pub seq: i64,
    /// What is so since.
    pub state: String,
    /// How the attempt ran.
    pub transaction_mode: String,
    /// Who appended the row.
    pub origin: String,
    /// The digest of the code that ran.
    pub digest: String,
    /// The attempt that the row belongs to.
    pub attempt: i64,
    /// The run that appended it.
    pub run_id: String,
    /// The change's stage then.
    pub stage: String,
    /// The change's order then.
    pub change_order: String,
    /// The change's target then.
    pub target: String,
    /// When the attempt began.
    pub started_at: String,
    /// The chain of causes as JSON, if the attempt failed.
    pub error: Option<String>,
    /// What the code said about recovery then.
    pub recovery: String,
    /// An operator's reason, or how far the attempt came; none for one that is applied.
    pub reason: Option<String>,
    /// The person who asked for it, if that is known.
    pub operator: Option<String>,
}

/// The lock row with its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRow {
    /// The fencing token of the latest owner.
    pub fencing_token: i64,
    /// The run that has or had it.
    pub run_id: String,
    /// Who that is, for people.
    pub owner: String,
    /// The digest of the pipeline that was complete when the lock was last given back.
    pub pipeline_digest: Option<String>,
    /// When it was obtained.
    pub acquired_at: String,
    /// When the lease ends; none where it ends with the process.
    pub expires_at: Option<String>,
    /// What the owner is doing.
    pub activity: Option<String>,
    /// Whether the lease is live.
    pub held: bool,
}

impl LockRow {
    /// Whether the lock was given back with this pipeline complete.
    pub(crate) fn ended_with(&self, digest: &str) -> bool {
        self.pipeline_digest.as_deref() == Some(digest)
    }
}

/// What one statement tells a start.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The lock row; none for a service that was never seen.
    pub lock: Option<LockRow>,
    /// Whether the stored pipeline digest is the one asked for: then nothing was read.
    pub digest_matches: bool,
    /// The newest row of each change, unless the digest matches.
    pub newest: Vec<NewestRow>,
    /// Whether the database lives in this process's memory.
    pub in_memory: bool,
    /// Why the rows are not what is in the tables, if they are not: row security hides some, or the
    /// session changes texts on their way.
    pub unreadable: Option<String>,
    /// The format of the tables; none where no service has a row yet.
    pub format: Option<i64>,
    /// Whether the session reads what is not committed.
    pub(crate) dirty: bool,
}

/// What one statement tells a waiter.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The lock row.
    pub lock: LockRow,
    /// Whether the stored pipeline digest is the one asked for.
    pub digest_matches: bool,
    /// The place of the newest row of all services.
    pub newest: i64,
    /// How many rows of this service behind the given place say that a change is applied.
    pub applied: i64,
}

/// Which rows of the audit to read.
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
    /// Only the newest row of each change.
    pub newest_only: bool,
}

/// How much of a history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only rows behind this place in the order of appending.
    pub after: i64,
    /// At most so many of them.
    pub limit: i64,
}

impl Page {
    /// All of it.
    pub const ALL: Page = Page {
        // Its absolute value is a number, too, which is how some databases read it.
        after: -i64::MAX,
        limit: i64::MAX,
    };
}

/// The key of a marker: which attempt at which change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The service.
    pub service: String,
    /// The change.
    pub change_id: String,
    /// The number of the attempt's STARTED row, or any unused number.
    pub started_seq: i64,
    /// The run of the attempt: another run's marker with the same key says nothing of this one.
    pub run_id: String,
}

/// What a marker says.
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
