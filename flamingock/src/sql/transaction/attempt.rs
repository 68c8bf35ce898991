//! Changes in one transaction: with their audit entries where those are in the same database, else with
//! a marker. All of it is committed, or nothing. A single change is a batch of one.
//!
//! ```text
//! begin, change 1, entry 1, change 2, entry 2, .., commit
//! ```
//!
//! Each entry stands behind its change: what a database commits midway is on record as it is. Files of
//! SQL cannot do that on PostgreSQL and SQLite, so that their entries stand behind all of those that
//! follow each other.

use crate::sql::transaction::batch::{SuccessEntry, Transact, Tried, Try, lost, not_run};
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Failure, Isolation, Witness};
use rand::RngExt;

use super::blocker::Blocker;
use super::call::Broke;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::TransactionMode;
use crate::change::client::Client;
use crate::change::script::Script;
use crate::lock::stop::StopReason;
use crate::sql::connection::Held;
use crate::sql::driver::Driver;
use crate::sql::marker::{marker_of, remove};
use crate::sql::rows;
use crate::sql::timing::PAUSE;
use crate::target::database::{Ending, Transacted};
use crate::target::invocation::Limits;
use crate::util::database_kind::DatabaseKind;
use crate::util::error_chain::chain;

/// How often a transaction that lost against another is tried again.
const RETRIES: u32 = 3;

