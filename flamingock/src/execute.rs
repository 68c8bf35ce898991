//! Running one change: its transaction mode, its rollback, its entries.

use std::sync::Arc;
use std::time::Instant;

use crate::argument::{Session, Values};
use crate::attempt::{Attempt, Purpose};
use crate::audit::{
    ErrorChain, Facts, NewEntry, Origin, State, Store, StoreError, StoreErrorKind, TransactionMode,
};
use crate::call::{Ended, Invocation, Limits, Signals, chain};
use crate::change::{Body, BoxError, Definition};
use crate::context::Context;
use crate::database::{Books, Called, Resolved, Transacted};
use crate::decision::{Cause, Decision, WhenAbsent, interrupted};
use crate::lock::{Lease, LockOptions};
use crate::plan::{Note, Step, code};
use crate::preflight::Targets;
use crate::recording::{Insisting, Unwritten, append};
use crate::report::Outcome;
use crate::target::TargetSystem;

const NO_CONNECTION: &str = "the function did not run: there was no connection for it";
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
}

/// What became of a change.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ErrorChain>,
    pub(crate) issue: Option<Cause>,
    pub(crate) notes: Vec<Note>,
    pub(crate) fate: Fate,
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
            fate: Fate::GoesOn,
        }
    }

    fn failed(outcome: Outcome, error: ErrorChain) -> Executed {
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
        let Some(target) = self.targets.get(step.definition.target) else {
            return Executed::failed(Outcome::Failed, ErrorChain::text("its target is not known"));
        };
        let one = One {
            executor: self,
            definition: step.definition,
            target,
            number: step.attempt,
        };
        let asks = matches!(step.decision, Decision::Verify(_) | Decision::Resolve);
        if asks && moved(step) {
            return one.blocked(step, Cause::TargetChanged);
        }
        match &step.decision {
            Decision::Skip => Executed::new(Outcome::AlreadyApplied),
            Decision::Filtered => Executed::new(Outcome::Filtered),
            Decision::Issue(cause) => one.blocked(step, cause.clone()),
            Decision::Apply => one.apply(self.attempt(step, Origin::Run)).await,
            Decision::Verify(when_absent) => one.verify(step, *when_absent).await,
            Decision::Resolve => one.resolve(step).await,
        }
    }

    /// Takes an applied change back.
    pub(crate) async fn undo(&self, step: &Step) -> Executed {
        let Some(target) = self.targets.get(step.definition.target) else {
            return Executed::failed(Outcome::Failed, ErrorChain::text("its target is not known"));
        };
        let Some(body) = step.definition.rollback else {
            return Executed::failed(Outcome::Failed, ErrorChain::text("it has no rollback"));
        };
        if moved(step) {
            let text = "it was applied at another target system than its code now names";
            return Executed::failed(Outcome::Failed, ErrorChain::text(text));
        }
        let number = step
            .newest
            .as_ref()
            .map_or(step.attempt, |newest| newest.attempt);
        let one = One {
            executor: self,
            definition: step.definition,
            target,
            number,
        };
        let mut attempt = self.attempt(step, Origin::Undo);
        attempt.number = number;
        if let Some(newest) = &step.newest {
            attempt.digest.clone_from(&newest.digest);
        }
        one.undo(&attempt, body).await
    }

    fn attempt(&self, step: &Step, origin: Origin) -> Attempt<'_> {
        Attempt {
            definition: step.definition,
            number: step.attempt,
            origin,
            possession: self.lease.possession(),
            facts: self.facts,
            began: Instant::now(),
            digest: step.definition.digest.to_owned(),
            undoes: None,
        }
    }

    /// Answers the place of the first entry.
    async fn append(&self, entries: &[NewEntry]) -> Result<i64, Unwritten> {
        append(self.store, self.lease.possession(), entries, self.signals).await
    }

    /// Writes what has happened already.
    async fn append_insisting(&self, entries: &[NewEntry]) -> Result<(), Unwritten> {
        let insisting = Insisting {
            store: self.store,
            possession: self.lease.possession(),
            wait: self.lock.wait,
            signals: self.signals,
        };
        insisting.append(entries).await.map(drop)
    }
}

/// One change with its target.
struct One<'a> {
    executor: &'a Executor<'a>,
    definition: &'static Definition,
    target: &'a TargetSystem,
    number: u32,
}

