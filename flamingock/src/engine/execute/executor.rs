//! The executor of a run's changes, and the entries that it appends.

use super::outcome::ExecutionOutcome;
use std::sync::Arc;
use std::time::Instant;

use crate::audit::attempt::Attempt;
use crate::audit::entry::{Facts, NewEntry, Origin};
use crate::audit::store::Store;
use crate::change::argument::Values;
use crate::change::pace::Pace;
use crate::change::secret::SecretResolver;
use crate::listener::EventSink;
use crate::lock::append::{AppendError, RetryingAppend, append};
use crate::lock::lease::Lease;
use crate::lock::options::LockOptions;
use crate::lock::stop::StopSignal;
use crate::plan::step::Step;
use crate::target::system::Targets;

use super::turns::Turns;

/// Everything that the changes of a run share.
#[derive(Debug)]
pub(crate) struct Executor<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) lease: &'a Lease,
    pub(crate) lock: LockOptions,
    pub(crate) signals: &'a StopSignal,
    pub(crate) targets: &'a Targets,
    pub(crate) values: &'a Values,
    pub(crate) facts: &'a Arc<Facts>,
    pub(crate) turns: &'a Turns,
    pub(crate) secrets: &'a Arc<dyn SecretResolver>,
    pub(crate) events: &'a EventSink,
    pub(crate) pace: &'a Pace,
}

impl Executor<'_> {
    /// Executes the plan's decision about a change.
    pub(crate) async fn execute(&self, step: &Step) -> ExecutionOutcome {
        let one = match self.one(step, step.attempt).await {
            Ok(one) => one,
            Err(not_started) => return *not_started,
        };
        let executed = match one.decided_by_plan(step).await {
            Some(executed) => executed,
            None => one.apply(self.attempt(step, Origin::Run)).await,
        };
        one.with_steps(executed)
    }

    pub(super) fn attempt(&self, step: &Step, origin: Origin) -> Attempt<'_> {
        let target = self.targets.get(step.definition.target);
        let facts = target.and_then(|target| target.facts.as_ref());
        Attempt {
            definition: step.definition,
            number: step.attempt,
            grant: self.lease.grant(),
            facts: facts.unwrap_or(self.facts),
            began: Instant::now(),
            took: None,
            in_batches: step.definition.body.cursor().is_some() && origin != Origin::Undo,
            digest: step.definition.digest.to_owned(),
            before: step.applied_before().map(str::to_owned),
            undoes: None,
            origin,
        }
    }

    /// Appends entries, without retries. Returns the position of the first one.
    pub(super) async fn append(&self, entries: &[NewEntry]) -> Result<i64, AppendError> {
        let _turn = self.turns.of_entry().await;
        append(self.store, self.lease.grant(), entries, self.signals).await
    }

    /// Appends entries about what has happened already, with retries.
    pub(super) async fn append_retrying(&self, entries: &[NewEntry]) -> Result<(), AppendError> {
        self.append_for_place(entries).await.map(drop)
    }

    /// Appends entries with retries, and returns the position of the first one.
    pub(super) async fn append_for_place(&self, entries: &[NewEntry]) -> Result<i64, AppendError> {
        let _turn = self.turns.of_entry().await;
        let retrying = RetryingAppend {
            store: self.store,
            grant: self.lease.grant(),
            wait: self.lock.wait,
            signals: self.signals,
        };
        retrying.append(entries).await
    }
}
