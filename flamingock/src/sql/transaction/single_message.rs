//! A script in one text with everything around it: begin, the statements, their entry, commit.
//!
//! A server runs the statements of a text one after the other and stops at the first one that it
//! refuses, so the guarantees are those of the same statements sent one by one. Two marks among the
//! answers tell how far it came. What is new is that the server goes on when the connection is lost:
//! what became of the transaction is only asked once its session is gone.

use std::time::Instant;

use flamingock_sqlx_audit::{Behind, Failure, Progress};
use sqlx::Connection as _;

use super::batch::{SuccessEntry, Transact, Tried, Try, all_lost, lost, not_run};
use super::conflict::Whence;
use crate::change::script::Script;
use crate::sql::cancel::{cancel_transaction, end_transaction};
use crate::sql::connection::Held;
use crate::sql::connection::comes_to_rest;
use crate::sql::driver::Driver;
use crate::sql::in_doubt::Settled;
use crate::sql::run_script::failed;
use crate::sql::timing::PAUSE;
use crate::statements;
use crate::target::database::Transacted;
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

/// How far a server came with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// Not to the end of what begins.
    Begin,
    /// To the script.
    Script,
    /// To the entry behind it.
    Entry,
    /// To the commit.
    Commit,
}

/// A text, and what is known of its parts.
struct Whole {
    text: String,
    /// The name of the column that the marks have.
    mark: String,
    /// How many statements begin.
    beginning: usize,
    /// How many characters stand before the script.
    offset: usize,
    /// Whether the entry and the commit are in it.
    is_complete: bool,
    /// Whether its connection may have been dead already.
    is_untested: bool,
}

