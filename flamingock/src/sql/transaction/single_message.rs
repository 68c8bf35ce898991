//! A script in one message with its transaction: begin, the statements, their entry, commit.
//!
//! A server runs the statements of a message one after the other and stops at the first one that it
//! rejects, so the guarantees are those of the same statements sent one by one. Two marks among the
//! results show how far it came. There is one difference: the server continues when the connection
//! is lost, so the outcome of the transaction is read only after its session has ended.

use std::time::Instant;

use flamingock_sqlx_audit::{Behind, Failure, Progress};
use sqlx::Connection as _;

use super::conflict::ErrorSource;
use super::tries::{
    OpenTransaction, TransactionRunner, TryContext, TryOutcome, lock_lost, lock_lost_because,
    not_run,
};
use crate::change::script::Script;
use crate::sql::cancel::end_transaction;
use crate::sql::connection::{GuardedConnection, wait_until_idle};
use crate::sql::driver::Driver;
use crate::sql::in_doubt::InDoubtOutcome;
use crate::sql::run_script::script_error;
use crate::sql::timing::POLL_PAUSE;
use crate::statements;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

/// How far the server came in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// Not to the end of the statements that begin the transaction.
    Begin,
    /// To the script.
    Script,
    /// To the entry after it.
    Entry,
    /// To the commit.
    Commit,
    /// To its end.
    End,
}

/// A message, and facts about its parts.
struct Message {
    text: String,
    /// The column name of the marks.
    mark: String,
    /// The number of statements that begin the transaction.
    begin_statements: usize,
    /// The number of characters before the script.
    offset: usize,
    /// Whether the message has the entry and the commit.
    is_complete: bool,
    /// The number of statements of the script, if the answers to them are counted instead of marks.
    counted: Option<usize>,
    /// Whether its connection may have been dead already.
    may_be_dead: bool,
}

impl Message {
    fn reached(&self, progress: &Progress) -> Reached {
        let Some(behind_begin) = progress.answered.checked_sub(self.begin_statements) else {
            return Reached::Begin;
        };
        match (self.counted, progress.marks.len()) {
            (Some(script), _) => match behind_begin.checked_sub(script) {
                None => Reached::Script,
                Some(0) => Reached::Entry,
                Some(1) => Reached::Commit,
                Some(_) => Reached::End,
            },
            (None, 0) => Reached::Script,
            (None, 1) => Reached::Entry,
            (None, _) if progress.since_mark == 0 => Reached::Commit,
            (None, _) => Reached::End,
        }
    }
}

