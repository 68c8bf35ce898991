//! Several changes in one transaction: all of them are committed, or none.
//!
//! ```text
//! begin, change 1, entry 1, change 2, entry 2, .., commit
//! ```
//!
//! Each entry stands behind its change: what a database commits midway is on record as it is. Files of
//! SQL cannot do that on PostgreSQL and SQLite, so that their entries stand behind all of those that
//! follow each other.

mod ending;
mod scripts;
mod undone;

use std::ops::Range;
use std::time::Instant;

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Failure, Marker, NewAuditRow, Several, Witness};
use sqlx::Transaction;

use super::beginning::{Inside, begin_and_do};
use super::{
    ENDED, NESTED, RETRIES, SuccessEntry, Transact, Try, is_deeper, lost_reason, marker_of,
    new_tag, rest_before_retry,
};
use crate::attempt::{Attempt, Purpose};
use crate::audit::TransactionMode;
use crate::call::{Ended, chain};
use crate::change::BoxError;
use crate::database::{Ending, Part, Transacted};
use crate::sql::SqlDatabase;
use crate::sql::driver::Driver;
use crate::sql::rows;
use crate::sql::store::SqlStore;

/// Changes that share a transaction in the database of the audit.
pub(in crate::sql) struct Together<'a, D: Driver> {
    pub(in crate::sql) database: &'a SqlDatabase<D>,
    pub(in crate::sql) store: &'a SqlStore<D>,
    pub(in crate::sql) parts: &'a [Part<'a>],
    /// Is told which change begins.
    pub(in crate::sql) begins: &'a (dyn Fn(usize) + Sync),
}

/// One try at those that are not committed yet.
struct Round<'a> {
    /// The first of them.
    first: usize,
    tag: String,
    possession: leaf::Possession,
    last: bool,
    /// Of all changes, with the times of this try.
    attempts: Vec<Attempt<'a>>,
    /// What the witnesses of the changes say.
    started: Vec<NewAuditRow>,
    /// No change of these has a marker.
    marker: Marker,
}

/// How a try ended.
enum Rounded {
    /// The outcomes from its first change on; the changes behind these were not reached.
    Ended(Vec<Transacted>),
    /// The database committed in the middle of this change, which went on to its end: it and all
    /// before it are applied.
    CommittedMidway(usize),
    /// The transaction lost against another one, and nothing of it is left.
    Conflict(BoxError),
}

/// Where a transaction did not go on.
enum Broke {
    /// The change did not succeed.
    Change { at: usize, ended: Ended<()> },
    /// The database refused the change's entry, or what stands before the next change.
    Entry { at: usize, error: sqlx::Error },
}