impl<D: Driver> Transact<'_, D> {
    pub(super) async fn attempt_in_one_text(
        &self,
        script: &'static Script,
        one: &mut Try<'_>,
    ) -> Tried {
        // The plan has looked at it: nothing is refused here that could be.
        if let Some(problem) = script.problem(D::KIND, true) {
            return not_run(problem.to_string().into());
        }
        let read = match script.read(D::KIND) {
            Ok(read) => read,
            Err(error) => return not_run(error.into()),
        };
        let mut held = match self.living_connection().await {
            Ok(held) => held,
            Err(error) => return not_run(error.into()),
        };
        let is_untested = held.is_untested;
        (self.begins)(0);
        one.attempts[0].began = Instant::now();
        let whole = self.whole(&read, script, one, is_untested);
        let work = async {
            let progress = D::run(&mut held, whole.text.clone(), &whole.mark).await;
            Ok::<Progress, BoxError>(progress)
        };
        match self.parts[0].invocation.watch(work).await {
            Ended::Returned(Ok(progress)) => {
                self.came_to(held, one, script, &read, &whole, progress)
                    .await
            }
            ended => self.interrupted(held, one, ended).await,
        }
    }

    fn whole(
        &self,
        read: &statements::Script<'_>,
        script: &Script,
        one: &Try<'_>,
        is_untested: bool,
    ) -> Whole {
        let ledger = &self.database.ledger;
        let mut beginning = self.beginning(one);
        beginning.extend(ledger.note_time().map(str::to_owned));
        let mark = format!("flamingock_{}", one.tag);
        let entry = match self.entry {
            SuccessEntry::Here(_) => {
                let behind = Behind {
                    rows: &[self.row(one, 0)],
                    witness: &self.witness(one, 0),
                    is_last: true,
                };
                Some(ledger.text_within(&one.grant, behind, &one.tag))
            }
            SuccessEntry::Elsewhere { .. } => ledger.mark_text_within(&one.marker, &one.tag),
        };
        let before = format!("{};\n", beginning.join("; "));
        let is_complete = entry.is_some();
        let behind = entry.map_or_else(String::new, |entry| {
            format!(";\n{entry};\nSELECT 1 AS {mark} LIMIT 1;\nCOMMIT")
        });
        let sql = D::as_one_text(read, script.text);
        Whole {
            text: format!("{before}{sql}\n;\nSELECT 1 AS {mark} LIMIT 1{behind}"),
            mark,
            beginning: beginning.len(),
            offset: before.chars().count(),
            is_complete,
            is_untested,
        }
    }

    /// The server has answered: all of it is done, or a statement was refused.
    async fn came_to(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        script: &'static Script,
        read: &statements::Script<'_>,
        whole: &Whole,
        progress: Progress,
    ) -> Tried {
        let reached = match progress.marks.len() {
            0 if progress.answered < whole.beginning => Reached::Begin,
            0 => Reached::Script,
            1 => Reached::Entry,
            _ => Reached::Commit,
        };
        let Some(error) = &progress.error else {
            return match reached {
                Reached::Entry if !whole.is_complete => self.succeed(held, one).await,
                Reached::Commit => self.committed(held, one, 0, &self.mode()).await,
                // A server that answers less than it was asked is not believed.
                Reached::Begin | Reached::Script | Reached::Entry => {
                    self.settle_once_gone(held, one, None).await
                }
            };
        };
        let failure = D::classify(error);
        if failure == Failure::Disconnected && whole.is_untested && progress.answered == 0 {
            let error = progress.error;
            let cause = error.map_or_else(|| "it did not begin".into(), Into::into);
            return self.may_not_have_begun(held, one, cause).await;
        }
        if failure == Failure::Disconnected {
            let cause = progress.error.map(Into::into);
            return self.settle_once_gone(held, one, cause).await;
        }
        match reached {
            // It was read to its end before its first statement, and refused: nothing has begun.
            Reached::Begin if D::position(error).is_some_and(|at| at > whole.offset) => {
                let cause = failed::<D>(script, read, progress, whole.beginning, whole.offset);
                self.undone(held, one, 0, cause).await
            }
            Reached::Begin if failure == Failure::Refused => lost(one, 0),
            Reached::Begin => match progress.error {
                Some(error) if self.is_key_taken(failure) => {
                    drop(held);
                    self.key_is_taken(one, 0, error).await
                }
                Some(error) if failure == Failure::ReadOnly && one.waits => {
                    Tried::NoWriter(error.into())
                }
                error => not_run(error.map_or_else(|| "it did not begin".into(), Into::into)),
            },
            Reached::Script => {
                let cause = failed::<D>(script, read, progress, whole.beginning, whole.offset);
                self.fail(held, one, 0, Whence::Text, cause).await
            }
            Reached::Entry | Reached::Commit => match (progress.error, reached) {
                (Some(error), Reached::Entry) => self.not_entered(held, one, 0, error).await,
                (Some(error), _) => self.not_committed(held, one, 0, self.mode(), error).await,
                (None, _) => self.settle_once_gone(held, one, None).await,
            },
        }
    }

    /// The run did not wait for the server's answer.
    async fn interrupted(&self, mut held: Held<D>, one: &Try<'_>, ended: Ended<Progress>) -> Tried {
        let attempt = &one.attempts[0];
        cancel_transaction::<D>(self.database, &one.grant, attempt, &one.tag).await;
        if let Ended::Lost(reason) = ended {
            // The fence lets nothing in once the lock has another owner.
            return all_lost(one, 0, &reason);
        }
        // Whatever it comes to, the commit may have been before it.
        comes_to_rest::<D>(&mut held).await;
        let cause = ended.into_result().err();
        self.settle_once_gone(held, one, cause).await
    }

    /// A connection for the text. Where the entry is elsewhere, an attempt whose begin was not confirmed
    /// gets a tombstone: then one that was opened some time ago is asked whether it lives.
    async fn living_connection(&self) -> Result<Held<D>, sqlx::Error> {
        let mut held = self.connection().await?;
        let is_here = matches!(self.entry, SuccessEntry::Here(_));
        if !is_here && held.is_untested && held.ping().await.is_err() {
            drop(held);
            held = self.connection().await?;
        }
        Ok(held)
    }

    /// A connection that was not asked whether it lives answered nothing: if nothing has begun on it, the
    /// next one does. What was on its way still is looked for a second time.
    async fn may_not_have_begun(&self, held: Held<D>, one: &Try<'_>, cause: BoxError) -> Tried {
        drop(held);
        for _ in 0..2 {
            if !self.is_gone(one).await {
                return Tried::Ended(vec![Transacted::Unknown { cause }]);
            }
            match self.settled(one, 0).await {
                Settled::Visible(states) if states.is_empty() => {}
                Settled::Visible(_) | Settled::Unreachable => {
                    return self.settle_now(one, 0, cause).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::debug!(error = %chain(&cause), "the connection was dead: the change begins on another one");
        Tried::NotBegun
    }

    /// Whether the session of the transaction is gone.
    async fn is_gone(&self, one: &Try<'_>) -> bool {
        let (attempt, grant) = (&one.attempts[0], &one.grant);
        end_transaction::<D>(self.database, grant, attempt, &one.tag).await
    }

    /// Finds out on another connection what became of the transaction, once its session is gone:
    /// until then the server may still come to the commit.
    async fn settle_once_gone(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        cause: Option<BoxError>,
    ) -> Tried {
        drop(held);
        let cause = cause.unwrap_or_else(|| "the connection was lost".into());
        // A tombstone in the target system keeps a late commit out.
        if matches!(self.entry, SuccessEntry::Here(_)) && !self.is_gone(one).await {
            return Tried::Ended(vec![Transacted::Unknown { cause }]);
        }
        self.settle_now(one, 0, cause).await
    }
}
