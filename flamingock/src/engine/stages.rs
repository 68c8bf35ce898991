//! Running the stages under the lock.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use tracing::Instrument;

use super::Prepared;
use super::account::{Done, conclude};
use crate::call::{Signals, Stop};
use crate::error::Error;
use crate::execute::{Executed, Executor, Fate};
use crate::lock::Lease;
use crate::plan::{Decision, Note, Step};
use crate::report::{Outcome, Report};

struct Ran {
    result: Result<Report, Error>,
    leaves_nothing_to_note: bool,
}

impl Prepared {
    /// Reads again under the lock, runs, and gives the lock back whatever happens.
    pub(super) async fn run_locked(
        &self,
        lease: Lease,
        signals: &Signals,
    ) -> Result<Report, Error> {
        let ran = AssertUnwindSafe(self.run_stages(&lease, signals))
            .catch_unwind()
            .await;
        let digest = match &ran {
            Ok(Ok(ran)) if ran.result.is_ok() => Some(self.digest.as_str()),
            _ => None,
        };
        let quiet = matches!(&ran, Ok(Ok(ran)) if ran.leaves_nothing_to_note);
        let lost =
            matches!(&ran, Ok(Ok(ran)) if matches!(ran.result, Err(Error::LeaseLost { .. })));
        if lost {
            lease.forget().await;
        } else if let Err(error) = lease.release(digest.filter(|_| quiet)).await {
            let error = crate::audit::ErrorChain::of(&error);
            tracing::warn!(%error, "the lock was not given back: it is free when its lease ends");
        }
        match ran {
            Ok(Ok(ran)) => ran.result,
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    async fn run_stages(&self, lease: &Lease, signals: &Signals) -> Result<Ran, Error> {
        let snapshot = self
            .store
            .snapshot(&self.settings.service, "")
            .await
            .map_err(Error::store)?;
        let plan = self.plan(&snapshot)?;
        let executor = Executor {
            store: &*self.store,
            lease,
            lock: self.settings.lock,
            signals,
            targets: &self.targets,
            values: &self.settings.values,
            facts: &self.facts,
        };
        let mut done: Done = Vec::new();
        let mut halted = vec![false; plan.stages.len()];
        let mut fate = Fate::GoesOn;
        for (index, steps) in plan.stages.iter().enumerate() {
            let stage = &self.pipeline.stages[index];
            let has_issue = steps
                .iter()
                .any(|step| matches!(step.decision, Decision::Issue(_)));
            halted[index] = has_issue || stage.after.iter().any(|before| halted[*before]);
            let mut executed = Vec::new();
            let span = tracing::info_span!("stage", name = stage.name);
            for step in steps {
                let works = !matches!(step.decision, Decision::Skip | Decision::Filtered);
                if !works || halted[index] || fate != Fate::GoesOn {
                    executed.push(None);
                    continue;
                }
                lease.refresh(signals).await;
                match signals.now() {
                    Stop::No => {}
                    Stop::Asked => {
                        executed.push(None);
                        continue;
                    }
                    Stop::Lost(reason) => {
                        fate = Fate::Lost(reason);
                        executed.push(None);
                        continue;
                    }
                }
                lease.set_activity(&format!("{} {}", step.definition.order, step.definition.id));
                let began = Instant::now();
                let ended = execute(&executor, step).instrument(span.clone()).await;
                let applied = matches!(
                    ended.outcome,
                    Outcome::NewlyApplied | Outcome::AlreadyApplied
                );
                halted[index] = !applied;
                if ended.fate != Fate::GoesOn {
                    fate = ended.fate.clone();
                }
                executed.push(Some((ended, began.elapsed())));
            }
            done.push(executed);
        }
        let report = self.report(&plan, &done);
        let leaves_nothing_to_note = report.missing.is_empty()
            && report
                .changes()
                .flat_map(|change| &change.notes)
                .all(|note| match note {
                    Note::Drifted { .. } => false,
                    Note::OutOfOrder { .. }
                    | Note::Retried { .. }
                    | Note::CommittedMidway
                    | Note::FoundApplied => true,
                });
        Ok(Ran {
            result: conclude(report, fate, signals),
            leaves_nothing_to_note,
        })
    }
}

async fn execute(executor: &Executor<'_>, step: &Step) -> Executed {
    let id = step.definition.id;
    let span = tracing::info_span!("change", id, attempt = step.attempt);
    let executed = executor.execute(step).instrument(span.clone()).await;
    let _entered = span.enter();
    match &executed.error {
        None => tracing::info!("{}", executed.outcome),
        Some(error) => tracing::error!(%error, "{}", executed.outcome),
    }
    executed
}