impl One<'_> {
    /// How the code says that a function runs.
    fn mode(&self, body: &Body<()>) -> TransactionMode {
        match (body.transaction, self.target.holds_audit) {
            (false, _) => TransactionMode::None,
            (true, true) => TransactionMode::Shared,
            (true, false) => TransactionMode::Separate,
        }
    }

    /// What only this attempt can give its functions.
    fn own_values(&self) -> Values {
        let possession = self.executor.lease.possession();
        let context = Context::new(
            self.definition.id,
            self.number,
            &possession.run_id,
            &possession.service,
            self.executor.signals.cancelled(),
        );
        let mut values = Values::default();
        values.insert(Arc::new(context));
        values
    }

    fn invocation<'a>(&'a self, own: &'a Values, droppable: bool) -> Invocation<'a> {
        Invocation {
            values: [own, &self.target.values, self.executor.values],
            timeout: self.definition.timeout,
            limits: Limits::of(self.definition),
            signals: self.executor.signals,
            droppable,
        }
    }

    /// A function that takes no connection may take a pool: it must not wait for ours.
    fn let_go(&self) {
        for target in self.executor.targets.values() {
            if let Some(database) = &target.database {
                database.let_go();
            }
        }
    }

    fn blocked(&self, step: &Step, cause: Cause) -> Executed {
        let error = step.newest.as_ref().and_then(|newest| newest.error.clone());
        Executed {
            error,
            issue: Some(cause),
            ..Executed::new(Outcome::Blocked)
        }
    }

    async fn apply(&self, attempt: Attempt<'_>) -> Executed {
        match self.mode(&self.definition.body) {
            TransactionMode::Shared => self.apply_shared(&attempt).await,
            TransactionMode::Separate => self.apply_separate(&attempt).await,
            TransactionMode::None | TransactionMode::Unknown(_) => self.apply_plain(&attempt).await,
        }
    }

    async fn apply_shared(&self, attempt: &Attempt<'_>) -> Executed {
        let Some(database) = &self.target.database else {
            return no_database();
        };
        let own = self.own_values();
        let body = &self.definition.body;
        let invocation = self.invocation(&own, true);
        let (transacted, retries) = database
            .transact(attempt, body, &invocation, Purpose::Apply, Books::Here)
            .await;
        let executed = match transacted {
            Transacted::Done { mode } => applied(&mode),
            failed => self.not_applied(attempt, failed).await,
        };
        if retries > 0 {
            executed.with(Note::Retried { times: retries })
        } else {
            executed
        }
    }

    /// In a transaction of another database than the audit's: what has begun is on record before,
    /// and a marker tells afterwards whether it was committed.
    async fn apply_separate(&self, attempt: &Attempt<'_>) -> Executed {
        let Some(database) = &self.target.database else {
            return no_database();
        };
        let mode = TransactionMode::Separate;
        if let Err(error) = database.prepare_markers().await {
            return Executed::failed(
                Outcome::RolledBack,
                introduced(NOT_RUN, &ErrorChain::of(&error)),
            );
        }
        let key = match self.executor.append(&[attempt.started(mode.clone())]).await {
            Ok(key) => key,
            Err(unwritten) => return self.not_started(attempt, mode, unwritten).await,
        };
        let own = self.own_values();
        let body = &self.definition.body;
        let invocation = self.invocation(&own, true);
        let books = Books::Elsewhere {
            store: self.executor.store,
            key,
        };
        let (transacted, retries) = database
            .transact(attempt, body, &invocation, Purpose::Apply, books)
            .await;
        let executed = match transacted {
            Transacted::Done { mode } => {
                let midway = mode == TransactionMode::None;
                let recorded = self.record_applied(attempt, mode).await;
                if recorded.outcome == Outcome::NewlyApplied {
                    database.unmark(attempt, key).await;
                }
                if midway {
                    recorded.with(Note::CommittedMidway)
                } else {
                    recorded
                }
            }
            Transacted::NotRun { cause } => {
                // It is on record as started, and is known not to have run.
                let error = introduced(NOT_RUN, &chain(&cause));
                let entry = attempt.entry(State::RolledBack, mode, Some(error.clone()));
                self.recorded(&[entry], error, Outcome::RolledBack).await
            }
            failed => self.not_applied(attempt, failed).await,
        };
        if retries > 0 {
            executed.with(Note::Retried { times: retries })
        } else {
            executed
        }
    }

    /// What to do about a transaction that did not come to its end.
    async fn not_applied(&self, attempt: &Attempt<'_>, transacted: Transacted) -> Executed {
        match transacted {
            Transacted::Done { mode } => applied(&mode),
            Transacted::NotRun { cause } => {
                Executed::failed(Outcome::RolledBack, introduced(NOT_RUN, &chain(&cause)))
            }
            Transacted::Undone { cause, unrecorded } => Executed::failed(
                Outcome::RolledBack,
                with_unrecorded(chain(&cause), unrecorded),
            ),
            Transacted::LeftBehind {
                cause,
                unrecorded: None,
            } => self
                .roll_back(attempt, chain(&cause))
                .await
                .with(Note::CommittedMidway),
            Transacted::LeftBehind {
                cause,
                unrecorded: Some(error),
            } => Executed::unknown(with_unrecorded(chain(&cause), Some(error))),
            Transacted::Lost { reason } => Executed::lost(reason),
            Transacted::Unknown { cause } => Executed::unknown(introduced(
                "the connection was lost, and it could not be found out whether the change was committed: the next start finds out",
                &chain(&cause),
            )),
        }
    }

    /// Records a failure, which is the outcome if that succeeds.
    async fn recorded(
        &self,
        entries: &[NewEntry],
        error: ErrorChain,
        outcome: Outcome,
    ) -> Executed {
        match self.executor.append_insisting(entries).await {
            Ok(()) => Executed::failed(outcome, error),
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(unwritten)) => {
                Executed::unknown(with_unrecorded(error, Some(unwritten)))
            }
        }
    }

    /// Without transaction: what has begun is on record before it begins.
    async fn apply_plain(&self, attempt: &Attempt<'_>) -> Executed {
        let mode = TransactionMode::None;
        if let Err(unwritten) = self.executor.append(&[attempt.started(mode.clone())]).await {
            return self.not_started(attempt, mode, unwritten).await;
        }
        let own = self.own_values();
        let invocation = self.invocation(&own, false);
        let called = self.call(&self.definition.body, &invocation).await;
        if let Ended::Lost(reason) = called.ended {
            return Executed::lost(reason);
        }
        if let Ended::NotRun(cause) = called.ended {
            let error = introduced(NO_CONNECTION, &chain(&cause));
            let entry = attempt.entry(State::RolledBack, mode, Some(error.clone()));
            return self.recorded(&[entry], error, Outcome::RolledBack).await;
        }
        let at_rest = called.at_rest;
        match called.ended.into_result() {
            Ok(()) => self.record_applied(attempt, mode).await,
            Err(cause) => {
                let mut error = chain(&cause);
                if !at_rest {
                    error = error.and("it was not rolled back: a part of it may still be running");
                }
                let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
                match self.executor.append_insisting(&[entry]).await {
                    Ok(()) if at_rest => self.roll_back(attempt, error).await,
                    Ok(()) => issue(Cause::Failed, error),
                    Err(Unwritten::Lost(reason)) => Executed::lost(reason),
                    Err(Unwritten::Failed(unrecorded)) => {
                        Executed::unknown(with_unrecorded(error, Some(unrecorded)))
                    }
                }
            }
        }
    }

    async fn record_applied(&self, attempt: &Attempt<'_>, mode: TransactionMode) -> Executed {
        let entry = attempt.entry(State::Applied, mode, None);
        match self.executor.append_insisting(&[entry]).await {
            Ok(()) => Executed::new(Outcome::NewlyApplied),
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(error)) => Executed::unknown(with_unrecorded(
                ErrorChain::text("the change succeeded, but that is not on record"),
                Some(error),
            )),
        }
    }

    /// The change did not run. The entry may be there all the same, if only its answer was lost.
    async fn not_started(
        &self,
        attempt: &Attempt<'_>,
        mode: TransactionMode,
        unwritten: Unwritten,
    ) -> Executed {
        let error = match unwritten {
            Unwritten::Lost(reason) => return Executed::lost(reason),
            Unwritten::Failed(error) => error,
        };
        let text = introduced(
            "the change did not run: its start could not be recorded",
            &ErrorChain::of(&error),
        );
        if error.kind == StoreErrorKind::Disconnected {
            let entry = attempt.entry(State::RolledBack, mode, Some(text.clone()));
            return self.recorded(&[entry], text, Outcome::RolledBack).await;
        }
        Executed::failed(Outcome::RolledBack, text)
    }

    async fn call(&self, body: &'static Body<()>, invocation: &Invocation<'_>) -> Called<()> {
        match &self.target.database {
            Some(database) if takes_connection(body) => database.call(body, invocation).await,
            _ => {
                self.let_go();
                let ended = invocation.call(body, Session::none()).await;
                // Nobody can tell what a dropped future of the user's own client left running.
                let at_rest = !ended.is_interrupted();
                Called { ended, at_rest }
            }
        }
    }

    /// Runs the rollback of a failed attempt that left something behind; FAILED is on record.
    async fn roll_back(&self, attempt: &Attempt<'_>, error: ErrorChain) -> Executed {
        let Some(body) = self.definition.rollback else {
            return self.without_rollback(error);
        };
        let attempt = &attempt.undoing(&error);
        let own = self.own_values();
        let mode = self.mode(body);
        let (failure, unrecorded) = match (&self.target.database, &mode) {
            (Some(database), TransactionMode::Shared | TransactionMode::Separate) => {
                let invocation = self.invocation(&own, false);
                let key = rand::random::<u32>().into();
                let books = match mode {
                    TransactionMode::Separate => Books::Elsewhere {
                        store: self.executor.store,
                        key,
                    },
                    _ => Books::Here,
                };
                let transacted = database
                    .transact(attempt, body, &invocation, Purpose::Rollback, books)
                    .await
                    .0;
                match transacted {
                    Transacted::Done { .. } if mode == TransactionMode::Shared => {
                        return Executed::failed(Outcome::RolledBack, error);
                    }
                    Transacted::Done { mode } => {
                        let entry = attempt.entry(State::RolledBack, mode, None);
                        let recorded = self.recorded(&[entry], error, Outcome::RolledBack).await;
                        database.unmark(attempt, key).await;
                        return recorded;
                    }
                    Transacted::NotRun { cause } => {
                        return self.record_unrolled(attempt, &cause).await;
                    }
                    Transacted::Undone { cause, unrecorded }
                    | Transacted::LeftBehind { cause, unrecorded } => (chain(&cause), unrecorded),
                    Transacted::Lost { reason } => return Executed::lost(reason),
                    Transacted::Unknown { cause } => {
                        return Executed::unknown(attempt.reason(&chain(&cause)));
                    }
                }
            }
            _ => {
                let invocation = self.invocation(&own, false);
                let called = self.call(body, &invocation).await;
                if let Ended::Lost(reason) = called.ended {
                    return Executed::lost(reason);
                }
                let (state, recorded) = match called.ended.into_result() {
                    Ok(()) => (State::RolledBack, None),
                    Err(cause) => (State::RollbackFailed, Some(attempt.reason(&chain(&cause)))),
                };
                let entry = attempt.entry(state, TransactionMode::None, recorded.clone());
                match (self.executor.append_insisting(&[entry]).await, recorded) {
                    (Ok(()), None) => return Executed::failed(Outcome::RolledBack, error),
                    (Ok(()), Some(recorded)) => {
                        return self.rollback_failed(recorded);
                    }
                    (Err(Unwritten::Lost(reason)), _) => return Executed::lost(reason),
                    (Err(Unwritten::Failed(unwritten)), recorded) => {
                        (recorded.unwrap_or_else(|| error.clone()), Some(unwritten))
                    }
                }
            }
        };
        match unrecorded {
            None => self.rollback_failed(attempt.reason(&failure)),
            Some(unwritten) => {
                Executed::unknown(with_unrecorded(attempt.reason(&failure), Some(unwritten)))
            }
        }
    }

    async fn record_unrolled(&self, attempt: &Attempt<'_>, cause: &BoxError) -> Executed {
        let recorded = attempt.reason(&chain(cause));
        let entry = attempt.entry(
            State::RollbackFailed,
            TransactionMode::None,
            Some(recorded.clone()),
        );
        match self.executor.append_insisting(&[entry]).await {
            Ok(()) => self.rollback_failed(recorded),
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(unwritten)) => {
                Executed::unknown(with_unrecorded(recorded, Some(unwritten)))
            }
        }
    }

    fn without_rollback(&self, error: ErrorChain) -> Executed {
        match self.definition.recovery {
            crate::change::Recovery::Retry => Executed::failed(Outcome::Failed, error),
            crate::change::Recovery::Manual => issue(Cause::Failed, error),
        }
    }

    fn rollback_failed(&self, error: ErrorChain) -> Executed {
        match self.definition.recovery {
            crate::change::Recovery::Retry => Executed::failed(Outcome::Failed, error),
            crate::change::Recovery::Manual => issue(Cause::RollbackFailed, error),
        }
    }

    /// Asks the probe what an attempt has left that nobody saw end.
    async fn verify(&self, step: &Step, when_absent: WhenAbsent) -> Executed {
        let Some(body) = self.definition.verify else {
            return self.blocked(step, Cause::Interrupted);
        };
        let own = self.own_values();
        let invocation = self.invocation(&own, true);
        let takes_connection = body.needs.iter().any(crate::argument::Need::is_connection);
        let ended = match &self.target.database {
            Some(database) if takes_connection => database.ask(body, &invocation).await.ended,
            _ => {
                self.let_go();
                invocation.call(body, Session::none()).await
            }
        };
        match ended {
            Ended::Lost(reason) => return Executed::lost(reason),
            Ended::Cancelled => return Executed::new(Outcome::NotReached),
            _ => {}
        }
        match (ended.into_result(), when_absent) {
            (Err(cause), _) => issue(Cause::VerifyFailed, chain(&cause)),
            (Ok(true), _) => self.found(step, State::Applied).await,
            (Ok(false), WhenAbsent::Apply) => {
                self.apply(self.executor.attempt(step, Origin::Run)).await
            }
            (Ok(false), WhenAbsent::RolledBack) => self.found(step, State::RolledBack).await,
        }
    }

    /// Records what an attempt turned out to have come to.
    async fn found(&self, step: &Step, state: State) -> Executed {
        let mut attempt = self.executor.attempt(step, Origin::Verify);
        // It is that attempt that this settles, not a new one, if there was one.
        if let Some(newest) = &step.newest {
            attempt.number = newest.attempt;
            attempt.digest.clone_from(&newest.digest);
        }
        let applied = state == State::Applied;
        let entry = attempt.entry(state, TransactionMode::None, None);
        match self.executor.append_insisting(&[entry]).await {
            Ok(()) if applied => Executed::new(Outcome::AlreadyApplied).with(Note::FoundApplied),
            Ok(()) => Executed::failed(
                Outcome::RolledBack,
                ErrorChain::text(
                    "its undo was interrupted and turned out to be complete: the next start applies it again",
                ),
            ),
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(error)) => Executed::unknown(ErrorChain::of(&error)),
        }
    }

    /// Runs the rollback of an applied change.
    async fn undo(&self, attempt: &Attempt<'_>, body: &'static Body<()>) -> Executed {
        let mode = self.mode(body);
        let own = self.own_values();
        if let (Some(database), TransactionMode::Separate) = (&self.target.database, &mode)
            && let Err(error) = database.prepare_markers().await
        {
            let error = introduced(NOT_RUN, &ErrorChain::of(&error));
            return Executed::failed(Outcome::Failed, error);
        }
        let key = match mode {
            TransactionMode::Shared => 0,
            _ => match self.executor.append(&[attempt.started(mode.clone())]).await {
                Ok(key) => key,
                Err(Unwritten::Lost(reason)) => return Executed::lost(reason),
                Err(Unwritten::Failed(error)) => {
                    return Executed::failed(
                        Outcome::Failed,
                        introduced(
                            "the undo did not run: its start could not be recorded",
                            &ErrorChain::of(&error),
                        ),
                    );
                }
            },
        };
        let invocation = self.invocation(&own, mode != TransactionMode::None);
        let (Some(database), true) = (&self.target.database, mode != TransactionMode::None) else {
            let called = self.call(body, &invocation).await;
            if let Ended::Lost(reason) = called.ended {
                return Executed::lost(reason);
            }
            if let Ended::NotRun(cause) = called.ended {
                let error = introduced(NO_CONNECTION, &chain(&cause));
                let entry = attempt.entry(State::Applied, mode, Some(error.clone()));
                return self.recorded(&[entry], error, Outcome::Failed).await;
            }
            return match called.ended.into_result() {
                Ok(()) => self.undone(attempt, mode).await,
                Err(cause) => {
                    let error = chain(&cause);
                    let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
                    let failed = self.recorded(&[entry], error, Outcome::Failed).await;
                    Executed {
                        issue: Some(Cause::UndoInterrupted),
                        ..failed
                    }
                }
            };
        };
        let books = match mode {
            TransactionMode::Separate => Books::Elsewhere {
                store: self.executor.store,
                key,
            },
            _ => Books::Here,
        };
        match database
            .transact(attempt, body, &invocation, Purpose::Undo, books)
            .await
            .0
        {
            Transacted::Done { mode: done } if mode == TransactionMode::Separate => {
                let undone = self.undone(attempt, done).await;
                database.unmark(attempt, key).await;
                undone
            }
            Transacted::Done { .. } => Executed::new(Outcome::RolledBack),
            Transacted::NotRun { cause } if mode == TransactionMode::Shared => {
                Executed::failed(Outcome::Failed, introduced(NOT_RUN, &chain(&cause)))
            }
            Transacted::NotRun { cause } => {
                let error = introduced(NOT_RUN, &chain(&cause));
                let entry = attempt.entry(State::Applied, mode, Some(error.clone()));
                self.recorded(&[entry], error, Outcome::Failed).await
            }
            Transacted::Undone { cause, unrecorded } => {
                Executed::failed(Outcome::Failed, with_unrecorded(chain(&cause), unrecorded))
            }
            Transacted::LeftBehind {
                cause,
                unrecorded: None,
            } => issue(Cause::UndoInterrupted, chain(&cause)),
            Transacted::LeftBehind { cause, unrecorded } => {
                Executed::unknown(with_unrecorded(chain(&cause), unrecorded))
            }
            Transacted::Lost { reason } => Executed::lost(reason),
            Transacted::Unknown { cause } => Executed::unknown(chain(&cause)),
        }
    }

    async fn undone(&self, attempt: &Attempt<'_>, mode: TransactionMode) -> Executed {
        let entry = attempt.entry(State::RolledBack, mode, None);
        match self.executor.append_insisting(&[entry]).await {
            Ok(()) => Executed::new(Outcome::RolledBack),
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(error)) => Executed::unknown(with_unrecorded(
                ErrorChain::text("the undo succeeded, but that is not on record"),
                Some(error),
            )),
        }
    }

    /// Asks the target's marker whether an attempt was committed that nobody saw end.
    async fn resolve(&self, step: &Step) -> Executed {
        let (Some(newest), Some(database)) = (&step.newest, &self.target.database) else {
            return self.blocked(step, Cause::Interrupted);
        };
        let mut attempt = self.executor.attempt(step, Origin::Run);
        attempt.number = newest.attempt;
        attempt.digest.clone_from(&newest.digest);
        match database.resolve(&attempt, newest.seq).await {
            Ok(Resolved::NotApplied) => self.apply(self.executor.attempt(step, Origin::Run)).await,
            Ok(Resolved::Applied) => {
                let entry = attempt.entry(State::Applied, TransactionMode::Separate, None);
                match self.executor.append_insisting(&[entry]).await {
                    Ok(()) => {
                        database.unmark(&attempt, newest.seq).await;
                        Executed::new(Outcome::AlreadyApplied).with(Note::FoundApplied)
                    }
                    Err(Unwritten::Lost(reason)) => Executed::lost(reason),
                    Err(Unwritten::Failed(error)) => Executed::unknown(ErrorChain::of(&error)),
                }
            }
            // The database has committed a part: as if there had been no transaction.
            Ok(Resolved::LeftBehind) => match interrupted(code(self.definition)) {
                Decision::Apply => self.apply(self.executor.attempt(step, Origin::Run)).await,
                Decision::Verify(when_absent) => self.verify(step, when_absent).await,
                _ => self.blocked(step, Cause::Interrupted),
            },
            Ok(Resolved::StillOpen) => self.blocked(step, Cause::StillOpen),
            Err(error) => Executed::unknown(ErrorChain::of(&error)),
        }
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
    Executed::failed(
        Outcome::Failed,
        ErrorChain::text("its target system has no database"),
    )
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
