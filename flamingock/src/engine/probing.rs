//! Asking the probes, without doing anything about what they say.

use std::sync::Arc;

use crate::argument::{Need, Session, Values};
use crate::audit::ErrorChain;
use crate::call::{Ended, Invocation, Limits, Signals, chain};
use crate::context::Context;
use crate::decision::Decision;
use crate::error::Error;
use crate::plan::Step;
use crate::probe::{Probe, Verdict};
use crate::runner::Settings;

use super::{Looks, Prepared};

/// Asks the probe of every selected change that has one.
pub(crate) async fn verify(settings: Settings) -> Result<Vec<Probe>, Error> {
    let prepared = Prepared::new(settings).map_err(Error::Invalid)?;
    let snapshot = prepared
        .store
        .snapshot(&prepared.settings.service, "")
        .await;
    let snapshot = snapshot.map_err(Error::store)?;
    let plan = prepared.plan(&snapshot, Looks::InMotion)?;
    let signals = Signals::new();
    let mut probes = Vec::new();
    for step in plan
        .steps()
        .filter(|step| step.decision != Decision::Filtered)
    {
        if let Some(answer) = prepared.ask(step, &signals).await {
            let there = answer.as_ref().ok().copied();
            let running = step
                .newest
                .as_ref()
                .is_some_and(|newest| snapshot.is_running(newest));
            probes.push(Probe {
                change_id: step.definition.id.to_owned(),
                stage: step.definition.stage.to_owned(),
                target: step.definition.target.to_owned(),
                state: step.newest.as_ref().map(|newest| newest.state.clone()),
                applied: step.decision == Decision::Skip,
                there,
                verdict: Verdict::of(&step.decision, there, running),
                error: answer.err(),
            });
        }
    }
    Ok(probes)
}

impl Prepared {
    /// None: the change has no probe.
    async fn ask(&self, step: &Step, signals: &Signals) -> Option<Result<bool, ErrorChain>> {
        let body = step.definition.verify?;
        let target = self.targets.get(step.definition.target)?;
        let attempt = step
            .newest
            .as_ref()
            .map_or(step.attempt, |newest| newest.attempt);
        let context = Context::new(
            step.definition.id,
            attempt,
            &self.run_id,
            &self.settings.service,
            signals.cancelled(),
        );
        let mut own = Values::default();
        own.insert(Arc::new(context));
        let invocation = Invocation {
            values: [&own, &target.values, &self.settings.values],
            timeout: step.definition.timeout,
            limits: Limits::of(step.definition),
            signals,
            droppable: true,
        };
        let ended: Ended<bool> = match &target.database {
            Some(database) if body.needs.iter().any(Need::is_connection) => {
                database.ask(body, &invocation).await.ended
            }
            _ => invocation.call(body, Session::none()).await,
        };
        Some(ended.into_result().map_err(|cause| chain(&cause)))
    }
}
