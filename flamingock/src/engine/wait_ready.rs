//! Waiting until the target system of a change is ready, before any of its changes run.

use tokio::time::Instant;

use super::prepare::Prepared;
use crate::listener::EventKind;
use crate::lock::lease::Lease;
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::step::Step;
use crate::target::readiness::{FIRST_PAUSE, LONGEST_PAUSE, Ready};
use crate::util::error_chain::ErrorChain;

impl Prepared {
    /// Waits for the change's target system, once in a run. Returns the error of a system that is
    /// not ready; `None` for one that is ready, or if the run is to stop, which `signals` shows.
    pub(super) async fn unready(
        &self,
        step: &Step,
        lease: Option<&Lease>,
        signals: &StopSignal,
    ) -> Option<ErrorChain> {
        let name = step.definition.target;
        let ready = self.targets.get(name)?.ready.as_ref()?;
        if let Some(known) = self.readiness.known(name) {
            return known.err();
        }
        // The readiness check may take a connection from a pool with cached connections of changes.
        for target in self.targets.values() {
            if let Some(database) = &target.database {
                database.release_cached();
            }
        }
        if let Some(lease) = lease {
            lease.set_activity(&format!("waiting for the target system {name}"));
        }
        let answer = self.wait_for(name, ready, lease, signals).await?;
        self.readiness.learn(name, answer.clone());
        answer.err()
    }

    /// Returns `None` if the run is to stop.
    async fn wait_for(
        &self,
        name: &str,
        ready: &Ready,
        lease: Option<&Lease>,
        signals: &StopSignal,
    ) -> Option<Result<(), ErrorChain>> {
        let began = Instant::now();
        let left = || ready.timeout.saturating_sub(began.elapsed());
        let mut pause = FIRST_PAUSE;
        let mut last = None;
        loop {
            // Only the application's own future is ever dropped.
            let answer = tokio::select! {
                biased;
                _ = signals.wait(|stop| *stop != StopReason::No) => return None,
                answer = tokio::time::timeout(left(), ready.ask()) => answer,
            };
            if let Ok(Ok(())) = answer {
                let (target, waited) = (name.to_owned(), began.elapsed());
                self.events.emit(EventKind::TargetReady { target, waited });
                return Some(Ok(()));
            }
            // An error says more than a later call that does not return.
            if let Ok(Err(error)) = answer {
                if last.is_none() {
                    tracing::info!(%error, "waiting for the target system {name:?}");
                    self.events.emit(EventKind::TargetWaited {
                        target: name.to_owned(),
                        error: error.clone(),
                    });
                }
                last = Some(error);
            }
            if left().is_zero() {
                return Some(Err(ready.not_ready(name, last.as_ref())));
            }
            tokio::select! {
                biased;
                _ = signals.wait(|stop| *stop != StopReason::No) => return None,
                () = tokio::time::sleep(pause.min(left())) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            if let Some(lease) = lease {
                lease.refresh().await;
            }
        }
    }
}
