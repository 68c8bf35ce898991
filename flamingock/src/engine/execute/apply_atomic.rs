//! Applying the changes of an atomic stage: all of them or none.

use std::time::{Duration, Instant};

use super::execution::Execution;
use super::executor::Executor;
use super::outcome::{ExecutionOutcome, no_database};
use crate::audit::attempt::Purpose;
use crate::audit::entry::Origin;
use crate::change::argument::Values;
use crate::plan::decision::Decision;
use crate::plan::note::Note;
use crate::plan::step::Step;
use crate::report::run::Outcome;
use crate::target::database::{AuditPlacement, Part};

/// The outcomes of the changes in one transaction, in order; `None` for a change that was not
/// reached.
type Several = Vec<Option<(ExecutionOutcome, Duration)>>;

impl Executor<'_> {
    /// Executes the pending changes of a stage in one transaction of the database that holds the
    /// audit. Calls `begins` with the index of each change that begins.
    pub(crate) async fn execute_together(
        &self,
        steps: &[&Step],
        begins: &(dyn Fn(usize) + Sync),
    ) -> Vec<Option<(ExecutionOutcome, Duration)>> {
        let mut all: Several = steps.iter().map(|_| None).collect();
        let mut ones = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let one = match self.one(step, step.attempt).await {
                Ok(one) => one,
                Err(not_started) => {
                    all[index] = Some((*not_started, Duration::ZERO));
                    return all;
                }
            };
            let began = Instant::now();
            let decided_by_plan = match &step.decision {
                Decision::Apply | Decision::Again => None,
                Decision::Skip
                | Decision::Filtered
                | Decision::Issue(_)
                | Decision::Verify(_)
                | Decision::Resolve
                | Decision::Later(_)
                | Decision::Waits(_) => {
                    begins(index);
                    one.decided_by_plan(step).await
                }
            };
            match decided_by_plan {
                None => ones.push((index, one)),
                Some(executed) => {
                    let goes_on = executed.outcome.is_applied();
                    all[index] = Some((executed, began.elapsed()));
                    if !goes_on {
                        return all;
                    }
                }
            }
        }
        self.apply_together(steps, &ones, begins, &mut all).await;
        all
    }

    async fn apply_together(
        &self,
        steps: &[&Step],
        ones: &[(usize, Execution<'_>)],
        begins: &(dyn Fn(usize) + Sync),
        all: &mut Several,
    ) {
        let Some((index, first)) = ones.first() else {
            return;
        };
        let Some(database) = &first.target.database else {
            all[*index] = Some((no_database(), Duration::ZERO));
            return;
        };
        let values: Vec<Values> = ones.iter().map(|(_, one)| one.own_values()).collect();
        let parts: Vec<Part<'_>> = ones
            .iter()
            .zip(&values)
            .map(|((index, one), own)| Part {
                attempt: self.attempt(steps[*index], Origin::Run),
                body: &one.definition.body,
                invocation: one.invocation(own, true),
            })
            .collect();
        let begins = |part: usize| begins(ones[part].0);
        let (endings, retries) = {
            let _turn = self.turns.of_transaction(&**database).await;
            database
                .transact(
                    &parts,
                    Purpose::Apply,
                    AuditPlacement::SameDatabase,
                    &begins,
                )
                .await
        };
        let is_stopped = endings.iter().flatten().any(|(one, _)| one.was_stopped());
        for (((index, one), part), ending) in ones.iter().zip(&parts).zip(endings) {
            let Some((transacted, took)) = ending else {
                continue;
            };
            let mut executed = one.not_applied(&part.attempt, transacted).await;
            // A change that was rolled back together with the stopped one has not failed either.
            executed.stopped |= is_stopped && executed.outcome == Outcome::RolledBack;
            let executed = if retries > 0 {
                executed.with(Note::Retried { times: retries })
            } else {
                executed
            };
            all[*index] = Some((one.with_steps(executed), took));
        }
    }
}
