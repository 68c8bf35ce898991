//! A change in one transaction: with its audit entry where that is in the same database, else with
//! a marker. Both are committed or neither.

use std::time::Duration;

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Conn, Failure, Isolation, Marker, MarkerKind, Witness};
use rand::RngExt;

use super::SqlDatabase;
use super::cancel::cancel_transaction;
use super::driver::{Driver, begin, depth, is_deeper, rollback, send};
use super::held::Held;
use super::marker::{marker_of, remove, resolve};
use super::rows;
use super::settle::{Settled, settle};
use super::store::{LANE, SqlStore, failed};
use crate::attempt::{Attempt, Purpose};
use crate::audit::{ErrorChain, NewEntry, State, Store, StoreError, TransactionMode};
use crate::call::{Ended, Invocation, chain};
use crate::change::{Body, BoxError};
use crate::database::Transacted;
use crate::recording::{Insisting, Unwritten};

/// How often a transaction that lost against another is tried again.
const RETRIES: u32 = 3;

/// How long the connection of a dropped function may take to come to rest.
pub(super) const REST: Duration = Duration::from_secs(10);

/// An attempt in a transaction: everything that is the same for each of its tries.
pub(super) struct Transact<'a, D: Driver> {
    pub(super) database: &'a SqlDatabase<D>,
    pub(super) entry: SuccessEntry<'a, D>,
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) body: &'static Body<()>,
    pub(super) invocation: &'a Invocation<'a>,
    pub(super) purpose: Purpose,
}

/// Where the entry of success is written.
pub(super) enum SuccessEntry<'a, D: Driver> {
    /// In the transaction itself.
    Here(&'a SqlStore<D>),
    /// In another database, by the caller; a marker with this key stands for it here.
    Elsewhere { store: &'a dyn Store, key: i64 },
}

/// How one try ended.
enum Tried {
    Ended(Transacted),
    /// The transaction lost against another one, and nothing of it is left.
    Conflict(BoxError),
}

/// What became of the transaction while the function ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    /// It is the one that was begun.
    Whole,
    /// The database has committed it.
    CommittedMidway,
    /// The database has rolled it back.
    RolledBackMidway,
    /// It was ended, by the change or by the database.
    Ended,
}

/// The facts of one try.
struct Try<'a> {
    tag: String,
    witness: Witness<'a>,
    marker: &'a Marker,
    possession: leaf::Possession,
    last: bool,
}

const ENDED: &str = "the change ended the transaction that it runs in: what it did before that stays. A change must not send COMMIT or ROLLBACK; `transaction = false` gives it a connection without transaction";
const ROLLED_BACK_MIDWAY: &str = "the database rolled the transaction back before the change ended, and the change went on: it must return the error of a deadlock or of a lock that was not obtained";
const NESTED: &str =
    "the change left a nested transaction open: commit it, or let it go out of scope";

