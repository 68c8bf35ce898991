//! What differs between databases, as text.

use crate::template::Values;

/// How far the database keeps a change and its audit row together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A transaction ends only when it is told to, or with the change found out (PostgreSQL,
    /// SQLite).
    Whole,
    /// DDL commits a transaction, a deadlock rolls it back (MySQL, MariaDB): a witness row and a
    /// savepoint tell.
    Witnessed,
}

/// A mark on the lease's row, for the database with one writer, where nobody waits for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseWitness {
    pub(crate) set: &'static str,
    pub(crate) read: &'static str,
}

/// A column that tables of an older format lack, and the statement that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgrade {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) statement: &'static str,
}

/// A limit of idleness that is set, and that gives way to the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleLimit {
    pub(crate) set: &'static str,
    pub(crate) lift: &'static str,
}

/// A setting of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its name at the database, and what is wrong with it.
    pub(crate) what: &'static str,
    /// What to do: `{audit}` and the like are filled in.
    pub(crate) remedy: &'static str,
    /// It does no harm where the session is the only one.
    pub(crate) keeps_others_out: bool,
}

/// The texts of one database. `{table}` and `$value` are filled in; every text of several
/// statements that must be sent one by one is a slice.
#[derive(Debug)]
pub struct Dialect {
    /// The product.
    pub name: &'static str,
    /// What its transactions are worth.
    pub isolation: Isolation,
    /// Whether there is one writer at a time: then a row renews the lease in its transaction, since
    /// a heartbeat cannot do it during a change.
    pub has_one_writer: bool,
    /// The quote of names.
    pub(crate) quote: char,
    pub(crate) values: Values,
    /// Creates the schema, where one is named and the database can tell whether it is there.
    pub(crate) create_schema: Option<&'static str>,
    /// Creates what is missing, under the lock.
    pub(crate) create: &'static [&'static str],
    /// What brings tables of an older format to this one, in this order.
    pub(crate) upgrades: &'static [Upgrade],
    /// Lists the columns of our tables: the table and the column.
    pub(crate) columns: &'static str,
    /// Reads the format of the tables.
    pub(crate) format_version: &'static str,
    /// What must be held while a table is made, where the database is not safe by itself.
    pub(crate) create_lock: Option<&'static str>,
    /// Answers `f` while somebody holds that, where that can be told.
    pub(crate) create_lock_is_free: Option<&'static str>,
    /// Where the tables are if nothing else was said, where the session cannot change that.
    pub(crate) home: Option<&'static str>,
    /// Lists what could be our tables, wherever they are: the schema, the name, the schema in which they
    /// would be created, and whether the user may use that schema.
    pub(crate) places: &'static str,
    /// Settings of a session under which entries are not written as they should be.
    pub(crate) settings: &'static [Setting],
    /// Answers one row with a column for each of these: 1 where it is so. The first text that the
    /// database understands counts.
    pub(crate) inspect: &'static [&'static str],
    /// Creates the marker table.
    pub(crate) create_marker: &'static str,
    /// Adds the lock and lease rows of a service that has none.
    pub(crate) seed: &'static [&'static str],
    /// Reads the lock row and, unless the stored digest is the one asked for, the newest entries.
    pub(crate) snapshot: &'static str,
    /// The text of its own, `$newest`, that reads the newest entries, where there is one: it answers
    /// JSON, the schema and then a list of what the other databases answer as rows.
    pub(crate) newest: Option<&'static str>,
    /// What runs it within `snapshot`; empty where there is none.
    pub(crate) run_newest: &'static str,
    /// Reads the place of the newest entry of anybody, how many were applied since, and the lock row as
    /// in the snapshot.
    pub(crate) glance: &'static str,
    pub(crate) history: &'static str,
    /// The services that have a lock or an entry, by name.
    pub(crate) services: &'static str,
    pub(crate) acquire: &'static [&'static str],
    /// Answers a row where the tables and the service's rows are there, or where another run has the
    /// lock: for whoever waits to write that.
    pub(crate) is_made: Option<&'static str>,
    pub(crate) is_held: Option<&'static str>,
    pub(crate) renew: &'static str,
    /// Also forgets the run, so that a renewal that comes late finds nothing.
    pub(crate) release: &'static [&'static str],
    pub(crate) append: &'static str,
    /// When the attempt of a row began; and that of a row inside a text that the server measures.
    pub(crate) began: &'static str,
    pub(crate) began_in_text: &'static str,
    /// The fencing check of a row inside the change's transaction.
    pub(crate) fencing_within: &'static str,
    /// The same for a row that is not the last one before the commit, where that can do without a lock
    /// that is held until then.
    pub(crate) fencing_between: &'static str,
    /// Limits how long the transaction may be idle once its row or its marker is written: a paused
    /// process would hold the lock row, and so everybody, for as long as it sleeps.
    pub(crate) limit_idle: Option<&'static str>,
    /// The fencing check of a row of its own. `{unless_ended}` stands where `unless_ended` does.
    pub(crate) fencing_alone: &'static str,
    /// Writes the lock row, so that what another node of a cluster writes to it conflicts; none where
    /// there is one node that writes. Changes a value each time, or nothing would be written.
    pub(crate) write_lock: Option<&'static str>,
    /// What refuses a row that comes when its attempt has ended: one whose sender has lost the
    /// connection, and has written it again. Empty where nothing comes late.
    pub(crate) unless_ended: &'static str,
    /// What stands in a witness row's metadata.
    pub(crate) witness_metadata: Option<&'static str>,
    /// Opens a transaction that waits for whoever still holds the lock row, and reads the states
    /// of one attempt.
    pub(crate) settle: &'static [&'static str],
    /// Reads the states of one attempt that are visible.
    pub(crate) states: &'static str,
    /// Which of the catalogue's `$ids` had been written before the first of so many `$attempts` at a change
    /// began: all of them where there was no such attempt. None: the catalogue doesn't tell.
    pub(crate) older: Option<&'static str>,
    /// Returns a row if the grant is the latest one.
    pub(crate) holds: &'static str,
    /// Reads the metadata of a witness that is not committed.
    pub(crate) connection_of: Option<&'static [&'static str]>,
    /// Reads the newest witnesses, `{whose}`, with the ids of their connections: those that the reader's
    /// isolation level shows.
    pub(crate) witnesses: Option<&'static str>,
    /// Fails unless the grant is the latest one; stands before the transaction, so that it
    /// holds no lock.
    pub(crate) before_witness: Option<&'static str>,
    /// What hides from the change that a row was inserted before it.
    pub(crate) behind_witness: Option<&'static str>,
    /// What tells whether a transaction was committed or undone that has ended before its time.
    pub(crate) lease_witness: Option<LeaseWitness>,
    /// Notes when a text begins, or a part of it, where the database does not know by itself.
    pub(crate) note_time: Option<&'static str>,
    /// How many microseconds that was ago: what one text does is measured by the server.
    pub(crate) elapsed_in_text: &'static str,
    /// Limits how long a transaction is idle behind a text of changes whose rows follow, and lifts that.
    pub(crate) limit_behind_text: Option<IdleLimit>,
    /// The time in microseconds, for a text of several changes whose rows are appended behind it; none
    /// where each row must stand behind its change, since the database may commit midway.
    pub(crate) clock: Option<&'static str>,
    /// Opens the transaction of a change.
    pub(crate) begin: &'static str,
    /// Sets the savepoint of a change; empty where none is needed.
    pub(crate) savepoint: &'static str,
    /// Releases it.
    pub(crate) release_savepoint: &'static str,
    /// Undoes everything since.
    pub(crate) rollback_to_savepoint: &'static str,
    /// Asks for the schema of the marker table.
    pub(crate) marker_schema: &'static str,
    pub(crate) marker_insert: &'static str,
    pub(crate) marker_promote: &'static str,
    pub(crate) marker_tombstone: &'static str,
    pub(crate) marker_read: &'static str,
    pub(crate) marker_delete: &'static str,
}

impl Dialect {
    /// Whether a marker is inserted when the transaction begins, and turned when it ends.
    pub(crate) fn has_marker_witness(&self) -> bool {
        self.isolation == Isolation::Witnessed || self.lease_witness.is_some()
    }
}
