//! The execution of one change: its target system, its secrets and the values for its functions.

use crate::change::step::{ObserveSteps, StepObserver};
use std::sync::Arc;

use super::step_progress::StepProgress;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::{NewEntry, State, TransactionMode};
use crate::audit::store::HistoryFilter;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::argument::Values;
use crate::change::body::Body;
use crate::change::context::Context;
use crate::change::definition::Definition;
use crate::change::secret::Revealed;
use crate::lock::append::AppendError;
use crate::plan::decision::Decision;
use crate::plan::step::Step;
use crate::report::run::Outcome;
use crate::target::database::{AuditPlacement, Part, TransactionOutcome};
use crate::target::invocation::{Ended, Invocation, Limits};
use crate::target::system::TargetSystem;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::executor::Executor;
use super::outcome::{
    ExecutionOutcome, NO_DATABASE, blocked, introduced, takes_connection, with_unrecorded,
};
use super::reported_progress::ReportedProgress;

const NO_SECRET: &str = "the change did not run: a secret that it takes is not known";

/// A change with its target system.
pub(super) struct Execution<'a> {
    pub(super) executor: &'a Executor<'a>,
    pub(super) definition: &'static Definition,
    pub(super) target: &'a TargetSystem,
    pub(super) number: u32,
    pub(super) revealed: Arc<Revealed>,
    pub(super) step_progress: Arc<StepProgress>,
    /// Whether an undo follows at once if the change turns out to be still applied.
    pub(super) is_undone_next: bool,
    /// Whether nothing of an earlier attempt is left.
    pub(super) begins_anew: bool,
}

impl Executor<'_> {
    /// Prepares a change for its execution. Returns the outcome if it cannot run.
    pub(super) async fn one(
        &self,
        step: &Step,
        number: u32,
    ) -> Result<Execution<'_>, Box<ExecutionOutcome>> {
        let definition = step.definition;
        let target = self.targets.get(definition.target).ok_or_else(|| {
            let error = ErrorChain::text("its target is not known");
            Box::new(ExecutionOutcome::failed(Outcome::Failed, error))
        })?;
        let others = self.targets.iter();
        let others = others.filter(|(name, _)| name.as_str() != definition.target);
        for database in others.filter_map(|(_, other)| other.database.as_ref()) {
            database.end_sharing();
        }
        let mut one = Execution {
            executor: self,
            definition,
            target,
            number,
            revealed: Arc::default(),
            step_progress: Arc::new(StepProgress::new(definition, self.events)),
            is_undone_next: false,
            begins_anew: step.begins_anew(),
        };
        let names = definition.secrets();
        if !names.is_empty() {
            one.revealed = Arc::new(one.reveal(names).await?);
        }
        Ok(one)
    }
}