impl<D: Driver> Transact<'_, D> {
    /// Tries again what lost against another transaction; only the last try is recorded. Answers
    /// also how many tries were lost.
    pub(super) async fn run(&self) -> (Transacted, u32) {
        let started = rows::new_row(&self.attempt.started(self.mode()));
        let key = match self.entry {
            SuccessEntry::Here(_) => rand::rng().random_range(1..i64::MAX),
            SuccessEntry::Elsewhere { key, .. } => key,
        };
        let marker = marker_of(self.attempt, key);
        let mut retries = 0;
        loop {
            let one = Try {
                tag: format!("{:016x}", rand::rng().random::<u64>()),
                witness: match (self.purpose, &self.entry) {
                    (_, SuccessEntry::Here(_)) if self.database.ledger.dialect().has_one_writer => {
                        Witness::Lease
                    }
                    (Purpose::Apply | Purpose::Undo, SuccessEntry::Here(_)) => {
                        Witness::Row(&started)
                    }
                    _ => Witness::Marker(&marker),
                },
                marker: &marker,
                possession: rows::possession(self.attempt.possession),
                last: retries == RETRIES,
            };
            match self.attempt_once(&one).await {
                Tried::Ended(ended) => {
                    if matches!(ended, Transacted::LeftBehind { .. }) {
                        self.forget_witness(key).await;
                    }
                    return (ended, retries);
                }
                Tried::Conflict(cause) => {
                    retries += 1;
                    tracing::info!(
                        change = self.attempt.definition.id,
                        cause = %chain(&cause),
                        "the transaction lost against another one and is tried again"
                    );
                    let pause = Duration::from_millis(20) * 2_u32.pow(retries);
                    let jitter = rand::rng().random_range(0.5..1.5);
                    tokio::time::sleep(pause.mul_f64(jitter)).await;
                }
            }
        }
    }

    /// Removes the witness marker of an attempt that was committed midway and is on record as that.
    async fn forget_witness(&self, key: i64) {
        let witnessed = self.database.ledger.dialect().isolation == Isolation::Witnessed;
        let is_marker = matches!(self.purpose, Purpose::Rollback);
        if witnessed && is_marker && matches!(self.entry, SuccessEntry::Here(_)) {
            remove(self.database, self.attempt, key).await;
        }
    }

    fn mode(&self) -> TransactionMode {
        match self.entry {
            SuccessEntry::Here(_) => TransactionMode::Shared,
            SuccessEntry::Elsewhere { .. } => TransactionMode::Separate,
        }
    }

    /// Where everything but success is recorded.
    fn store(&self) -> &dyn Store {
        match self.entry {
            SuccessEntry::Here(store) => store,
            SuccessEntry::Elsewhere { store, .. } => store,
        }
    }

    async fn attempt_once(&self, one: &Try<'_>) -> Tried {
        let (mut held, ended) = match self.begin_and_call(one).await {
            Ok(called) => called,
            Err(error) => {
                return Tried::Ended(Transacted::NotRun {
                    cause: error.into(),
                });
            }
        };
        let interrupted = ended.is_interrupted();
        if interrupted {
            cancel_transaction::<D>(self.database, &one.possession, self.attempt, &one.tag).await;
        }
        if let Ended::Lost(reason) = ended {
            // The connection is closed with what it carries: nothing of it can be committed.
            return Tried::Ended(Transacted::Lost { reason });
        }
        let result = match ended.into_result() {
            Ok(()) if is_deeper::<D>(&mut held, 1).await => Err(NESTED.into()),
            result => result,
        };
        if interrupted && !comes_to_rest::<D>(&mut held).await {
            return self.settle_elsewhere(held, result.err()).await;
        }
        match result {
            Ok(()) => self.succeed(held, one).await,
            Err(cause) => self.fail(held, one, cause).await,
        }
    }

    /// Begins and calls the function. The transaction is open on the connection afterwards, as far
    /// as the driver knows.
    async fn begin_and_call(&self, one: &Try<'_>) -> Result<(Held<D>, Ended<()>), sqlx::Error> {
        let ledger = &self.database.ledger;
        let mut text = ledger.begin(&one.possession, &one.witness, &one.tag);
        if let Some(limits) = D::limits(&self.invocation.limits, true) {
            text.push_str("; ");
            text.push_str(&limits);
        }
        let deadline = std::time::Instant::now() + ledger.patience();
        let mut kept = self.database.kept.take();
        loop {
            let untested = kept.is_some();
            let mut held = match kept.take() {
                Some(held) => held,
                None => Held::take(&self.database.pool).await?,
            };
            let error = match self.call_in_transaction(&mut held, text.clone()).await {
                Ok(ended) => return Ok((held, ended)),
                Err(error) => error,
            };
            match D::classify(&error) {
                Failure::Disconnected if untested => {}
                Failure::Busy if std::time::Instant::now() < deadline => {
                    drop(held);
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// From here on the connection itself is used, and not the driver's transaction: the guard of
    /// the connection closes it on every path that does not find it clean.
    async fn call_in_transaction(
        &self,
        held: &mut Held<D>,
        text: String,
    ) -> Result<Ended<()>, sqlx::Error> {
        let mut transaction = begin::<D>(held, text).await?;
        let session = D::transaction_session(&mut transaction);
        let ended = self.invocation.call(self.body, session).await;
        std::mem::forget(transaction);
        Ok(ended)
    }

    /// Appends the entry of success and commits.
    async fn succeed(&self, mut held: Held<D>, one: &Try<'_>) -> Tried {
        let error = match self.enter_success(&mut held, one).await {
            Ok(()) => return self.commit(held, one, self.mode()).await,
            Err(error) => error,
        };
        match D::classify(&error) {
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one).await {
                Ok(Afterwards::CommittedMidway) => self.succeed_midway(held, one).await,
                // Where statements then commit one by one, what came later stays.
                Ok(Afterwards::RolledBackMidway)
                    if !self.database.ledger.dialect().has_one_writer =>
                {
                    self.undo(held, ROLLED_BACK_MIDWAY.into()).await
                }
                Ok(Afterwards::Whole | Afterwards::Ended | Afterwards::RolledBackMidway) => {
                    self.left_behind(held, ENDED.into()).await
                }
                Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
            },
            Failure::Refused => match self.refused(&mut held, one).await {
                // The possession is ours, so it is the transaction that is not: it was ended.
                Ok(true) => self.left_behind(held, ENDED.into()).await,
                Ok(false) => lost(),
                Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
            },
            Failure::Serialization | Failure::Deadlock => {
                match self.refused(&mut held, one).await {
                    Ok(true) if !one.last => Tried::Conflict(error.into()),
                    Ok(true) => self.undone(held, error.into()).await,
                    Ok(false) => lost(),
                    Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
                }
            }
            // Only a tombstone has the key of this attempt.
            Failure::Duplicate => lost(),
            Failure::Disconnected => self.settle_elsewhere(held, Some(error.into())).await,
            _ => {
                let cause = failed::<D>("could not write to the audit", error);
                self.undo(held, cause.into()).await
            }
        }
    }

    async fn enter_success(&self, held: &mut Held<D>, one: &Try<'_>) -> Result<(), sqlx::Error> {
        let ledger = &self.database.ledger;
        match self.entry {
            SuccessEntry::Here(store) => {
                let entry = self
                    .attempt
                    .entry(self.purpose.success(), self.mode(), None);
                let (row, lease) = (rows::new_row(&entry), store.lease());
                ledger
                    .append_within(held, &one.possession, lease, &row, &one.witness, &one.tag)
                    .await
            }
            SuccessEntry::Elsewhere { .. } => ledger.mark_within(held, one.marker, &one.tag).await,
        }
    }

    /// The database has committed what the change did so far; the rest is committed with its entry.
    async fn succeed_midway(&self, mut held: Held<D>, one: &Try<'_>) -> Tried {
        let ledger = &self.database.ledger;
        let appended = match self.entry {
            SuccessEntry::Here(_) => {
                let success = self.purpose.success();
                let row = rows::new_row(&self.attempt.entry(success, TransactionMode::None, None));
                ledger
                    .append_midway(&mut held, &one.possession, &row, &one.witness, &one.tag)
                    .await
            }
            SuccessEntry::Elsewhere { .. } => {
                ledger.mark_midway(&mut held, one.marker, &one.tag).await
            }
        };
        match appended {
            Ok(()) => self.commit(held, one, TransactionMode::None).await,
            Err(error) => match D::classify(&error) {
                Failure::Refused => lost(),
                Failure::Disconnected => self.settle_elsewhere(held, Some(error.into())).await,
                _ => {
                    let cause = failed::<D>("could not write to the audit", error);
                    self.left_behind(held, cause.into()).await
                }
            },
        }
    }

    async fn commit(&self, mut held: Held<D>, one: &Try<'_>, mode: TransactionMode) -> Tried {
        let error = match D::commit(&mut held, self.database.ledger.patience()).await {
            Ok(()) => {
                self.give_back(held).await;
                return Tried::Ended(Transacted::Done { mode });
            }
            Err(error) => error,
        };
        match D::classify(&error) {
            Failure::Disconnected => self.settle_elsewhere(held, Some(error.into())).await,
            _ if mode == TransactionMode::None => self.left_behind(held, error.into()).await,
            failure if failure.is_conflict() && !one.last => match rollback::<D>(&mut held).await {
                Ok(()) => Tried::Conflict(error.into()),
                Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
            },
            _ => self.undo(held, error.into()).await,
        }
    }

    /// The function returned an error: finds out what is left of the transaction and undoes it.
    async fn fail(&self, mut held: Held<D>, one: &Try<'_>, cause: BoxError) -> Tried {
        let conflict = is_conflict::<D>(&cause) && !one.last;
        if is_deeper::<D>(&mut held, 1).await && unnest::<D>(&mut held).await.is_err() {
            return self.settle_elsewhere(held, Some(cause)).await;
        }
        let Ok(afterwards) = self.inspect(&mut held, one).await else {
            return self.settle_elsewhere(held, Some(cause)).await;
        };
        match afterwards {
            Afterwards::Whole | Afterwards::RolledBackMidway if conflict => {
                match self.refused(&mut held, one).await {
                    Ok(true) => Tried::Conflict(cause),
                    Ok(false) => lost(),
                    Err(_) => self.settle_elsewhere(held, Some(cause)).await,
                }
            }
            Afterwards::Whole if self.database.ledger.dialect().has_one_writer => {
                self.undo_savepoint(held, one, cause).await
            }
            Afterwards::Whole | Afterwards::RolledBackMidway => self.undo(held, cause).await,
            Afterwards::CommittedMidway => self.left_behind(held, cause).await,
            Afterwards::Ended => {
                let both = format!("{}; and {ENDED}", chain(&cause));
                self.left_behind(held, both.into()).await
            }
        }
    }

    /// What became of the transaction of a function that returned an error. A savepoint is left as
    /// it is where it is needed to undo.
    async fn inspect(&self, held: &mut Held<D>, one: &Try<'_>) -> Result<Afterwards, sqlx::Error> {
        let ledger = &self.database.ledger;
        if let Some(own_tag) = D::OWN_TAG {
            return match send::<D>(held, own_tag.to_owned()).await {
                Ok(mut answer) => {
                    let tag = answer.rows.first_mut().map(|row| row.text(0));
                    let ours = tag.as_deref() == Some(one.tag.as_str());
                    Ok(if ours {
                        Afterwards::Whole
                    } else {
                        Afterwards::Ended
                    })
                }
                // An aborted transaction answers nothing until it is rolled back: it is open still.
                Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
                Err(_) => Ok(Afterwards::Whole),
            };
        }
        if ledger.dialect().isolation == Isolation::Whole {
            // Found out when it is rolled back to.
            return Ok(Afterwards::Whole);
        }
        match ledger.release_savepoint(held, &one.tag).await {
            Ok(()) => Ok(Afterwards::Whole),
            Err(error) if D::classify(&error) == Failure::NoSavepoint => {
                self.without_savepoint(held, one).await
            }
            Err(error) => Err(error),
        }
    }

    /// The savepoint is gone: the witness tells whether the database has committed or rolled back.
    async fn without_savepoint(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
    ) -> Result<Afterwards, sqlx::Error> {
        let ledger = &self.database.ledger;
        let (id, number) = (self.attempt.definition.id, i64::from(self.attempt.number));
        let whole = ledger.dialect().isolation == Isolation::Whole;
        let visible = match &one.witness {
            Witness::Lease => {
                ledger
                    .lease_witness_is_there(held, &one.possession, &one.tag)
                    .await?
            }
            // The fence and the marker look at the transaction itself.
            Witness::Row(_) | Witness::Marker(_) if whole && !ledger.dialect().has_one_writer => {
                true
            }
            Witness::Row(_) => {
                let states = ledger.states(held, &one.possession, id, number).await?;
                states.iter().any(|state| state == State::Started.as_str())
            }
            Witness::Marker(marker) => {
                ledger.marker(held, marker).await? == Some(MarkerKind::Started)
            }
        };
        Ok(match (visible, whole) {
            (true, true) => Afterwards::Ended,
            (true, false) => Afterwards::CommittedMidway,
            (false, _) => Afterwards::RolledBackMidway,
        })
    }

    /// Rolls back and tells whether the possession is still ours.
    async fn refused(&self, held: &mut Held<D>, one: &Try<'_>) -> Result<bool, sqlx::Error> {
        rollback::<D>(held).await?;
        match self.entry {
            SuccessEntry::Here(_) => self.database.ledger.holds(held, &one.possession).await,
            // The audit is elsewhere: its next entry tells.
            SuccessEntry::Elsewhere { .. } => Ok(true),
        }
    }

    /// The connection is kept for the next change. One whose limits were set is closed, unless they
    /// ended with the transaction.
    async fn give_back(&self, held: Held<D>) {
        let limits = self.invocation.limits;
        let outlive = D::limits(&limits, true).is_some()
            && D::limits(&limits, true) == D::limits(&limits, false);
        if !outlive {
            self.database.kept.keep(held).await;
        }
    }

    /// Undoes and, where the audit is here, records in one transaction, so that nobody writes in
    /// between.
    async fn undo_savepoint(&self, mut held: Held<D>, one: &Try<'_>, cause: BoxError) -> Tried {
        let ledger = &self.database.ledger;
        let (rows, lease): (Vec<_>, _) = match self.entry {
            SuccessEntry::Here(store) => (
                self.undone_entries(&cause)
                    .iter()
                    .map(rows::new_row)
                    .collect(),
                store.lease(),
            ),
            SuccessEntry::Elsewhere { .. } => (Vec::new(), None),
        };
        let recorded = !rows.is_empty();
        let undone = match ledger
            .undo_within(&mut held, &one.possession, lease, &rows, &one.tag)
            .await
        {
            Ok(()) => D::commit(&mut held, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match undone {
            Ok(()) if recorded => {
                self.give_back(held).await;
                return Tried::Ended(Transacted::Undone {
                    cause,
                    unrecorded: None,
                });
            }
            Ok(()) => return self.undone(held, cause).await,
            Err(error) => error,
        };
        match D::classify(&error) {
            // The error of the statement that made the database undo everything was the last thing
            // that the change did, if it returned it.
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one).await {
                Ok(Afterwards::RolledBackMidway) if is_of_database(&cause) => {
                    self.undo(held, cause).await
                }
                Ok(_) => {
                    let both = format!("{}; and {ENDED}", chain(&cause));
                    self.left_behind(held, both.into()).await
                }
                Err(_) => self.settle_elsewhere(held, Some(cause)).await,
            },
            Failure::Refused => lost(),
            _ => {
                let unrecorded = Some(failed::<D>("could not write to the audit", error));
                Tried::Ended(Transacted::Undone { cause, unrecorded })
            }
        }
    }

    /// Rolls back what there is and records that nothing of the attempt is left.
    async fn undo(&self, mut held: Held<D>, cause: BoxError) -> Tried {
        match rollback::<D>(&mut held).await {
            Ok(()) => self.undone(held, cause).await,
            Err(_) => self.settle_elsewhere(held, Some(cause)).await,
        }
    }

    /// Nothing of the attempt is left, and the connection is in no transaction: records that.
    async fn undone(&self, held: Held<D>, cause: BoxError) -> Tried {
        self.give_back(held).await;
        match self.record(&self.undone_entries(&cause)).await {
            Recorded::Yes => Tried::Ended(Transacted::Undone {
                cause,
                unrecorded: None,
            }),
            Recorded::No(error) => Tried::Ended(Transacted::Undone {
                cause,
                unrecorded: Some(error),
            }),
            Recorded::Lost => lost(),
        }
    }

    /// Something of the attempt stays: rolls back what can be, and records that it failed as one
    /// without transaction.
    async fn left_behind(&self, mut held: Held<D>, cause: BoxError) -> Tried {
        match rollback::<D>(&mut held).await {
            Ok(()) => self.give_back(held).await,
            // A pool of one connection has no other to record on.
            Err(_) => drop(held),
        }
        self.record_left_behind(cause).await
    }

    async fn record_left_behind(&self, cause: BoxError) -> Tried {
        let state = self.purpose.left_behind();
        let entry = self
            .attempt
            .entry(state, TransactionMode::None, Some(self.reason(&cause)));
        match self.record(&[entry]).await {
            Recorded::Yes => Tried::Ended(Transacted::LeftBehind {
                cause,
                unrecorded: None,
            }),
            Recorded::No(error) => Tried::Ended(Transacted::LeftBehind {
                cause,
                unrecorded: Some(error),
            }),
            Recorded::Lost => lost(),
        }
    }

    /// The connection is gone, or hangs: finds out on another one what became of the transaction.
    async fn settle_elsewhere(&self, held: Held<D>, cause: Option<BoxError>) -> Tried {
        // A pool of one connection has no other.
        drop(held);
        let cause = cause.unwrap_or_else(|| "the connection was lost".into());
        let settled = match self.entry {
            SuccessEntry::Here(_) => settle::<D>(self.database, self.attempt).await,
            SuccessEntry::Elsewhere { key, .. } => {
                resolve::<D>(self.database, self.attempt, key).await
            }
        };
        match settled {
            Settled::Visible(states) if states.contains(&self.purpose.success()) => {
                Tried::Ended(Transacted::Done { mode: self.mode() })
            }
            Settled::Visible(states) if states.contains(&State::Started) => {
                self.record_left_behind(cause).await
            }
            Settled::Visible(_) => match self.record(&self.undone_entries(&cause)).await {
                Recorded::Yes => Tried::Ended(Transacted::Undone {
                    cause,
                    unrecorded: None,
                }),
                Recorded::No(error) => Tried::Ended(Transacted::Undone {
                    cause,
                    unrecorded: Some(error),
                }),
                Recorded::Lost => lost(),
            },
            Settled::Unreachable => Tried::Ended(Transacted::Unknown { cause }),
        }
    }

    fn undone_entries(&self, cause: &BoxError) -> Vec<NewEntry> {
        let states = self.purpose.undone().iter();
        let mut error = Some(self.reason(cause));
        let entry = |state: &State| self.attempt.entry(state.clone(), self.mode(), error.take());
        states.map(entry).collect()
    }

    fn reason(&self, cause: &BoxError) -> ErrorChain {
        self.attempt.reason(&chain(cause))
    }

    /// What stays must not go unrecorded because the database is away for a moment.
    async fn record(&self, entries: &[NewEntry]) -> Recorded {
        let insisting = Insisting {
            store: self.store(),
            possession: self.attempt.possession,
            wait: self.database.ledger.patience(),
            signals: self.invocation.signals,
        };
        match insisting.append(entries).await {
            Ok(_) => Recorded::Yes,
            Err(Unwritten::Lost(_)) => Recorded::Lost,
            Err(Unwritten::Failed(error)) => Recorded::No(error),
        }
    }
}

enum Recorded {
    Yes,
    No(StoreError),
    Lost,
}

fn lost() -> Tried {
    let reason =
        format!("another possession of the lock ({LANE}) is there: the database refused the entry");
    Tried::Ended(Transacted::Lost { reason })
}

/// Leaves the nested transactions that the function left open.
async fn unnest<D: Driver>(connection: &mut Conn<D>) -> Result<(), sqlx::Error> {
    use sqlx_core::transaction::TransactionManager;
    while depth::<D>(connection) > 1 {
        <D::Database as sqlx::Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Whether what the function left running at the server has ended.
pub(super) async fn comes_to_rest<D: Driver>(connection: &mut Conn<D>) -> bool {
    match tokio::time::timeout(REST, send::<D>(connection, "SELECT 1".to_owned())).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => D::classify(&error) != Failure::Disconnected,
        Err(_) => false,
    }
}

/// Whether the error that the function returned is, or was caused by, the database's refusal of a
/// transaction for another's sake: it conflicts, or has waited too long for another's lock.
fn is_conflict<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| {
        let failure = D::classify(error);
        failure.is_conflict() || failure == Failure::LockTimeout
    })
}

/// Whether the function returned the refusal of a statement.
fn is_of_database(error: &BoxError) -> bool {
    database_errors(error).any(|error| matches!(error, sqlx::Error::Database(_)))
}

/// The errors of the driver in a chain of causes.
fn database_errors(error: &BoxError) -> impl Iterator<Item = &sqlx::Error> {
    let first: &(dyn std::error::Error + 'static) = &**error;
    std::iter::successors(Some(first), |error| error.source())
        .filter_map(|error| error.downcast_ref())
}
