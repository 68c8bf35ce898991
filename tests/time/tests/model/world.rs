//! What the model knows: a store with one lock and one change, runs, and the messages between them.
//!
//! Time is relative and counted in ticks, so that the model has no last moment: what lies further back
//! than a lease is not told apart. Between two ticks anything may happen in any order, and a message
//! may be on its way for any number of ticks.
//!
//! ```text
//! Out -> Asking -> Reading -> Starting -> Working -> Recording -> Releasing -> Ended
//!                     |           |          |           |
//!                     |           |          |           +-> in doubt: Ended, the lock is kept
//!                     |           |          +-> its lease is over: Ended
//!                     |           +-> Undoing (the start may be on record): Releasing
//!                     +-> nothing to do, or an issue: Releasing
//! ```

use std::fmt;

/// How long a lease lasts, in ticks.
pub(super) const LEASE: u8 = 2;

/// How the one change runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Without transaction, and an operator decides on an interrupted attempt.
    Manual,
    /// Without transaction, and the verify function decides.
    Verified,
    /// In one transaction with its entry.
    Shared,
    /// In a transaction that the server commits midway (DDL on MariaDB).
    Midway,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Said {
    Started,
    Applied,
    RolledBack,
    LockReleased,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) token: u8,
    pub(super) run: u8,
    pub(super) said: Said,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Store {
    pub(super) token: u8,
    pub(super) owner: Option<u8>,
    /// Ticks until the lease is over.
    pub(super) left: u8,
    /// Whether the owner before may have left a session behind that is still at work.
    pub(super) may_be_open: bool,
    /// Whether it was its own owner who took the lock last.
    pub(super) was_its_own: bool,
    pub(super) log: Vec<Entry>,
}

impl Store {
    pub(super) fn newest(&self) -> Option<Said> {
        let of_change = |entry: &&Entry| entry.said != Said::LockReleased;
        self.log
            .iter()
            .rev()
            .find(of_change)
            .map(|entry| entry.said)
    }

    pub(super) fn has(&self, said: Said, run: u8) -> bool {
        self.log
            .iter()
            .any(|entry| entry.said == said && entry.run == run)
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    Out,
    /// An operator has looked, and may take the lock from the owner with this token.
    Looked(u8),
    Asking,
    Reading,
    Starting,
    Working,
    Recording,
    /// It is not known whether the start is on record: nothing ran.
    Undoing,
    Releasing,
    Ended(End),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum End {
    /// It says that the change is applied.
    Applied,
    Issue,
    Lost,
    InDoubt,
    Failed,
    Killed,
}

/// A process that runs, or an operator who takes the lock by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) phase: Phase,
    pub(super) is_operator: bool,
    /// What it says once the lock is given back.
    pub(super) says: End,
    pub(super) token: u8,
    /// Ticks since its lease was last known to be its own.
    pub(super) age: u8,
    pub(super) stands_still: bool,
    /// An operator said that it was dead.
    pub(super) was_forced_out: bool,
    pub(super) renews: bool,
    /// Whether the server has a session of its change that nobody has ended.
    pub(super) has_session: bool,
    /// Whether the change's effect was begun by it.
    pub(super) has_begun: bool,
}

impl Run {
    pub(super) fn new(is_operator: bool) -> Run {
        Run {
            phase: Phase::Out,
            is_operator,
            says: End::Failed,
            token: 0,
            age: 0,
            stands_still: false,
            was_forced_out: false,
            renews: false,
            has_session: false,
            has_begun: false,
        }
    }

    pub(super) fn lives(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }

    /// Whether it has been given the lock, and not given it back.
    pub(super) fn holds(&self) -> bool {
        use Phase::{Reading, Recording, Starting, Undoing, Working};
        matches!(
            self.phase,
            Reading | Starting | Working | Recording | Undoing
        )
    }

    pub(super) fn believes(&self) -> bool {
        self.age < LEASE
    }
}

/// What is asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Asks {
    Acquire,
    /// From the owner with this token.
    Force(u8),
    Read,
    Start,
    /// The entry alone, or the commit of a transaction with it.
    Apply,
    /// A statement that commits what its session has done, whoever has the lock.
    Ddl,
    RollBack,
    NoteForce,
    Renew,
    Release,
}

/// What the store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Answer {
    Token(u8),
    No,
    Newest(u8),
    Done,
    Refused,
}

/// On its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) run: u8,
    pub(super) asks: Asks,
    /// None: it is a request.
    pub(super) answer: Option<Answer>,
    pub(super) token: u8,
    /// Ticks since the request was sent, as far as that matters.
    pub(super) age: u8,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} {:?}", self.run, self.asks)?;
        match self.answer {
            Some(answer) => write!(f, " -> {answer:?} ({} old)", self.age),
            None => Ok(()),
        }
    }
}

/// What disturbs may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Disturbs {
    pub(super) losses: u8,
    pub(super) repeats: u8,
    pub(super) kills: u8,
    pub(super) pauses: u8,
    pub(super) restores: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) store: Store,
    pub(super) backup: Option<Store>,
    pub(super) runs: Vec<Run>,
    /// In order, so that the same ones make the same state.
    pub(super) wire: Vec<Message>,
    /// How often the change's effect is there.
    pub(super) effects: u8,
    pub(super) disturbs: Disturbs,
    pub(super) was_restored: bool,
    pub(super) has_stood_still: bool,
    /// A rule that was broken on the way.
    pub(super) wrong: Option<&'static str>,
}
