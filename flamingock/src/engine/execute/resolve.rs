//! Resolving interrupted attempts, by the verify function or by the marker.

use crate::audit::attempt::Attempt;
use crate::audit::entry::{Entry, LatestEntry, NewEntry, Origin, State, TransactionMode};
use crate::audit::store::HistoryFilter;
use crate::audit::store_error::StoreError;
use crate::change::argument::Session;
use crate::lock::append::AppendError;
use crate::plan::decision::{
    Cause, Decision, WhenAbsent, interrupted, interrupted_undo, unless_retry,
};
use crate::plan::note::Note;
use crate::plan::step::{Step, code, found_out, rolls_back_elsewhere};
use crate::report::run::Outcome;
use crate::target::database::{ForeignMarkers, MarkerOutcome};
use crate::target::invocation::{Ended, Invocation};
use crate::util::boxed::BoxError;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::execution::Execution;
use super::outcome::{ExecutionOutcome, RunState, blocked, introduced, issue, with_unrecorded};

const NOT_VERIFIED: &str = "the change did not run: its verify function failed, so it is not known whether it is there already";

impl Execution<'_> {
    /// Calls the verify function to find out what an interrupted attempt has left behind. Returns
    /// `None` if that is nothing, so that the change is to be applied.
    pub(super) async fn verify(
        &self,
        step: &Step,
        when_absent: WhenAbsent,
    ) -> Option<ExecutionOutcome> {
        let Some(body) = self.definition.verify else {
            return Some(blocked(step, Cause::Interrupted));
        };
        let own = self.own_values();
        let invocation = Invocation {
            earlier: self.number,
            ..self.invocation(&own, true)
        };
        let takes_connection = body
            .needs
            .iter()
            .any(crate::change::argument::Need::is_connection);
        let ended = match &self.target.database {
            Some(database) if takes_connection => {
                let _turn = self.executor.turns.of_connection(&**database).await;
                if let Err(reason) = self.executor.lease.confirm().await {
                    return Some(ExecutionOutcome::lost(reason));
                }
                database.ask(body, &invocation).await.ended
            }
            _ => {
                self.release_cached();
                if let Err(reason) = self.executor.lease.confirm().await {
                    return Some(ExecutionOutcome::lost(reason));
                }
                invocation.call(body, Session::none()).await
            }
        };
        match ended {
            Ended::Lost(reason) => return Some(ExecutionOutcome::lost(reason)),
            Ended::Cancelled => return Some(ExecutionOutcome::new(Outcome::NotReached)),
            _ => {}
        }
        Some(match (ended.into_result(), when_absent) {
            (Err(cause), _) if step.latest.is_none() => {
                let error = introduced(NOT_VERIFIED, &chain(&cause));
                ExecutionOutcome::failed(Outcome::NotReached, error)
            }
            (Err(cause), _) => {
                self.unresolved(step, Cause::VerifyFailed, Some(&chain(&cause)))
                    .await
            }
            (Ok(true), _) => self.found(step, State::Applied).await,
            (Ok(false), WhenAbsent::Apply) => return None,
            (Ok(false), WhenAbsent::RolledBack) => self.found(step, State::RolledBack).await,
        })
    }

    /// Records, once, why this run cannot resolve an interrupted attempt, so that the audit has the
    /// same reason as the report. The next run tries again.
    async fn unresolved(
        &self,
        step: &Step,
        cause: Cause,
        error: Option<&ErrorChain>,
    ) -> ExecutionOutcome {
        let Some(latest) = &step.latest else {
            return issue(cause.clone(), cause.before(error));
        };
        let told = cause.before(error);
        if found_out(latest).as_ref() != Some(&cause) {
            let attempt = self.attempt_of(step, latest, latest.origin.clone());
            let entry = NewEntry {
                state: latest.state.clone(),
                error: Some(told.clone()),
                reason: latest.reason.clone(),
                ..attempt.started(latest.transaction_mode.clone())
            };
            match self.executor.append_retrying(&[entry]).await {
                Ok(()) => {}
                Err(AppendError::Lost(reason)) => return ExecutionOutcome::lost(reason),
                Err(AppendError::Failed(unwritten)) => {
                    return ExecutionOutcome::unknown(with_unrecorded(told, Some(unwritten)));
                }
            }
        }
        ExecutionOutcome {
            error: Some(told),
            issue: Some(cause),
            ..ExecutionOutcome::new(Outcome::Blocked)
        }
    }

    /// Returns the attempt of the latest entry, which this run resolves.
    fn attempt_of(&self, step: &Step, latest: &LatestEntry, origin: Origin) -> Attempt<'_> {
        let mut attempt = self.executor.attempt(step, origin);
        attempt.number = latest.attempt;
        attempt.digest.clone_from(&latest.digest);
        attempt
    }

    /// Records that the markers at the target system say nothing about the attempt, so that an
    /// operator has to decide.
    pub(super) async fn foreign_markers(
        &self,
        attempt: &Attempt<'_>,
        markers: ForeignMarkers,
    ) -> ExecutionOutcome {
        let error = Cause::ForeignMarkers.before(Some(&chain(&BoxError::from(markers))));
        let entry = attempt.entry(State::Failed, TransactionMode::None, Some(error.clone()));
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) => ExecutionOutcome {
                error: Some(error),
                issue: Some(Cause::ForeignMarkers),
                ..ExecutionOutcome::new(Outcome::Blocked)
            },
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(unrecorded)) => {
                ExecutionOutcome::unknown(error.and_all(&ErrorChain::of(&unrecorded)))
            }
        }
    }

    /// Records the result of the verify function.
    pub(super) async fn found(&self, step: &Step, state: State) -> ExecutionOutcome {
        // The entry ends the existing attempt, if there is one, and does not begin a new one.
        let attempt = match &step.latest {
            Some(latest) => self.attempt_of(step, latest, Origin::Verify),
            None => self.executor.attempt(step, Origin::Verify),
        };
        self.record_resolution(&attempt, state, TransactionMode::None)
            .await
    }

    /// Records how an interrupted attempt ended: applied, or rolled back by an undo.
    async fn record_resolution(
        &self,
        attempt: &Attempt<'_>,
        state: State,
        mode: TransactionMode,
    ) -> ExecutionOutcome {
        let applied = state == State::Applied;
        if applied && self.is_undone_next {
            // After an entry that ends the attempt, the undo could not record that the attempt
            // begins again.
            return ExecutionOutcome::new(Outcome::AlreadyApplied);
        }
        let entry = attempt.entry(state, mode, None);
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) if applied => {
                ExecutionOutcome::new(Outcome::AlreadyApplied).with(Note::FoundApplied)
            }
            Ok(()) => ExecutionOutcome::failed(
                Outcome::RolledBack,
                ErrorChain::text(
                    "its undo was interrupted and turned out to be complete: the next start applies it again",
                ),
            ),
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(error)) => ExecutionOutcome::unknown(ErrorChain::of(&error)),
        }
    }

    /// Reads the marker of an interrupted attempt at its target system. Returns `None` if the
    /// attempt was not committed, so that the change is to be applied.
    pub(super) async fn resolve(&self, step: &Step) -> Option<ExecutionOutcome> {
        let Some(latest) = &step.latest else {
            return Some(blocked(step, Cause::Interrupted));
        };
        let Some(database) = &self.target.database else {
            let error = ErrorChain::text(super::outcome::NO_DATABASE);
            let unresolved = self.unresolved(step, Cause::ForeignMarkers, Some(&error));
            return Some(unresolved.await);
        };
        let undoes = latest.origin == Origin::Undo;
        let origin = if undoes { Origin::Undo } else { Origin::Run };
        let attempt = self.attempt_of(step, latest, origin);
        let (key, run_id) = match self.begun(latest).await {
            Ok(Some(begun)) => begun,
            Ok(None) => {
                let error = ErrorChain::text(&format!(
                    "the latest entry of attempt {} is entry {}",
                    latest.attempt, latest.seq
                ));
                let unresolved = self.unresolved(step, Cause::IncompleteHistory, Some(&error));
                return Some(unresolved.await);
            }
            Err(error) => return Some(ExecutionOutcome::unknown(ErrorChain::of(&error))),
        };
        let resolved = database.resolve(&attempt, key, &run_id).await;
        let is_committed = matches!(resolved, Ok(MarkerOutcome::Applied));
        let state = match resolved {
            // If the table of markers does not exist, the rollback had not begun.
            Ok(
                MarkerOutcome::NotApplied | MarkerOutcome::Foreign(ForeignMarkers::NoTable { .. }),
            ) if rolls_back_elsewhere(latest) => {
                return self.not_rolled_back(latest, &attempt, State::Failed).await;
            }
            Ok(MarkerOutcome::LeftBehind) if rolls_back_elsewhere(latest) => {
                return self
                    .not_rolled_back(latest, &attempt, State::RollbackFailed)
                    .await;
            }
            Ok(MarkerOutcome::NotApplied) if undoes => State::Applied,
            Ok(MarkerOutcome::NotApplied) => return None,
            Ok(MarkerOutcome::Applied) if undoes || rolls_back_elsewhere(latest) => {
                State::RolledBack
            }
            Ok(MarkerOutcome::Applied) => State::Applied,
            // The database committed a part, so the attempt counts as non-transactional.
            Ok(MarkerOutcome::LeftBehind) => return self.without_marker(step, undoes).await,
            Ok(MarkerOutcome::StillOpen) => {
                let error = own_error(latest);
                return Some(
                    self.unresolved(step, Cause::StillOpen, error.as_ref())
                        .await,
                );
            }
            Ok(MarkerOutcome::Foreign(markers)) => {
                return Some(self.foreign_markers(&attempt, markers).await);
            }
            Err(error) => return Some(ExecutionOutcome::unknown(ErrorChain::of(&error))),
        };
        let mode = TransactionMode::Separate;
        let executed = self.record_resolution(&attempt, state, mode).await;
        // A tombstone stays: it makes a transaction fail that tries to commit later.
        if executed.run_state == RunState::GoesOn && is_committed {
            database.unmark(&attempt, key).await;
        }
        if executed.run_state == RunState::GoesOn && rolls_back_elsewhere(latest) {
            // The change runs again, as after every completed rollback.
            return None;
        }
        Some(executed)
    }

    /// Returns the position of the entry that gives the attempt's marker its name, and the run that
    /// wrote it: the first of the equal entries at the end of the attempt's history. Those after it
    /// are from runs that could not resolve the attempt. Returns `None` if the history lacks it. No
    /// marker is read then, because a guessed one would let a committed attempt run again.
    async fn begun(&self, latest: &LatestEntry) -> Result<Option<(i64, String)>, StoreError> {
        let filter = HistoryFilter::default()
            .change(latest.change_id.clone())
            .attempt(latest.attempt);
        let service = &self.executor.lease.grant().service;
        let entries = self.executor.store.history(service, &filter).await?;
        let says_the_same = |entry: &&Entry| {
            (&entry.state, &entry.origin, &entry.reason)
                == (&latest.state, &latest.origin, &latest.reason)
        };
        let before = entries
            .iter()
            .rev()
            .skip_while(|found| found.seq != latest.seq);
        let begun = before.take_while(says_the_same).last();
        // An entry with a run's finding about the attempt is not the entry that the attempt began
        // with.
        let begun = begun.filter(|found| Cause::found_out(found.error.as_ref()).is_none());
        Ok(begun.map(|found| (found.seq, found.run_id.clone())))
    }

    /// Records that the rollback of a failed attempt was not committed (FAILED), or only in part
    /// (ROLLBACK_FAILED), so that the effects of the attempt remain. Returns `None` if the change
    /// may run again.
    async fn not_rolled_back(
        &self,
        latest: &LatestEntry,
        attempt: &Attempt<'_>,
        state: State,
    ) -> Option<ExecutionOutcome> {
        let error = own_error(latest).unwrap_or_else(|| ErrorChain::text("it failed"));
        let cause = match state {
            State::RollbackFailed => Cause::RollbackFailed,
            _ => Cause::Failed,
        };
        let entry = attempt.entry(state, TransactionMode::None, Some(error.clone()));
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) => match unless_retry(code(self.definition), cause) {
                Decision::Issue(cause) => Some(ExecutionOutcome {
                    error: Some(error),
                    issue: Some(cause),
                    ..ExecutionOutcome::new(Outcome::Blocked)
                }),
                Decision::Apply
                | Decision::Skip
                | Decision::Again
                | Decision::Verify(_)
                | Decision::Resolve
                | Decision::Filtered
                | Decision::Later(_)
                | Decision::Waits(_) => None,
            },
            Err(AppendError::Lost(reason)) => Some(ExecutionOutcome::lost(reason)),
            Err(AppendError::Failed(unwritten)) => Some(ExecutionOutcome::unknown(
                with_unrecorded(error, Some(unwritten)),
            )),
        }
    }

    /// Records an attempt that its database committed in part as non-transactional, so that an
    /// operator decides.
    async fn left_midway(&self, step: &Step, cause: Cause) -> ExecutionOutcome {
        let Some(latest) = &step.latest else {
            return blocked(step, cause);
        };
        let attempt = self.attempt_of(step, latest, latest.origin.clone());
        let entry = NewEntry {
            error: own_error(latest),
            reason: latest.reason.clone(),
            ..attempt.started(TransactionMode::None)
        };
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) => blocked(step, cause),
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(unwritten)) => {
                ExecutionOutcome::unknown(ErrorChain::of(&unwritten))
            }
        }
    }

    /// Decides about an attempt that its database committed in part.
    async fn without_marker(&self, step: &Step, undoes: bool) -> Option<ExecutionOutcome> {
        let code = code(self.definition);
        let decision = if undoes {
            interrupted_undo(code)
        } else {
            interrupted(code)
        };
        match decision {
            Decision::Apply => None,
            Decision::Verify(when_absent) => self.verify(step, when_absent).await,
            Decision::Issue(cause) => Some(self.left_midway(step, cause).await),
            Decision::Skip
            | Decision::Again
            | Decision::Resolve
            | Decision::Filtered
            | Decision::Later(_)
            | Decision::Waits(_) => Some(blocked(step, Cause::Interrupted)),
        }
    }
}

/// Returns the error of the attempt itself, without what later runs found out about it.
fn own_error(latest: &LatestEntry) -> Option<ErrorChain> {
    match found_out(latest) {
        Some(_) => latest.error.as_ref()?.behind_first(),
        None => latest.error.clone(),
    }
}
