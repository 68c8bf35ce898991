//! Running changes in one transaction: with their audit entries if these are in the same database,
//! otherwise with a marker. All of it is committed, or nothing. A single change is a list of one.
//!
//! ```text
//! begin, change 1, entry 1, change 2, entry 2, .., commit
//! ```
//!
//! Each entry follows its change, so that the audit is right if a database commits midway. Files of
//! SQL cannot cause that on PostgreSQL and SQLite, so the entries of consecutive files follow the
//! last of these files.

use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Failure, Isolation, Witness};
use rand::RngExt;

use super::blocker::Blocker;
use super::tries::{
    OpenTransaction, TransactionRunner, TryContext, TryOutcome, lock_lost, not_run,
};
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::TransactionMode;
use crate::change::client::Client;
use crate::change::script::Script;
use crate::lock::stop::StopReason;
use crate::sql::connection::GuardedConnection;
use crate::sql::driver::Driver;
use crate::sql::marker::{marker_of, remove};
use crate::sql::rows;
use crate::sql::timing::POLL_PAUSE;
use crate::target::database::{AuditPlacement, Ending, TransactionOutcome};
use crate::target::invocation::Limits;
use crate::util::database_kind::DatabaseKind;
use crate::util::error_chain::chain;

/// How often a transaction that lost a conflict is tried again.
const RETRIES: u32 = 3;