impl<D: Driver> Transact<'_, D> {
    /// Tries again what lost against another transaction; only the last try is recorded. Answers how
    /// each change ended, and how many tries were lost.
    pub(crate) async fn run(&self) -> (Vec<Ending>, u32) {
        let mut all: Vec<Ending> = self.parts.iter().map(|_| None).collect();
        let key = match self.entry {
            SuccessEntry::Here(_) => rand::rng().random_range(1..i64::MAX),
            SuccessEntry::Elsewhere { key, .. } => key,
        };
        let (mut first, mut retries) = (0, 0);
        let deadline = Instant::now() + self.database.ledger.patience();
        while first < self.parts.len() {
            let mut one = self.try_from(first, key, retries == RETRIES, deadline);
            let looking = self.looking(&one);
            let tried = tokio::select! {
                biased;
                tried = self.attempt(&mut one) => tried,
                never = self.look_for_blocker(looking) => match never {},
            };
            let took = |index: usize| {
                let attempt: &Attempt<'_> = &one.attempts[index];
                attempt.took.unwrap_or_else(|| attempt.began.elapsed())
            };
            match tried {
                Tried::Ended(ended) => {
                    for (index, ended) in (first..).zip(ended) {
                        if matches!(ended, Transacted::LeftBehind { .. }) {
                            self.forget_witness(key).await;
                        }
                        all[index] = Some((ended, took(index)));
                    }
                    break;
                }
                Tried::CommittedMidway(at) => {
                    for (index, place) in all.iter_mut().enumerate().take(at + 1).skip(first) {
                        let mode = if index == at {
                            TransactionMode::None
                        } else {
                            self.mode()
                        };
                        *place = Some((Transacted::Done { mode }, took(index)));
                    }
                    first = at + 1;
                }
                Tried::NotBegun => {}
                Tried::Conflict(cause) => {
                    retries += 1;
                    tracing::info!(
                        change = one.attempts[first].definition.id,
                        changes = self.parts.len() - first,
                        cause = %chain(&cause),
                        "the transaction lost against another one and is tried again"
                    );
                    rest_before_retry(retries).await;
                }
                Tried::NoWriter(cause) => {
                    tracing::info!(
                        change = one.attempts[first].definition.id,
                        cause = %chain(&cause),
                        "the server takes no writes: the change is tried again at the next writer"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        (all, retries)
    }

    fn try_from(&self, first: usize, key: i64, last: bool, deadline: Instant) -> Try<'_> {
        let is_wanted = self.parts[first].invocation.signals.now() == StopReason::No;
        let attempts: Vec<Attempt<'_>> =
            self.parts.iter().map(|part| part.attempt.clone()).collect();
        let started = attempts.iter();
        let started = started.map(|attempt| rows::new_row(&attempt.started(self.mode())));
        Try {
            first,
            tag: format!("{:016x}", rand::rng().random::<u64>()),
            grant: rows::grant(attempts[first].grant),
            last,
            blocker: Blocker::default(),
            waits: is_wanted && Instant::now() < deadline,
            started: started.collect(),
            marker: marker_of(&attempts[first], key),
            attempts,
        }
    }

    /// Begins, does everything, and commits.
    async fn attempt(&self, one: &mut Try<'_>) -> Tried {
        if let Some(script) = self.one_text() {
            return self.attempt_in_one_text(script, one).await;
        }
        match self.begin_and_call(one).await {
            Ok((held, None)) => {
                let last = self.parts.len() - 1;
                self.commit(held, one, last, self.mode()).await
            }
            Ok((held, Some(Broke::Change { at, ended }))) => self.broke(held, one, at, ended).await,
            Ok((held, Some(Broke::Entry { at, error }))) => {
                self.not_entered(held, one, at, error).await
            }
            Err(error) if D::classify(&error) == Failure::Refused => lost(one, one.first),
            Err(error) if self.is_key_taken(D::classify(&error)) => {
                self.key_is_taken(one, one.first, error).await
            }
            Err(error) => not_run(error.into()),
        }
    }

    /// What opens the transaction.
    pub(super) fn beginning(&self, one: &Try<'_>) -> Vec<String> {
        let ledger = &self.database.ledger;
        let (grant, witness) = (&one.grant, self.witness(one, one.first));
        let mut texts = if self.parts.len() > 1 {
            ledger.begin_together(grant, &witness, &one.tag)
        } else {
            ledger.begin(grant, &witness, &one.tag)
        };
        if let Some(limits) = D::limits(&self.limits(one.first), true) {
            texts.extend(limits.split("; ").map(str::to_owned));
        }
        texts
    }

    /// How long the statements of a change may wait and take: unless it says so itself, they wait no
    /// longer for a lock than the runner or the session says, where others queue behind them.
    pub(super) fn limits(&self, at: usize) -> Limits {
        let own = self.parts[at].invocation.limits;
        let default = self.database.lock_timeout.filter(|limit| {
            let session = self.database.ledger.lock_timeout();
            D::QUEUES && session.is_none_or(|session| session > *limit)
        });
        Limits {
            lock: own.lock.or(default),
            ..own
        }
    }

    pub(super) fn witness<'b>(&self, one: &'b Try<'_>, at: usize) -> Witness<'b> {
        match (self.purpose, &self.entry) {
            (_, SuccessEntry::Here(_)) if self.database.ledger.dialect().has_one_writer => {
                Witness::Lease
            }
            (Purpose::Apply | Purpose::Undo, SuccessEntry::Here(_)) => {
                Witness::Row(&one.started[at])
            }
            (Purpose::Rollback, SuccessEntry::Here(_)) | (_, SuccessEntry::Elsewhere { .. }) => {
                Witness::Marker(&one.marker)
            }
        }
    }

    /// Removes the witness marker of an attempt that was committed midway and is on record as that.
    async fn forget_witness(&self, key: i64) {
        let witnessed = self.database.ledger.dialect().isolation == Isolation::Witnessed;
        let is_marker = matches!(self.purpose, Purpose::Rollback);
        if witnessed && is_marker && matches!(self.entry, SuccessEntry::Here(_)) {
            remove(self.database, &self.parts[0].attempt, key).await;
        }
    }

    pub(super) fn mode(&self) -> TransactionMode {
        match self.entry {
            SuccessEntry::Here(_) => TransactionMode::Shared,
            SuccessEntry::Elsewhere { .. } => TransactionMode::Separate,
        }
    }

    /// The only change, if it is a script that goes in one text with everything around it.
    pub(super) fn one_text(&self) -> Option<&'static Script> {
        let [only] = self.parts else {
            return None;
        };
        let script = only.body.script().filter(|_| D::ONE_TEXT);
        script.filter(|script| script.is_one_text(D::KIND, D::LONGEST_SCRIPT))
    }

    /// Under whose session options they run: changes that are written for different clients share those of
    /// the pool.
    pub(super) fn client(&self) -> Client {
        let mut clients = self.parts.iter().map(|part| part.body.client());
        let first = clients.next().unwrap_or_default();
        match clients.all(|client| client == first) {
            true => first,
            false => Client::Pool,
        }
    }

    /// Whether all of them are files that leave their session alone. On a server, it is one file in a
    /// single-message transaction, and on MySQL and MariaDB one without limits, which would stay on the session.
    fn leaves_session_alone(&self) -> bool {
        let leaves_nothing = match D::KIND {
            DatabaseKind::Sqlite => true,
            DatabaseKind::Postgres => self.one_text().is_some(),
            DatabaseKind::MySql => {
                self.one_text().is_some() && !self.parts[0].invocation.is_limited()
            }
        };
        leaves_nothing
            && self.parts.iter().all(|part| {
                let script = part.body.script();
                script.is_some_and(|script| script.leaves_session_alone(D::KIND))
            })
    }

    /// A connection on which nothing has worked, or only files that leave their session alone.
    pub(super) async fn connection(&self) -> Result<Held<D>, sqlx::Error> {
        let (kept, client) = (&self.database.kept, self.client());
        match self.leaves_session_alone() {
            true => kept.take_for_files(&self.database.pool, client).await,
            false => kept.take(&self.database.pool, client).await,
        }
    }

    /// The session ends with its change, unless it is for the next file, too.
    pub(super) async fn give_back(&self, held: Held<D>) {
        let kept = &self.database.kept;
        if held.is_of_files {
            kept.keep_for_files(held, self.client());
        } else {
            kept.close(held).await;
        }
    }
}

/// How long to rest before a transaction is tried again that lost for the so-manieth time.
async fn rest_before_retry(retries: u32) {
    let pause = Duration::from_millis(20) * 2_u32.pow(retries);
    let jitter = rand::rng().random_range(0.5..1.5);
    tokio::time::sleep(pause.mul_f64(jitter)).await;
}
