//! The world of the model: a store with one lock and one change, runs, and the messages between
//! them.
//!
//! Time is relative and counted in ticks, so that the model has no last moment: times before the
//! last lease are not distinguished. Between two ticks any events may happen in any order, and a
//! message may be in transit for any number of ticks.
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

/// The duration of a lease, in ticks.
pub(super) const LEASE: u8 = 2;

/// The transaction mode of the one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Non-transactional, and an operator resolves an interrupted attempt.
    Manual,
    /// Non-transactional, and the verify function resolves it.
    Verified,
    /// In one transaction with its entry.
    Shared,
    /// In a transaction that the server commits midway (DDL on MariaDB).
    Midway,
}

/// The state of an entry.
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
    /// Ticks until the lease expires.
    pub(super) left: u8,
    /// Whether the previous owner may have left an active session.
    pub(super) may_be_open: bool,
    /// Whether the last acquisition was by the current owner itself.
    pub(super) was_its_own: bool,
    pub(super) log: Vec<Entry>,
}

impl Store {
    pub(super) fn latest(&self) -> Option<Said> {
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

/// The phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    Out,
    /// An operator has read the lock, and may force its release from the owner with this token.
    Looked(u8),
    Asking,
    Reading,
    Starting,
    Working,
    Recording,
    /// Whether the start is recorded is unknown: nothing ran.
    Undoing,
    Releasing,
    Ended(End),
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum End {
    /// It reports the change as applied.
    Applied,
    Issue,
    Lost,
    InDoubt,
    Failed,
    Killed,
}

/// A process that runs, or an operator who forces the release of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) phase: Phase,
    pub(super) is_operator: bool,
    /// Its result once the lock is released.
    pub(super) says: End,
    pub(super) token: u8,
    /// Ticks since its lease was last confirmed.
    pub(super) age: u8,
    pub(super) is_paused: bool,
    /// An operator declared it dead.
    pub(super) was_forced_out: bool,
    pub(super) renews: bool,
    /// Whether the server has an open session of its change.
    pub(super) has_session: bool,
    /// Whether it has begun the change's effect.
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
            is_paused: false,
            was_forced_out: false,
            renews: false,
            has_session: false,
            has_begun: false,
        }
    }

    pub(super) fn lives(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }

    /// Whether it has acquired the lock, and not released it.
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

/// A request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Asks {
    Acquire,
    /// From the owner with this token.
    Force(u8),
    Read,
    Start,
    /// The entry alone, or the commit of a transaction with it.
    Apply,
    /// A statement that commits the work of its session, whoever owns the lock.
    Ddl,
    RollBack,
    NoteForce,
    Renew,
    Release,
}

/// An answer of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Answer {
    Token(u8),
    No,
    Latest(u8),
    Done,
    Refused,
}

/// A message in transit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) run: u8,
    pub(super) asks: Asks,
    /// None for a request.
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

/// The faults that may still happen.
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
    /// Sorted, so that equal sets are equal states.
    pub(super) wire: Vec<Message>,
    /// How often the change's effect exists.
    pub(super) effects: u8,
    pub(super) disturbs: Disturbs,
    pub(super) was_restored: bool,
    pub(super) was_paused: bool,
    /// A rule that was broken on the way.
    pub(super) wrong: Option<&'static str>,
}

impl World {
    pub(super) fn tick(&mut self) {
        self.store.left = self.store.left.saturating_sub(1);
        for run in &mut self.runs {
            if run.holds() {
                run.age = (run.age + 1).min(LEASE);
            }
        }
        for message in &mut self.wire {
            // It makes no difference for the others.
            if matches!(message.asks, Asks::Acquire | Asks::Force(_) | Asks::Renew) {
                message.age = (message.age + 1).min(LEASE);
            }
        }
    }

    pub(super) fn send(&mut self, run: u8, asks: Asks) {
        let token = match asks {
            // The earlier state, for a run that decides by it.
            Asks::Acquire => code(self.store.latest()),
            _ => self.runs[usize::from(run)].token,
        };
        self.wire.push(Message {
            run,
            asks,
            answer: None,
            token,
            age: 0,
        });
    }

    pub(super) fn is_asking(&self, run: u8, asks: Asks) -> bool {
        let is_it = |message: &Message| message.run == run && message.asks == asks;
        self.wire.iter().any(is_it)
    }

    pub(super) fn expects(&self, run: u8, asks: Asks) -> bool {
        let is_it = |one: &Message| one.run == run && one.asks == asks && one.answer.is_some();
        self.wire.iter().any(is_it)
    }

    /// Whether the first of two answers to a repeated request is still on its way.
    pub(super) fn expects_answer(&self, message: &Message) -> bool {
        self.expects(message.run, message.asks)
    }

    pub(super) fn write(&mut self, message: &Message, said: Said) {
        self.store.log.push(Entry {
            token: message.token,
            run: message.run,
            said,
        });
    }

    pub(super) fn release(&mut self, run: u8, says: End) {
        let ending = &mut self.runs[usize::from(run)];
        ending.phase = Phase::Releasing;
        ending.says = says;
        ending.renews = false;
        ending.age = 0;
        self.send(run, Asks::Release);
    }

    /// The answers are ignored from now on; the requests are still on their way.
    pub(super) fn end(&mut self, at: usize, end: End) {
        let run = &mut self.runs[at];
        *run = Run {
            phase: Phase::Ended(end),
            was_forced_out: run.was_forced_out,
            has_begun: run.has_begun,
            has_session: run.has_session,
            ..Run::new(run.is_operator)
        };
        self.wire
            .retain(|message| usize::from(message.run) != at || message.answer.is_none());
    }

    pub(super) fn restore(&mut self) {
        if let Some(backup) = self.backup.take() {
            self.store = backup;
            self.disturbs.restores -= 1;
            self.was_restored = true;
        }
    }
}

const SAID: [Said; 4] = [
    Said::Started,
    Said::Applied,
    Said::RolledBack,
    Said::LockReleased,
];

/// A state as a number, for a message.
pub(super) fn code(said: Option<Said>) -> u8 {
    let place = SAID.iter().position(|one| Some(*one) == said);
    place.map_or(0, |place| place as u8 + 1)
}

pub(super) fn said(code: u8) -> Option<Said> {
    SAID.get(usize::from(code).checked_sub(1)?).copied()
}
