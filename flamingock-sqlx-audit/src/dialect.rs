//! The SQL in which databases differ.

use crate::template::Values;

/// How reliably the database keeps a change and its audit row together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A transaction ends only on request, and it can be detected if the change ends it
    /// (PostgreSQL, SQLite).
    Whole,
    /// DDL commits a transaction, and a deadlock rolls it back (MySQL, MariaDB). A witness row and
    /// a savepoint detect both.
    Witnessed,
}

/// A mark on the row of the lease, for the database with a single writer, where it blocks no other
/// session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseWitness {
    pub(crate) set: &'static str,
    pub(crate) read: &'static str,
}

/// A column that tables of an older format lack, and the statement that adds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgrade {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) statement: &'static str,
}

/// What differs in the statements on the progress of changes that work in batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgressSql {
    /// Creates the table, in a database other than the audit's.
    pub(crate) create: &'static str,
    /// The beginning and the end of an `INSERT` that does nothing if the row exists.
    pub(crate) insert: (&'static str, &'static str),
    /// The time.
    pub(crate) now: &'static str,
    /// The empty text, whatever the session's character set is.
    pub(crate) none: &'static str,
    /// A column of text, `%column%`, whatever the session's character set is.
    pub(crate) text: &'static str,
    /// A column of time as RFC 3339.
    pub(crate) time: &'static str,
    /// Fails behind the begin of a batch unless it has written the row, `%batch%`.
    pub(crate) behind_begin: Option<&'static str>,
    /// More conditions for the end of a batch in a transaction.
    pub(crate) in_transaction: &'static str,
    /// Reads the id of the session whose open batch has written the row; the statements are sent
    /// one by one. Empty if a transaction ends with its process.
    pub(crate) session: &'static [&'static str],
}

/// A limit on the idle time, and the statement that restores the previous one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleLimit {
    pub(crate) set: &'static str,
    pub(crate) lift: &'static str,
}

/// A setting of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its name in the database, and the problem with it.
    pub(crate) what: &'static str,
    /// What to do about it; `{audit}` and the like are filled in.
    pub(crate) remedy: &'static str,
    /// Whether it is harmless if the session is the only one.
    pub(crate) keeps_others_out: bool,
}

