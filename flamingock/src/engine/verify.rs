//! Calling the verify functions, without acting on their answers.

use std::sync::Arc;

use super::settings::Settings;
use crate::audit::store::whole_snapshot;
use crate::change::argument::{Need, Session, Values};
use crate::change::context::Context;
use crate::change::secret::Revealed;
use crate::listener::{EventKind, Work};
use crate::lock::stop::StopSignal;
use crate::plan::decision::Decision;
use crate::plan::step::Step;
use crate::report::error::Error;
use crate::report::verify::{Verdict, VerifyReport};
use crate::target::invocation::{Ended, Invocation, Limits};
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::formats;
use super::judge::Looks;
use super::notify::applied_by;
use super::prepare::Prepared;
use super::request::events_of;
use crate::util::random::new_id;

/// Calls the verify function of every selected change that has one.
pub(crate) async fn verify(settings: Settings) -> Result<Vec<VerifyReport>, Error> {
    let run_id = new_id();
    let timeout = settings.listener_timeout;
    let events = events_of(&settings, &run_id, Work::Verify);
    events.emit(EventKind::RunStarted);
    let found_out = formats::find_out(&settings, None).await;
    let prepared = found_out.and_then(|()| {
        let prepared = Prepared::new(settings, &run_id, &events);
        prepared.map_err(Error::invalid)
    });
    let verified = match prepared {
        Ok(prepared) => prepared.verify_all().await,
        Err(error) => Err(error),
    };
    events.run_ended(None, verified.as_ref().err());
    // Lost events are logged: there is no report that could contain them.
    events.close(timeout).await;
    verified
}

impl Prepared {
    async fn verify_all(self) -> Result<Vec<VerifyReport>, Error> {
        let snapshot = whole_snapshot(&*self.store, &self.settings.service).await;
        let mut snapshot = snapshot.map_err(Error::store)?;
        let plan = self.plan(&mut snapshot, Looks::InMotion)?;
        let signals = StopSignal::new(self.settings.lock.bounded().wait);
        let mut reports = Vec::new();
        let steps: Vec<&Step> = plan
            .steps()
            .filter(|step| step.decision != Decision::Filtered)
            .filter(|step| step.definition.verify.is_some())
            .collect();
        self.events.emit(EventKind::Planned {
            changes: steps.len(),
        });
        for step in steps {
            if let Some(answer) = self.ask(step, &signals).await {
                let present = answer.as_ref().ok().copied();
                let running = step
                    .latest
                    .as_ref()
                    .is_some_and(|latest| snapshot.is_running(latest));
                let report = VerifyReport {
                    change_id: step.definition.id.to_owned(),
                    stage: step.definition.stage.to_owned(),
                    target: step.definition.target.to_owned(),
                    state: step.latest.as_ref().map(|latest| latest.state.clone()),
                    applied: matches!(step.decision, Decision::Skip | Decision::Again),
                    present,
                    verdict: Verdict::of(&step.decision, present, running),
                    error: answer.err(),
                };
                self.events
                    .emit(EventKind::Verified(Box::new(report.clone())));
                reports.push(report);
            }
        }
        Ok(reports)
    }

    /// Returns `None` if the change has no verify function.
    async fn ask(&self, step: &Step, signals: &StopSignal) -> Option<Result<bool, ErrorChain>> {
        let body = step.definition.verify?;
        let target = self.targets.get(step.definition.target)?;
        if let Some(error) = self.unready(step, None, signals).await {
            return Some(Err(error));
        }
        let attempt = applied_by(step);
        self.tell_start(step, attempt);
        let context = Context::new(
            step.definition.id,
            attempt,
            &self.run_id,
            &self.settings.service,
            signals.cancelled(),
            None,
        );
        let mut own = Values::default();
        own.insert(Arc::new(context));
        #[cfg(feature = "_sqlx")]
        own.insert(Arc::new(crate::sql::SCRIPTS));
        let names = body.secrets();
        if !names.is_empty() {
            match Revealed::look_up(names, &self.settings.secrets).await {
                Ok(revealed) => own.insert(Arc::new(revealed)),
                Err(cause) => return Some(Err(chain(&cause))),
            }
        }
        let invocation = Invocation {
            values: [&own, &target.values, &self.settings.values],
            timeout: step.definition.timeout,
            limits: Limits::of(step.definition),
            signals,
            droppable: true,
            earlier: 0,
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