impl<D: Driver> TransactionRunner<'_, D> {
    /// Runs the changes, and tries again after a conflict with another transaction. Only the last
    /// try is recorded. Returns how each change ended, and how many tries were lost.
    pub(crate) async fn run(&self) -> (Vec<Ending>, u32) {
        let mut all: Vec<Ending> = self.parts.iter().map(|_| None).collect();
        let key = match self.placement {
            AuditPlacement::SameDatabase | AuditPlacement::Progress { .. } => {
                rand::rng().random_range(1..i64::MAX)
            }
            AuditPlacement::OtherDatabase { key, .. } => key,
        };
        let (mut first, mut retries) = (0, 0);
        let deadline = Instant::now() + self.database.ledger.patience();
        while first < self.parts.len() {
            let mut context = self.next_try(first, key, retries == RETRIES, deadline);
            let blocker_query = self.blocker_query(&context);
            let outcome = tokio::select! {
                biased;
                outcome = self.run_try(&mut context) => outcome,
                never = self.look_for_blocker(blocker_query) => match never {},
            };
            let took = |index: usize| {
                let attempt: &Attempt<'_> = &context.attempts[index];
                attempt.took.unwrap_or_else(|| attempt.began.elapsed())
            };
            match outcome {
                TryOutcome::Ended(ended) => {
                    for (index, ended) in (first..).zip(ended) {
                        if matches!(ended, TransactionOutcome::LeftBehind { .. }) {
                            self.remove_witness(key).await;
                        }
                        all[index] = Some((ended, took(index)));
                    }
                    break;
                }
                TryOutcome::CommittedMidway(at) => {
                    for (index, place) in all.iter_mut().enumerate().take(at + 1).skip(first) {
                        let mode = if index == at {
                            TransactionMode::None
                        } else {
                            self.mode()
                        };
                        *place = Some((TransactionOutcome::Done { mode }, took(index)));
                    }
                    first = at + 1;
                }
                TryOutcome::NotBegun => {}
                TryOutcome::Conflict(cause) => {
                    retries += 1;
                    tracing::info!(
                        change = context.attempts[first].definition.id,
                        changes = self.parts.len() - first,
                        cause = %chain(&cause),
                        "the transaction lost against another one and is tried again"
                    );
                    pause_before_retry(retries).await;
                }
                TryOutcome::NoWriter(cause) => {
                    tracing::info!(
                        change = context.attempts[first].definition.id,
                        cause = %chain(&cause),
                        "the server is read-only: the change is tried again on the new primary"
                    );
                    tokio::time::sleep(POLL_PAUSE).await;
                }
            }
        }
        (all, retries)
    }

    fn next_try(&self, first: usize, key: i64, is_last: bool, deadline: Instant) -> TryContext<'_> {
        let is_wanted = self.parts[first].invocation.signals.now() == StopReason::No;
        let attempts: Vec<Attempt<'_>> =
            self.parts.iter().map(|part| part.attempt.clone()).collect();
        let started = attempts.iter();
        let started = started.map(|attempt| rows::new_row(&attempt.started(self.mode())));
        TryContext {
            first,
            tag: format!("{:016x}", rand::rng().random::<u64>()),
            grant: rows::grant(attempts[first].grant),
            is_last,
            blocker: Blocker::default(),
            waits_for_writer: is_wanted && Instant::now() < deadline,
            started_rows: started.collect(),
            marker: marker_of(&attempts[first], key),
            session_mark: None,
            attempts,
        }
    }

    /// Begins, runs the changes, and commits.
    async fn run_try(&self, context: &mut TryContext<'_>) -> TryOutcome {
        if let Some(script) = self.single_message_script() {
            return self.run_single_message(script, context).await;
        }
        match self.begin_and_call(context).await {
            Ok((connection, None)) => {
                let at = self.parts.len() - 1;
                let open = OpenTransaction {
                    connection,
                    context,
                    at,
                };
                self.commit(open, self.mode()).await
            }
            Ok((connection, Some(failure))) => self.end_failed(connection, context, failure).await,
            Err(error) if D::classify(&error) == Failure::Refused => {
                lock_lost(context, context.first)
            }
            Err(error) if self.is_marker_conflict(D::classify(&error)) => {
                self.end_marker_conflict(context, context.first, error)
                    .await
            }
            Err(error) => not_run(error.into()),
        }
    }

    /// Returns the statements that open the transaction.
    pub(super) fn begin_statements(&self, context: &TryContext<'_>) -> Vec<String> {
        let ledger = &self.database.ledger;
        let (grant, witness) = (&context.grant, self.witness(context, context.first));
        let mut texts = if self.parts.len() > 1 {
            ledger.begin_together(grant, &witness, &context.tag)
        } else {
            ledger.begin(grant, &witness, &context.tag)
        };
        texts.extend(self.clear_progress(context));
        if let Some(limits) = D::limits(&self.limits(context.first), true) {
            texts.extend(limits.split("; ").map(str::to_owned));
        }
        texts
    }

    /// Returns the statement that forgets the progress of a change that is rolled back.
    fn clear_progress(&self, context: &TryContext<'_>) -> Option<String> {
        let definition = context.attempts[context.first].definition;
        let is_rollback = matches!(self.purpose, Purpose::Rollback | Purpose::Undo);
        // In another database, the next attempt does that: the table may not exist there.
        let is_here = matches!(self.placement, AuditPlacement::SameDatabase);
        (is_rollback && is_here && definition.body.cursor().is_some()).then(|| {
            let ledger = &self.database.ledger;
            ledger.clear_progress_text(&context.grant, definition.id)
        })
    }

    /// Returns the limits for the statements of a change. On a database where other statements
    /// queue behind a waiting one, the runner's limit for locks applies, unless the change has one
    /// or the session's is shorter.
    pub(super) fn limits(&self, at: usize) -> Limits {
        let own = self.parts[at].invocation.limits;
        let default = self.database.lock_timeout.filter(|limit| {
            let session = self.database.ledger.lock_timeout();
            D::LOCKS_QUEUE && session.is_none_or(|session| session > *limit)
        });
        Limits {
            lock: own.lock.or(default),
            ..own
        }
    }

    pub(super) fn witness<'b>(&self, context: &'b TryContext<'_>, at: usize) -> Witness<'b> {
        match (self.purpose, &self.placement) {
            (
                _,
                AuditPlacement::Progress {
                    batch, holds_audit, ..
                },
            ) => Witness::Progress {
                owner: context.progress_owner(*holds_audit),
                batch: batch.number,
            },
            _ if context.session_mark.is_some() => Witness::Unneeded,
            (_, AuditPlacement::SameDatabase) if self.database.ledger.dialect().has_one_writer => {
                Witness::Lease
            }
            (Purpose::Apply | Purpose::Batch | Purpose::Undo, AuditPlacement::SameDatabase) => {
                Witness::Row(&context.started_rows[at])
            }
            (Purpose::Rollback, AuditPlacement::SameDatabase) => Witness::Marker {
                marker: &context.marker,
                holds_lock: true,
            },
            (_, AuditPlacement::OtherDatabase { .. }) => Witness::Marker {
                marker: &context.marker,
                holds_lock: false,
            },
        }
    }

    /// Removes the witness marker of an attempt that was committed midway and is recorded as such.
    async fn remove_witness(&self, key: i64) {
        let witnessed = self.database.ledger.dialect().isolation == Isolation::Witnessed;
        let is_marker = matches!(self.purpose, Purpose::Rollback);
        if witnessed && is_marker && matches!(self.placement, AuditPlacement::SameDatabase) {
            remove(self.database, &self.parts[0].attempt, key).await;
        }
    }

    pub(super) fn mode(&self) -> TransactionMode {
        match self.placement {
            AuditPlacement::SameDatabase
            | AuditPlacement::Progress {
                holds_audit: true, ..
            } => TransactionMode::Shared,
            AuditPlacement::OtherDatabase { .. } | AuditPlacement::Progress { .. } => {
                TransactionMode::Separate
            }
        }
    }

    /// Returns the script of the only change, if it is sent in one message with its begin, entry
    /// and commit.
    pub(super) fn single_message_script(&self) -> Option<&'static Script> {
        let [only] = self.parts else {
            return None;
        };
        let script = only.body.script().filter(|_| D::SINGLE_MESSAGE);
        script.filter(|script| script.fits_one_message(D::KIND, D::MAX_SCRIPT_BYTES))
    }

    /// Returns the client whose session options apply. Changes that were written for different
    /// clients share the options of the pool.
    pub(super) fn client(&self) -> Client {
        let mut clients = self.parts.iter().map(|part| part.body.client());
        let first = clients.next().unwrap_or_default();
        match clients.all(|client| client == first) {
            true => first,
            false => Client::Pool,
        }
    }

    /// Reports whether all changes are files that neither set nor read session state. On a server,
    /// that is one file in a single-message transaction. On MySQL and MariaDB it also has no
    /// limits, because these would stay on the session.
    fn leaves_session_alone(&self) -> bool {
        let leaves_nothing = match D::KIND {
            DatabaseKind::Sqlite => true,
            DatabaseKind::Postgres => self.single_message_script().is_some(),
            DatabaseKind::MySql => {
                self.single_message_script().is_some() && !self.parts[0].invocation.is_limited()
            }
        };
        leaves_nothing
            && self.parts.iter().all(|part| {
                let script = part.body.script();
                script.is_some_and(|script| script.leaves_session_alone(D::KIND))
            })
    }

    /// Returns a connection that no change used, or only files that leave the session alone.
    pub(super) async fn connection(&self) -> Result<GuardedConnection<D>, sqlx::Error> {
        let (cache, client) = (&self.database.cache, self.client());
        match self.leaves_session_alone() {
            true => {
                let run_id = &self.parts[0].attempt.grant.run_id;
                cache
                    .acquire_for_file(&self.database.pool, client, run_id)
                    .await
            }
            false => cache.acquire(&self.database.pool, client).await,
        }
    }

    /// Closes the connection after the change, or caches it for the next file.
    pub(super) async fn release(&self, connection: GuardedConnection<D>) {
        let cache = &self.database.cache;
        if connection.is_for_files {
            cache.cache_for_files(connection, self.client());
        } else {
            cache.close(connection).await;
        }
    }
}

/// Pauses before a try that follows this number of lost ones.
async fn pause_before_retry(retries: u32) {
    let pause = Duration::from_millis(20) * 2_u32.pow(retries);
    let jitter = rand::rng().random_range(0.5..1.5);
    tokio::time::sleep(pause.mul_f64(jitter)).await;
}