impl<D: Driver> TransactionRunner<'_, D> {
    pub(super) async fn run_single_message(
        &self,
        script: &'static Script,
        context: &mut TryContext<'_>,
    ) -> TryOutcome {
        // The plan has checked the script. A problem at this point is an error of the plan.
        if let Some(problem) = script.problem(D::KIND, true) {
            return not_run(problem.to_string().into());
        }
        let read = match script.read(D::KIND) {
            Ok(read) => read,
            Err(error) => return not_run(error.into()),
        };
        let mut connection = match self.live_connection().await {
            Ok(connection) => connection,
            Err(error) => return not_run(error.into()),
        };
        let may_be_dead = connection.may_be_dead;
        context.session_mark = self.mark_of_reversible(&connection, &read);
        (self.on_begin)(0);
        context.attempts[0].began = Instant::now();
        let message = self.message(&read, script, context, may_be_dead);
        let work = async {
            let progress = D::run(&mut connection, message.text.clone(), &message.mark).await;
            Ok::<Progress, BoxError>(progress)
        };
        let ended = self.parts[0].invocation.watch(work).await;
        let open = OpenTransaction {
            connection,
            context,
            at: 0,
        };
        match ended {
            Ended::Returned(Ok(progress)) => {
                self.end_answered_message(open, script, &read, &message, progress)
                    .await
            }
            ended => self.end_interrupted_message(open, ended).await,
        }
    }

    /// Returns the mark of the session, if the statements of the script cannot commit: then the
    /// transaction needs no witness, and each statement has one answer. The other files that used
    /// the connection, and the code that the database runs for them, are known not to commit either.
    fn mark_of_reversible(
        &self,
        connection: &GuardedConnection<D>,
        read: &statements::Script<'_>,
    ) -> Option<String> {
        let is_here = matches!(self.placement, AuditPlacement::SameDatabase);
        let is_reversible = is_here && statements::changes_only_rows(read);
        connection.mark.clone().filter(|_| is_reversible)
    }

    fn message(
        &self,
        read: &statements::Script<'_>,
        script: &Script,
        context: &TryContext<'_>,
        may_be_dead: bool,
    ) -> Message {
        let ledger = &self.database.ledger;
        let reversible = context.session_mark.as_ref();
        let reversible = reversible.and_then(|_| ledger.begin_reversible(&context.tag));
        let counted = reversible.as_ref().map(|_| read.statements.len());
        let begin_statements = reversible.unwrap_or_else(|| {
            let mut statements = self.begin_statements(context);
            statements.extend(ledger.note_time().map(str::to_owned));
            statements
        });
        let mark = format!("flamingock_{}", context.tag);
        let entry = match self.placement {
            AuditPlacement::SameDatabase => {
                let behind = Behind {
                    rows: &[self.row(context, 0)],
                    witness: &self.witness(context, 0),
                    is_last: true,
                };
                Some(ledger.text_within(&context.grant, behind, &context.tag))
            }
            AuditPlacement::OtherDatabase { .. } => {
                ledger.mark_text_within(&context.marker, &context.tag)
            }
            // A file does not work in batches.
            AuditPlacement::Progress { .. } => None,
        };
        let before = format!("{};\n", begin_statements.join("; "));
        let is_complete = entry.is_some();
        let marked = match counted {
            Some(_) => String::new(),
            None => format!("SELECT 1 AS {mark} LIMIT 1;\n"),
        };
        let behind = entry.map_or_else(String::new, |entry| format!("{entry};\n{marked}COMMIT"));
        let sql = D::as_message(read, script.text);
        let text = format!("{before}{sql}\n;\n{marked}{behind}");
        Message {
            text: text.trim_end_matches(";\n").to_owned(),
            mark,
            begin_statements: begin_statements.len(),
            offset: before.chars().count(),
            is_complete,
            counted,
            may_be_dead,
        }
    }

    /// The server has answered: all of it is done, or a statement was rejected.
    async fn end_answered_message(
        &self,
        open: OpenTransaction<'_, D>,
        script: &'static Script,
        read: &statements::Script<'_>,
        message: &Message,
        progress: Progress,
    ) -> TryOutcome {
        let reached = message.reached(&progress);
        let Some(error) = &progress.error else {
            return match reached {
                Reached::Entry if !message.is_complete => self.append_and_commit(open).await,
                Reached::End => self.end_committed(open, &self.mode()).await,
                // Missing results are treated as a lost answer.
                Reached::Begin | Reached::Script | Reached::Entry | Reached::Commit => {
                    self.resolve_once_session_ended(open, None).await
                }
            };
        };
        let failure = D::classify(error);
        if failure == Failure::Disconnected && message.may_be_dead && progress.answered == 0 {
            let error = progress.error;
            let cause = error.map_or_else(|| "it did not begin".into(), Into::into);
            return self.retry_unless_begun(open, cause).await;
        }
        if failure == Failure::Disconnected {
            let cause = progress.error.map(Into::into);
            return self.resolve_once_session_ended(open, cause).await;
        }
        let script_failed = |progress| {
            let (statements, characters) = (message.begin_statements, message.offset);
            script_error::<D>(script, read, progress, statements, characters)
        };
        match reached {
            // The server parsed the whole message and rejected it: nothing has begun.
            Reached::Begin if D::position(error).is_some_and(|at| at > message.offset) => {
                let cause = script_failed(progress);
                self.record_rollback(open, cause).await
            }
            Reached::Begin if failure == Failure::Refused => lock_lost(open.context, 0),
            Reached::Begin => match progress.error {
                Some(error) if self.is_marker_conflict(failure) => {
                    drop(open.connection);
                    self.end_marker_conflict(open.context, 0, error).await
                }
                Some(error) if failure == Failure::ReadOnly && open.context.waits_for_writer => {
                    TryOutcome::NoWriter(error.into())
                }
                error => not_run(error.map_or_else(|| "it did not begin".into(), Into::into)),
            },
            Reached::Script => {
                let cause = script_failed(progress);
                self.end_failed_change(open, ErrorSource::Script, cause)
                    .await
            }
            Reached::Entry | Reached::Commit | Reached::End => match (progress.error, reached) {
                (Some(error), Reached::Entry) => self.end_refused_entry(open, error).await,
                (Some(error), _) => self.end_refused_commit(open, self.mode(), error).await,
                (None, _) => self.resolve_once_session_ended(open, None).await,
            },
        }
    }

    /// The message was dropped before the server answered.
    async fn end_interrupted_message(
        &self,
        mut open: OpenTransaction<'_, D>,
        ended: Ended<Progress>,
    ) -> TryOutcome {
        self.cancel(open.context, 0).await;
        if let Ended::Lost(reason) = ended {
            // The fencing check rejects the entry once the lock has another owner.
            return lock_lost_because(open.context, 0, &reason);
        }
        // The commit may have been executed before, in any case.
        wait_until_idle::<D>(&mut open.connection).await;
        let cause = ended.into_result().err();
        self.resolve_once_session_ended(open, cause).await
    }

    /// Returns a connection for the message. If the entry is in another database, an attempt
    /// without a confirmed begin gets a tombstone. So a connection that was opened some time ago is
    /// checked first.
    async fn live_connection(&self) -> Result<GuardedConnection<D>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let is_here = matches!(self.placement, AuditPlacement::SameDatabase);
        if !is_here && connection.may_be_dead {
            if connection.ping().await.is_err() {
                drop(connection);
                connection = self.connection().await?;
            }
            connection.may_be_dead = false;
        }
        Ok(connection)
    }

    /// An unchecked connection returned nothing. If nothing has begun on it, the change is tried
    /// again on the next one. The outcome is read twice, because the message may still have been on
    /// its way.
    async fn retry_unless_begun(
        &self,
        open: OpenTransaction<'_, D>,
        cause: BoxError,
    ) -> TryOutcome {
        drop(open.connection);
        for _ in 0..2 {
            if !self.end_session(open.context).await {
                return TryOutcome::Ended(vec![TransactionOutcome::Unknown { cause }]);
            }
            match self.in_doubt_outcome(open.context, 0).await {
                InDoubtOutcome::Visible(states) if states.is_empty() => {}
                InDoubtOutcome::Visible(_) | InDoubtOutcome::Unreachable => {
                    return self.resolve_after_session(open.context, 0, cause).await;
                }
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        tracing::debug!(error = %chain(&cause), "the connection was dead: the change begins on another one");
        TryOutcome::NotBegun
    }

    /// Ends the session of the transaction. Returns whether it has ended.
    async fn end_session(&self, context: &TryContext<'_>) -> bool {
        end_transaction::<D>(self.database, context.session(0)).await
    }

    /// Determines the outcome of the transaction on another connection, once its session has ended:
    /// until then the server may still reach the commit.
    async fn resolve_once_session_ended(
        &self,
        open: OpenTransaction<'_, D>,
        cause: Option<BoxError>,
    ) -> TryOutcome {
        drop(open.connection);
        let cause = cause.unwrap_or_else(|| "the connection was lost".into());
        // A tombstone in the target system prevents a late commit.
        if matches!(self.placement, AuditPlacement::SameDatabase)
            && !self.end_session(open.context).await
        {
            return TryOutcome::Ended(vec![TransactionOutcome::Unknown { cause }]);
        }
        self.resolve_after_session(open.context, 0, cause).await
    }
}
