//! Running one change: its transaction mode, its rollback, its entries.

mod applying;
mod one;
mod rolling_back;
mod settling;
mod stepping;
mod taking_back;
mod together;
mod turns;
mod undoing;

use std::sync::Arc;
use std::time::Instant;

use crate::argument::Values;
use crate::attempt::Attempt;
use crate::audit::{ErrorChain, Facts, NewEntry, Origin, Store, StoreError, TransactionMode};
use crate::call::Signals;
use crate::change::Body;
use crate::decision::Cause;
use crate::listener::Events;
use crate::lock::{Lease, LockOptions};
use crate::plan::{Note, Step};
use crate::preflight::Targets;
use crate::recording::{Insisting, Unwritten, append};
use crate::report::{Outcome, StepReport};
use crate::secrets::SecretResolver;

use self::one::One;
pub(crate) use self::turns::Turns;

const NO_CONNECTION: &str = "the function did not run: there was no connection for it";
const NO_DATABASE: &str = "its target system has no database";
const NOT_RUN: &str = "the change did not run: its transaction could not begin";

/// What the changes of a run have in common.
#[derive(Debug)]
pub(crate) struct Executor<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) lease: &'a Lease,
    pub(crate) lock: LockOptions,
    pub(crate) signals: &'a Signals,
    pub(crate) targets: &'a Targets,
    pub(crate) values: &'a Values,
    pub(crate) facts: &'a Arc<Facts>,
    pub(crate) turns: &'a Turns,
    pub(crate) secrets: &'a Arc<dyn SecretResolver>,
    pub(crate) events: &'a Events,
}

/// What became of a change.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ErrorChain>,
    pub(crate) issue: Option<Cause>,
    pub(crate) notes: Vec<Note>,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) fate: Fate,
    /// Whether its function was dropped because the run was asked to stop.
    pub(crate) stopped: bool,
}

/// What it means for the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on, or with the stages that do not depend on this one.
    GoesOn,
    /// The lock is, or may be, another's: nothing more is started or written.
    Lost(String),
    /// What the audit should say could not be found out, or not be written.
    Unknown,
}

impl Executed {
    fn new(outcome: Outcome) -> Executed {
        Executed {
            outcome,
            error: None,
            issue: None,
            notes: Vec::new(),
            steps: Vec::new(),
            fate: Fate::GoesOn,
            stopped: false,
        }
    }

    pub(crate) fn failed(outcome: Outcome, error: ErrorChain) -> Executed {
        Executed {
            error: Some(error),
            ..Executed::new(outcome)
        }
    }

    fn lost(reason: String) -> Executed {
        let error = ErrorChain::text(&format!("the lease was lost: {reason}"));
        Executed {
            fate: Fate::Lost(reason),
            ..Executed::failed(Outcome::Failed, error)
        }
    }

    fn unknown(error: ErrorChain) -> Executed {
        Executed {
            fate: Fate::Unknown,
            ..Executed::failed(Outcome::Failed, error)
        }
    }

    fn with(mut self, note: Note) -> Executed {
        self.notes.push(note);
        self
    }
}

impl Executor<'_> {
    /// Does what the plan says.
    pub(crate) async fn execute(&self, step: &Step) -> Executed {
        let one = match self.one(step, step.attempt).await {
            Ok(one) => one,
            Err(not_started) => return *not_started,
        };
        let executed = match one.settled(step).await {
            Some(executed) => executed,
            None => one.apply(self.attempt(step, Origin::Run)).await,
        };
        one.with_steps(executed)
    }

    fn attempt(&self, step: &Step, origin: Origin) -> Attempt<'_> {
        let target = self.targets.get(step.definition.target);
        let facts = target.and_then(|target| target.facts.as_ref());
        Attempt {
            definition: step.definition,
            number: step.attempt,
            origin,
            possession: self.lease.possession(),
            facts: facts.unwrap_or(self.facts),
            began: Instant::now(),
            took: None,
            digest: step.definition.digest.to_owned(),
            before: step.applied_before().map(str::to_owned),
            undoes: None,
        }
    }

    /// Answers the place of the first entry.
    async fn append(&self, entries: &[NewEntry]) -> Result<i64, Unwritten> {
        let _turn = self.turns.of_entry().await;
        append(self.store, self.lease.possession(), entries, self.signals).await
    }

    /// Writes what has happened already.
    async fn append_insisting(&self, entries: &[NewEntry]) -> Result<(), Unwritten> {
        self.append_for_place(entries).await.map(drop)
    }

    /// The same, and returns the place of the first entry.
    async fn append_for_place(&self, entries: &[NewEntry]) -> Result<i64, Unwritten> {
        let _turn = self.turns.of_entry().await;
        let insisting = Insisting {
            store: self.store,
            possession: self.lease.possession(),
            wait: self.lock.wait,
            signals: self.signals,
        };
        insisting.append(entries).await
    }
}

/// Whether the code names another target system now than the attempt that it is about.
fn moved(step: &Step) -> bool {
    step.newest
        .as_ref()
        .is_some_and(|newest| newest.target != step.definition.target)
}

/// A change that is applied; the mode is `none` where the database has committed midway.
fn applied(mode: &TransactionMode) -> Executed {
    let executed = Executed::new(Outcome::NewlyApplied);
    match mode {
        TransactionMode::None => executed.with(Note::CommittedMidway),
        _ => executed,
    }
}

fn blocked(step: &Step, cause: Cause) -> Executed {
    let error = step.newest.as_ref().and_then(|newest| newest.error.clone());
    Executed {
        error,
        issue: Some(cause),
        ..Executed::new(Outcome::Blocked)
    }
}

fn takes_connection(body: &Body<()>) -> bool {
    body.needs.iter().any(crate::argument::Need::is_connection)
}

fn issue(cause: Cause, error: ErrorChain) -> Executed {
    Executed {
        issue: Some(cause),
        ..Executed::failed(Outcome::Failed, error)
    }
}

fn no_database() -> Executed {
    Executed::failed(Outcome::Failed, ErrorChain::text(NO_DATABASE))
}

fn introduced(introduction: &str, cause: &ErrorChain) -> ErrorChain {
    ErrorChain::text(introduction).and_all(cause)
}

fn with_unrecorded(error: ErrorChain, unrecorded: Option<StoreError>) -> ErrorChain {
    match unrecorded {
        Some(unrecorded) => error
            .and("and that could not be recorded")
            .and_all(&ErrorChain::of(&unrecorded)),
        None => error,
    }
}