impl Execution<'_> {
    /// Executes the plan's decision. Returns `None` if the change is to be applied.
    pub(super) async fn decided_by_plan(&self, step: &Step) -> Option<ExecutionOutcome> {
        match &step.decision {
            Decision::Skip => Some(ExecutionOutcome::new(Outcome::AlreadyApplied)),
            Decision::Filtered => Some(ExecutionOutcome::new(Outcome::Filtered)),
            Decision::Issue(cause) => Some(blocked(step, cause.clone())),
            Decision::Later(_) => Some(ExecutionOutcome::new(Outcome::Pending)),
            Decision::Waits(wait) => {
                let error = ErrorChain::text(&wait.to_string());
                Some(ExecutionOutcome::failed(Outcome::Blocked, error))
            }
            Decision::Apply | Decision::Again => None,
            Decision::Verify(when_absent) => self.verify(step, *when_absent).await,
            Decision::Resolve => self.resolve(step).await,
        }
    }

    /// Returns the transaction mode that the code demands for a function.
    pub(super) fn mode(&self, body: &Body<()>) -> TransactionMode {
        match (body.transaction, self.target.holds_audit) {
            (false, _) => TransactionMode::None,
            (true, true) => TransactionMode::Shared,
            (true, false) => TransactionMode::Separate,
        }
    }

    /// Looks up the secrets before anything of the change begins.
    async fn reveal(&self, names: Vec<&'static str>) -> Result<Revealed, Box<ExecutionOutcome>> {
        let own = Values::default();
        let looking_up = Revealed::look_up(names, self.executor.secrets);
        let ended = self.invocation(&own, true).watch(looking_up).await;
        match ended {
            Ended::Lost(reason) => Err(Box::new(ExecutionOutcome::lost(reason))),
            Ended::Cancelled => Err(Box::new(ExecutionOutcome::new(Outcome::NotReached))),
            ended => ended.into_result().map_err(|cause| {
                let error = introduced(NO_SECRET, &chain(&cause));
                Box::new(ExecutionOutcome::failed(Outcome::NotReached, error))
            }),
        }
    }

    /// Returns the values that exist only for this attempt.
    pub(super) fn own_values(&self) -> Values {
        let grant = self.executor.lease.grant();
        let context = Context::new(
            self.definition.id,
            self.number,
            &grant.run_id,
            &grant.service,
            self.executor.signals.cancelled(),
            Some(Arc::new(ReportedProgress::new(
                self.definition,
                self.executor.events,
            ))),
        );
        let mut values = Values::default();
        values.insert(Arc::new(context));
        values.insert(Arc::clone(&self.revealed));
        values.insert(Arc::new(StepObserver(
            Arc::clone(&self.step_progress) as Arc<dyn ObserveSteps>
        )));
        #[cfg(feature = "_sqlx")]
        values.insert(Arc::new(crate::sql::SCRIPTS));
        values
    }

    pub(super) fn invocation<'a>(&'a self, own: &'a Values, droppable: bool) -> Invocation<'a> {
        Invocation {
            values: [own, &self.target.values, self.executor.values],
            timeout: self.definition.timeout,
            limits: Limits::of(self.definition),
            signals: self.executor.signals,
            droppable,
            earlier: 0,
        }
    }

    /// Runs a function in one transaction of its target system, when it is its turn.
    pub(super) async fn transact(
        &self,
        attempt: &Attempt<'_>,
        body: &'static Body<()>,
        invocation: &Invocation<'_>,
        purpose: Purpose,
        placement: AuditPlacement<'_>,
    ) -> (TransactionOutcome, u32) {
        let Some(database) = &self.target.database else {
            let cause = NO_DATABASE.into();
            return (TransactionOutcome::NotRun { cause }, 0);
        };
        let only = Part {
            attempt: attempt.clone(),
            body,
            invocation: invocation.clone(),
        };
        let _turn = self.executor.turns.of_transaction(&**database).await;
        let (endings, retries) = database
            .transact(&[only], purpose, placement, &|_| ())
            .await;
        let ending = endings.into_iter().next().flatten();
        let not_reached = || TransactionOutcome::NotRun {
            cause: "it was not reached".into(),
        };
        (ending.map_or_else(not_reached, |(ended, _)| ended), retries)
    }

    /// Refuses a change or undo whose time limits would affect other clients of a pooler, because
    /// it runs without a transaction. Called before anything of it begins.
    pub(super) async fn refused(&self, body: &Body<()>) -> Option<ExecutionOutcome> {
        let (own, database) = (Values::default(), self.target.database.as_ref()?);
        let rollback = self.definition.rollback;
        let mut outside = std::iter::once(body)
            .chain(rollback)
            .filter(|body| takes_connection(body) && self.mode(body) == TransactionMode::None);
        let is_limited = self.invocation(&own, false).is_limited();
        if !is_limited || outside.next().is_none() || !database.is_behind_pooler().await {
            return None;
        }
        let target = &self.target.name;
        let text = format!(
            "the change did not run: it has a time limit (`timeout`, `lock_timeout` or `statement_timeout`) and no transaction, and its target system \"{target}\" is reached through a transaction pooler, where such a limit would hit statements of other clients. Connect to the server itself, or to a pool of sessions, or take the limit away"
        );
        Some(ExecutionOutcome::failed(
            Outcome::NotReached,
            ErrorChain::text(&text),
        ))
    }

    /// Closes cached connections, because a function without a connection may take the pool, and
    /// must not wait for them.
    pub(super) fn release_cached(&self) {
        for target in self.executor.targets.values() {
            if let Some(database) = &target.database {
                database.release_cached();
            }
        }
    }

    /// Adds the outcomes of the steps to the outcome of the change.
    pub(super) fn with_steps(&self, executed: ExecutionOutcome) -> ExecutionOutcome {
        let undone = matches!(executed.outcome, Outcome::RolledBack | Outcome::Undone);
        ExecutionOutcome {
            steps: self.step_progress.report(undone),
            ..executed
        }
    }

    /// Reports whether the attempt's first entry may exist, or may still be written, although the
    /// store returned an error.
    pub(super) async fn start_may_be_on_record(
        &self,
        attempt: &Attempt<'_>,
        error: &StoreError,
    ) -> bool {
        if error.kind == StoreErrorKind::Disconnected {
            // A statement in flight is refused once a later entry has ended the attempt.
            return true;
        }
        let grant = attempt.grant;
        let filter = HistoryFilter::default()
            .change(self.definition.id.to_owned())
            .run(grant.run_id.clone())
            .state(State::Started);
        let (store, service) = (self.executor.store, &grant.service);
        match store.history(service, &filter).await {
            Ok(entries) => entries.iter().any(|found| found.origin == attempt.origin),
            Err(_) => true,
        }
    }

    /// Records a failure, and returns it as the outcome if it was recorded.
    pub(super) async fn recorded(
        &self,
        entries: &[NewEntry],
        error: ErrorChain,
        outcome: Outcome,
    ) -> ExecutionOutcome {
        match self.executor.append_retrying(entries).await {
            Ok(()) => ExecutionOutcome::failed(outcome, error),
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(unwritten)) => {
                ExecutionOutcome::unknown(with_unrecorded(error, Some(unwritten)))
            }
        }
    }
}
