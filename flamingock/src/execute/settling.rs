//! Settling an attempt that nobody saw end.

use crate::argument::Session;
use crate::attempt::Attempt;
use crate::audit::{ErrorChain, Origin, State, TransactionMode};
use crate::call::{Ended, chain};
use crate::change::BoxError;
use crate::database::{ForeignMarkers, Resolved};
use crate::decision::{Cause, Decision, WhenAbsent, interrupted, interrupted_undo};
use crate::plan::{Note, Step, code};
use crate::recording::Unwritten;
use crate::report::Outcome;

use super::{Executed, Fate, One, blocked, issue};

impl One<'_> {
    /// Asks the probe what an attempt has left that nobody saw end. None: nothing, so that the change
    /// is to be applied.
    pub(super) async fn verify(&self, step: &Step, when_absent: WhenAbsent) -> Option<Executed> {
        let Some(body) = self.definition.verify else {
            return Some(blocked(step, Cause::Interrupted));
        };
        let own = self.own_values();
        let invocation = self.invocation(&own, true);
        let takes_connection = body.needs.iter().any(crate::argument::Need::is_connection);
        let ended = match &self.target.database {
            Some(database) if takes_connection => {
                let _turn = self.executor.turns.of_connection(&**database).await;
                if let Err(reason) = self.executor.lease.confirm().await {
                    return Some(Executed::lost(reason));
                }
                database.ask(body, &invocation).await.ended
            }
            _ => {
                self.let_go();
                if let Err(reason) = self.executor.lease.confirm().await {
                    return Some(Executed::lost(reason));
                }
                invocation.call(body, Session::none()).await
            }
        };
        match ended {
            Ended::Lost(reason) => return Some(Executed::lost(reason)),
            Ended::Cancelled => return Some(Executed::new(Outcome::NotReached)),
            _ => {}
        }
        Some(match (ended.into_result(), when_absent) {
            (Err(cause), _) => issue(Cause::VerifyFailed, chain(&cause)),
            (Ok(true), _) => self.found(step, State::Applied).await,
            (Ok(false), WhenAbsent::Apply) => return None,
            (Ok(false), WhenAbsent::RolledBack) => self.found(step, State::RolledBack).await,
        })
    }

    /// Nothing at the target tells what became of an attempt: from here on it is one that an operator
    /// decides on.
    pub(super) async fn foreign_markers(
        &self,
        attempt: &Attempt<'_>,
        markers: ForeignMarkers,
    ) -> Executed {
        let error = chain(&BoxError::from(markers));
        let entry = attempt.entry(State::Failed, TransactionMode::None, Some(error.clone()));
        match self.executor.append_insisting(&[entry]).await {
            Ok(()) => Executed {
                error: Some(error),
                issue: Some(Cause::ForeignMarkers),
                ..Executed::new(Outcome::Blocked)
            },
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(unrecorded)) => {
                Executed::unknown(error.and_all(&ErrorChain::of(&unrecorded)))
            }
        }
    }

    /// Records what an attempt turned out to have come to.
    pub(super) async fn found(&self, step: &Step, state: State) -> Executed {
        let mut attempt = self.executor.attempt(step, Origin::Verify);
        // It is that attempt that this settles, not a new one, if there was one.
        if let Some(newest) = &step.newest {
            attempt.number = newest.attempt;
            attempt.digest.clone_from(&newest.digest);
        }
        self.settle(&attempt, state, TransactionMode::None).await
    }

    /// Records how an interrupted attempt ended: applied, or rolled back by an undo.
    async fn settle(&self, attempt: &Attempt<'_>, state: State, mode: TransactionMode) -> Executed {
        let applied = state == State::Applied;
        if applied && self.is_undone_next {
            // Behind an entry that ends an attempt, its run could not record that it begins again.
            return Executed::new(Outcome::AlreadyApplied);
        }
        let entry = attempt.entry(state, mode, None);
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

    /// Asks the target's marker whether an attempt was committed that nobody saw end. None: it was
    /// not, so that the change is to be applied.
    pub(super) async fn resolve(&self, step: &Step) -> Option<Executed> {
        let (Some(newest), Some(database)) = (&step.newest, &self.target.database) else {
            return Some(blocked(step, Cause::Interrupted));
        };
        let undoes = newest.origin == Origin::Undo;
        let origin = if undoes { Origin::Undo } else { Origin::Run };
        let mut attempt = self.executor.attempt(step, origin);
        attempt.number = newest.attempt;
        attempt.digest.clone_from(&newest.digest);
        let resolved = database.resolve(&attempt, newest.seq, &newest.run_id).await;
        let is_committed = matches!(resolved, Ok(Resolved::Applied));
        let state = match resolved {
            Ok(Resolved::NotApplied) if undoes => State::Applied,
            Ok(Resolved::NotApplied) => return None,
            Ok(Resolved::Applied) if undoes => State::RolledBack,
            Ok(Resolved::Applied) => State::Applied,
            // The database has committed a part: as if there had been no transaction.
            Ok(Resolved::LeftBehind) => return self.without_marker(step, undoes).await,
            Ok(Resolved::StillOpen) => return Some(blocked(step, Cause::StillOpen)),
            Ok(Resolved::Foreign(markers)) => {
                return Some(self.foreign_markers(&attempt, markers).await);
            }
            Err(error) => return Some(Executed::unknown(ErrorChain::of(&error))),
        };
        let mode = TransactionMode::Separate;
        let executed = self.settle(&attempt, state, mode).await;
        // A tombstone stays: a transaction that comes late must meet it.
        if executed.fate == Fate::GoesOn && is_committed {
            database.unmark(&attempt, newest.seq).await;
        }
        Some(executed)
    }

    /// What an attempt comes to that its database has committed in part.
    async fn without_marker(&self, step: &Step, undoes: bool) -> Option<Executed> {
        let code = code(self.definition);
        let decision = if undoes {
            interrupted_undo(code)
        } else {
            interrupted(code)
        };
        match decision {
            Decision::Apply => None,
            Decision::Verify(when_absent) => self.verify(step, when_absent).await,
            Decision::Issue(cause) => Some(blocked(step, cause)),
            Decision::Skip | Decision::Again | Decision::Resolve | Decision::Filtered => {
                Some(blocked(step, Cause::Interrupted))
            }
        }
    }
}