/// The SQL of one database, with `{table}` and `$value` to fill in. Statements that must be sent
/// one by one are a slice.
#[derive(Debug)]
pub struct Dialect {
    /// The name of the product.
    pub name: &'static str,
    /// How reliable its transactions are.
    pub isolation: Isolation,
    /// Whether there is a single writer at a time. A row then renews the lease in its own
    /// transaction, because a renewal from another connection would have to wait for the change.
    pub has_one_writer: bool,
    /// The character that quotes names.
    pub(crate) quote: char,
    pub(crate) values: Values,
    /// The character that quotes the name of a user; `None` for a database without users.
    pub(crate) user_quote: Option<char>,
    /// Whether using a schema takes a right.
    pub(crate) has_schema_rights: bool,
    /// The rights that running changes takes, beyond writing entries.
    pub(crate) rights_of_changes: &'static [(&'static str, &'static [&'static str])],
    /// Creates the schema, if one is named and the database can report whether it exists.
    pub(crate) create_schema: Option<&'static str>,
    /// Creates the missing tables, under the lock.
    pub(crate) create: &'static [&'static str],
    /// Upgrades tables of an older format to this one, in this order.
    pub(crate) upgrades: &'static [Upgrade],
    /// Lists the columns of the tables: the table and the column.
    pub(crate) columns: &'static str,
    /// Reads the format of the tables.
    pub(crate) format_version: &'static str,
    /// The lock to hold while a table is created, if the database does not ensure that by itself.
    pub(crate) create_lock: Option<&'static str>,
    /// Returns `f` while another session holds that lock, if that can be determined.
    pub(crate) create_lock_is_free: Option<&'static str>,
    /// The schema of the tables by default, if the session cannot change it.
    pub(crate) home: Option<&'static str>,
    /// Lists candidates for the tables in all schemas: the schema, the name, the schema in which
    /// they would be created, and whether the user may use the schema.
    pub(crate) places: &'static str,
    /// Settings of a session with which entries would not be written correctly.
    pub(crate) settings: &'static [Setting],
    /// Returns one row with a column for each of the settings: 1 if the problem exists. The first
    /// statement that the database accepts is used.
    pub(crate) inspect: &'static [&'static str],
    /// Creates the marker table.
    pub(crate) create_marker: &'static str,
    /// Adds the rows of the lock and the lease for a service that has none.
    pub(crate) seed: &'static [&'static str],
    /// Reads only the row of the lock, if that is faster than the snapshot when the stored digest
    /// matches. Behind its digest, the columns are the session's timeout of locks and the format of
    /// the tables.
    pub(crate) unchanged: Option<&'static str>,
    /// Reads the row of the lock and the latest entries. Without `unchanged`, it reads no entries if
    /// the stored digest matches.
    pub(crate) snapshot: &'static str,
    /// Reads the position of the latest entry of all services, how many changes were applied since,
    /// and the row of the lock as in the snapshot.
    pub(crate) lock_progress: &'static str,
    pub(crate) history: &'static str,
    /// Adds the row of the lock of another lane, whose fencing tokens continue those of the service.
    pub(crate) seed_lane: &'static str,
    /// Lists the lanes of a service that have a lock, without `$lane`.
    pub(crate) lanes: &'static str,
    /// Lists the services that have a lock or an entry, by name.
    pub(crate) services: &'static str,
    pub(crate) acquire: &'static [&'static str],
    /// Returns a row if the tables and the rows of the service exist, or if another run has the
    /// lock, for a process that waits to write either of them.
    pub(crate) is_made: Option<&'static str>,
    pub(crate) is_held: Option<&'static str>,
    pub(crate) renew: &'static str,
    /// Also clears the run, so that a late renewal finds nothing.
    pub(crate) release: &'static [&'static str],
    pub(crate) append: &'static str,
    /// The start time of a row's attempt; and that of a row inside a message that the server
    /// measures.
    pub(crate) began: &'static str,
    pub(crate) began_in_text: &'static str,
    /// The fencing check of a row inside the transaction of the change.
    pub(crate) fencing_within: &'static str,
    /// The fencing check of a row that is not the last one before the commit, if it does not need a
    /// lock that is held until then.
    pub(crate) fencing_between: &'static str,
    /// Limits how long the transaction may be idle after its row or its marker is written.
    /// Otherwise a paused process would keep the row of the lock locked, and block all others,
    /// until it continues.
    pub(crate) limit_idle: Option<&'static str>,
    /// The fencing check of a row in its own transaction. `{unless_ended}` is replaced by
    /// `unless_ended`.
    pub(crate) fencing_alone: &'static str,
    /// Writes the row of the lock, so that a write of another node of a cluster conflicts with it;
    /// `None` if only one node writes. Changes a value each time, because otherwise nothing would
    /// be written.
    pub(crate) write_lock: Option<&'static str>,
    /// Refuses a row that arrives after its attempt has ended, because its sender lost the
    /// connection and wrote the row again. Empty if no row can arrive late.
    pub(crate) unless_ended: &'static str,
    /// The metadata of a witness row.
    pub(crate) witness_metadata: Option<&'static str>,
    /// Begins a transaction that waits until the row of the lock is unlocked, and reads the states
    /// of one attempt.
    pub(crate) settle: &'static [&'static str],
    /// Reads the visible states of one attempt.
    pub(crate) states: &'static str,
    /// Returns the `$ids` of the catalog that were written before the first of the `$attempts` at a
    /// change began: all of them if there was no attempt. `None` if the catalog does not show it.
    pub(crate) older: Option<&'static str>,
    /// Returns a row if the grant is the latest one.
    pub(crate) holds: &'static str,
    /// Reads the metadata of an uncommitted witness.
    pub(crate) connection_of: Option<&'static [&'static str]>,
    /// Reads the latest witnesses, `{whose}`, with the ids of their connections, as far as the
    /// isolation level of the reader shows them.
    pub(crate) witnesses: Option<&'static str>,
    /// Reads the ids of the sessions that carry the mark of another owner, `$mark` and its run id.
    pub(crate) marked_sessions: Option<&'static str>,
    /// Fails unless the grant is the latest one. Runs before the transaction, so that it holds no
    /// lock.
    pub(crate) before_witness: Option<&'static str>,
    /// Hides from the change that a row was inserted before it.
    pub(crate) behind_witness: Option<&'static str>,
    /// Determines whether a transaction that has ended early was committed or rolled back.
    pub(crate) lease_witness: Option<LeaseWitness>,
    /// Records when a message, or a part of it, begins, if the database does not do so by itself.
    pub(crate) note_time: Option<&'static str>,
    /// Returns how many microseconds ago that was: the server measures the duration inside a
    /// message.
    pub(crate) elapsed_in_text: &'static str,
    /// Limits how long a transaction is idle after a message with changes whose rows follow, and
    /// removes that limit.
    pub(crate) limit_behind_text: Option<IdleLimit>,
    /// Returns the time in microseconds, for a message with several changes whose rows are appended
    /// after it; `None` if each row must follow its change, because the database may commit midway.
    pub(crate) clock: Option<&'static str>,
    /// Begins the transaction of a change.
    pub(crate) begin: &'static str,
    /// Begins the transaction of a script that cannot commit midway, sets its savepoint, and notes
    /// the time, in as few statements as possible. `None` if [`begin`](Self::begin) already does.
    pub(crate) begin_reversible: Option<&'static str>,
    /// Sets the savepoint of a change; empty if none is needed.
    pub(crate) savepoint: &'static str,
    /// Releases the savepoint.
    pub(crate) release_savepoint: &'static str,
    /// Rolls back to the savepoint.
    pub(crate) rollback_to_savepoint: &'static str,
    /// Returns the schema of the marker table.
    pub(crate) marker_schema: &'static str,
    pub(crate) marker_insert: &'static str,
    pub(crate) marker_promote: &'static str,
    pub(crate) marker_tombstone: &'static str,
    pub(crate) marker_read: &'static str,
    pub(crate) marker_delete: &'static str,
    pub(crate) progress: ProgressSql,
}

impl Dialect {
    /// Reports whether a marker is inserted when the transaction begins, and updated when it ends.
    pub(crate) fn has_marker_witness(&self) -> bool {
        self.isolation == Isolation::Witnessed || self.lease_witness.is_some()
    }
}