impl<D: Driver> Together<'_, D> {
    /// Tries again what lost against another transaction. Answers also how many tries were lost.
    pub(in crate::sql) async fn run(&self) -> (Vec<Ending>, u32) {
        let mut all: Vec<Ending> = self.parts.iter().map(|_| None).collect();
        let (mut first, mut retries) = (0, 0);
        while first < self.parts.len() {
            let mut round = self.round_from(first, retries == RETRIES);
            let rounded = self.attempt(&mut round).await;
            let took = |index: usize| {
                let attempt: &Attempt<'_> = &round.attempts[index];
                attempt.took.unwrap_or_else(|| attempt.began.elapsed())
            };
            match rounded {
                Rounded::Ended(ended) => {
                    for (index, ended) in (first..).zip(ended) {
                        all[index] = Some((ended, took(index)));
                    }
                    break;
                }
                Rounded::CommittedMidway(at) => {
                    for (index, place) in all.iter_mut().enumerate().take(at + 1).skip(first) {
                        let mode = if index == at {
                            TransactionMode::None
                        } else {
                            TransactionMode::Shared
                        };
                        *place = Some((Transacted::Done { mode }, took(index)));
                    }
                    first = at + 1;
                }
                Rounded::Conflict(cause) => {
                    retries += 1;
                    tracing::info!(
                        changes = self.parts.len() - first,
                        cause = %chain(&cause),
                        "the transaction lost against another one and is tried again"
                    );
                    rest_before_retry(retries).await;
                }
            }
        }
        (all, retries)
    }

    fn round_from(&self, first: usize, last: bool) -> Round<'_> {
        let attempts: Vec<Attempt<'_>> =
            self.parts.iter().map(|part| part.attempt.clone()).collect();
        let started = attempts
            .iter()
            .map(|attempt| rows::new_row(&attempt.started(TransactionMode::Shared)));
        Round {
            first,
            tag: new_tag(),
            possession: rows::possession(attempts[first].possession),
            last,
            started: started.collect(),
            marker: marker_of(&attempts[first], 0),
            attempts,
        }
    }

    /// Begins, does everything, and commits.
    async fn attempt(&self, round: &mut Round<'_>) -> Rounded {
        let ledger = &self.database.ledger;
        let witness = self.witness(round, round.first);
        let text = ledger.begin_together(&round.possession, &witness, &round.tag);
        let mut going = Going {
            together: self,
            round,
        };
        let begun = begin_and_do(self.database, text, &mut going).await;
        match begun {
            Ok((held, None)) => self.commit(held, round).await,
            Ok((held, Some(broke))) => self.broke(held, round, broke).await,
            Err(error) if D::classify(&error) == Failure::Refused => self.lost(round, round.first),
            Err(error) => Rounded::Ended(vec![Transacted::NotRun {
                cause: error.into(),
            }]),
        }
    }

    fn witness<'b>(&self, round: &'b Round<'_>, at: usize) -> Witness<'b> {
        if self.database.ledger.dialect().has_one_writer {
            Witness::Lease
        } else {
            Witness::Row(&round.started[at])
        }
    }

    /// One of the changes as if it were alone.
    fn alone<'b>(&'b self, round: &'b Round<'_>, at: usize) -> Transact<'b, D> {
        let part = &self.parts[at];
        Transact {
            database: self.database,
            entry: SuccessEntry::Here(self.store),
            attempt: &round.attempts[at],
            body: part.body,
            invocation: &part.invocation,
            purpose: Purpose::Apply,
        }
    }

    fn try_of<'b>(&self, round: &'b Round<'_>, at: usize) -> Try<'b> {
        Try {
            tag: round.tag.clone(),
            witness: self.witness(round, at),
            marker: &round.marker,
            possession: round.possession.clone(),
            last: round.last,
        }
    }

    /// The row of a change's success.
    fn row(&self, round: &Round<'_>, at: usize) -> NewAuditRow {
        let success = Purpose::Apply.success();
        let attempt = &round.attempts[at];
        let mut row = rows::new_row(&attempt.entry(success, TransactionMode::Shared, None));
        let since = |took| attempt.began.elapsed().saturating_sub(took);
        row.ended_ago = attempt.took.map(since).unwrap_or_default();
        row
    }

    /// Appends the entries of changes that have ended, and what stands before the next one: it also lifts
    /// the limit behind a text.
    async fn enter(
        &self,
        transaction: &mut Transaction<'_, D::Database>,
        round: &Round<'_>,
        range: Range<usize>,
        lift: Option<&str>,
    ) -> Result<(), Broke> {
        let ledger = &self.database.ledger;
        let next = range.end;
        let is_last = next == self.parts.len();
        let is_in_text = || ledger.clock_in_text().is_none() && self.scripts_from(next) > 0;
        let mut before_next = Vec::new();
        if !is_last && !is_in_text() {
            let witness = self.witness(round, next);
            before_next = ledger.next_together(&round.possession, &witness, &round.tag);
            before_next.extend(lift.map(str::to_owned));
        }
        let rows: Vec<_> = range.map(|at| self.row(round, at)).collect();
        let several = Several {
            rows: &rows,
            is_last,
        };
        ledger
            .append_together(
                transaction,
                &round.possession,
                self.store.lease(),
                several,
                before_next,
                &round.tag,
            )
            .await
            .map_err(|error| Broke::Entry {
                at: next - 1,
                error,
            })
    }
}

/// Everything between begin and commit.
struct Going<'a, 'r, 'd, D: Driver> {
    together: &'a Together<'d, D>,
    round: &'a mut Round<'r>,
}

impl<D: Driver> Inside<D> for Going<'_, '_, '_, D> {
    type Output = Option<Broke>;

    async fn run(&mut self, transaction: &mut Transaction<'_, D::Database>) -> Option<Broke> {
        self.go(transaction).await.err()
    }
}

impl<D: Driver> Going<'_, '_, '_, D> {
    async fn go(&mut self, transaction: &mut Transaction<'_, D::Database>) -> Result<(), Broke> {
        let Together { parts, begins, .. } = *self.together;
        let mut at = self.round.first;
        while at < parts.len() {
            let scripts = self.together.scripts_from(at);
            if scripts > 0 {
                at = self
                    .together
                    .run_scripts(transaction, self.round, at..at + scripts)
                    .await?;
                continue;
            }
            begins(at);
            self.round.attempts[at].began = Instant::now();
            let session = D::transaction_session(transaction);
            let ended = parts[at].invocation.call(parts[at].body, session).await;
            if !matches!(ended, Ended::Returned(Ok(()))) {
                return Err(Broke::Change { at, ended });
            }
            if is_deeper::<D>(transaction, 1).await {
                let ended = Ended::Returned(Err(NESTED.into()));
                return Err(Broke::Change { at, ended });
            }
            let attempt = &mut self.round.attempts[at];
            attempt.took = Some(attempt.began.elapsed());
            let entered = self
                .together
                .enter(transaction, self.round, at..at + 1, None);
            entered.await?;
            at += 1;
        }
        Ok(())
    }
}
