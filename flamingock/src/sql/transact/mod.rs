//! A change in one transaction: with its audit entry where that is in the same database, else with
//! a marker. Both are committed or neither.

mod beginning;
mod failure;
mod one_text;
mod success;
mod together;

use std::time::Duration;

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Conn, Failure, Isolation, Marker, Witness};
use rand::RngExt;
use sqlx::Transaction;

use self::beginning::{Inside, begin_and_do};
pub(super) use self::together::Together;
use super::SqlDatabase;
use super::cancel::cancel_transaction;
use super::driver::{Driver, is_deeper, send};
use super::held::Held;
use super::marker::{marker_of, remove};
use super::rows;
use super::store::{LANE, SqlStore};
use crate::attempt::{Attempt, Purpose};
use crate::audit::{Store, TransactionMode};
use crate::call::{Ended, Invocation, chain};
use crate::change::{Body, BoxError};
use crate::database::Transacted;
use crate::script::Script;

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
                tag: new_tag(),
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
                    rest_before_retry(retries).await;
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
        if let Some(script) = self.one_text() {
            return self.attempt_in_one_text(script, one).await;
        }
        let (mut held, ended) = match self.begin_and_call(one).await {
            Ok(called) => called,
            Err(error) if D::classify(&error) == Failure::Refused => return lost(),
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
        begin_and_do(self.database, text, &mut Calling(self)).await
    }

    /// The script, if it goes in one text with everything around it.
    fn one_text(&self) -> Option<&'static Script> {
        let script = self.body.script().filter(|_| D::ONE_TEXT);
        script.filter(|script| script.is_one_text(D::KIND))
    }

    /// The connection is kept for the next change. One whose limits were set is closed, unless they
    /// ended with the transaction; so is one on which a file has set something, which another file would
    /// find or not find, depending on how many of them one run applies.
    fn give_back(&self, held: Held<D>) {
        let limits = self.invocation.limits;
        let outlive = D::limits(&limits, true).is_some()
            && D::limits(&limits, true) == D::limits(&limits, false);
        let script = self.body.script();
        if outlive || script.is_some_and(|script| script.sets_session(D::KIND)) {
            self.database.kept.close(held);
        } else {
            self.database.kept.keep(held);
        }
    }
}

/// The one call of a transaction that has one.
struct Calling<'a, D: Driver>(&'a Transact<'a, D>);

impl<D: Driver> Inside<D> for Calling<'_, D> {
    type Output = Ended<()>;

    async fn run(&mut self, transaction: &mut Transaction<'_, D::Database>) -> Ended<()> {
        let Transact {
            invocation, body, ..
        } = self.0;
        let session = D::transaction_session(transaction);
        invocation.call(body, session).await
    }
}

fn lost() -> Tried {
    Tried::Ended(Transacted::Lost {
        reason: lost_reason(),
    })
}

fn lost_reason() -> String {
    format!("another possession of the lock ({LANE}) is there: the database refused the entry")
}

/// How long to rest before a transaction is tried again that lost for the so-manieth time.
async fn rest_before_retry(retries: u32) {
    let pause = Duration::from_millis(20) * 2_u32.pow(retries);
    let jitter = rand::rng().random_range(0.5..1.5);
    tokio::time::sleep(pause.mul_f64(jitter)).await;
}

fn new_tag() -> String {
    format!("{:016x}", rand::rng().random::<u64>())
}

/// Whether what the function left running at the server has ended.
pub(super) async fn comes_to_rest<D: Driver>(connection: &mut Conn<D>) -> bool {
    match tokio::time::timeout(REST, send::<D>(connection, "SELECT 1".to_owned())).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => D::classify(&error) != Failure::Disconnected,
        Err(_) => false,
    }
}
