//! Serving a request: prepares it, executes it, and delivers its events.

use super::acquire::Waited;
use crate::plan::steps::Plan;
use tracing::Instrument;

use super::formats;
use super::mode::Mode;
use super::prepare::Prepared;
use super::settings::Settings;
use crate::listener::{EventKind, EventSink, Work};
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::undo::Undo;
use crate::report::error::Error;
use crate::report::run::Report;

/// The tracing target of the events about the end of a run, so that a program that prints the
/// report itself can filter them out.
const REPORT: &str = "flamingock::report";

/// A request to the engine.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Runs the pending changes.
    Run,
    /// Runs the pending changes in the background.
    Background {
        /// Whether to wait for an operator to resume a change that is paused.
        waits: bool,
    },
    /// Undoes changes.
    Undo(Undo),
}

impl Request {
    fn work(&self) -> Work {
        match self {
            Request::Run | Request::Background { .. } => Work::Run,
            Request::Undo(_) => Work::Undo,
        }
    }
}

/// Serves a request, and returns its report.
pub(crate) async fn serve(
    settings: Settings,
    request: Request,
    signals: StopSignal,
    run_id: String,
) -> Result<Report, Error> {
    let span = tracing::info_span!("flamingock", service = settings.service, run_id);
    let timeout = settings.listener_timeout;
    async {
        let events = events_of(&settings, &run_id, request.work());
        events.emit(EventKind::RunStarted);
        let is_off = settings.mode().is_ok_and(|mode| mode == Mode::Off);
        let found_out = match request {
            // Nothing is read and nothing runs.
            Request::Run | Request::Background { .. } if is_off => Ok(()),
            Request::Run | Request::Background { .. } | Request::Undo(_) => {
                formats::find_out(&settings, None).await
            }
        };
        let prepared = found_out.and_then(|()| {
            let prepared = Prepared::new(settings, &run_id, &events);
            prepared.map_err(Error::invalid)
        });
        let mut result = match prepared {
            Ok(mut prepared) => {
                prepared.counts_all = !matches!(request, Request::Run);
                prepared.stays = matches!(request, Request::Background { waits: true });
                prepared.serve(&request, &signals).await
            }
            Err(error) => Err(error),
        };
        match &result {
            Ok(report) if report.is_up_to_date() => tracing::debug!(target: REPORT, "{report}"),
            Ok(report) => tracing::info!(target: REPORT, "{report}"),
            Err(error) => tracing::error!(target: REPORT, "{error}"),
        }
        events.run_ended(
            result.as_ref().map_or_else(Error::report, Some),
            result.as_ref().err(),
        );
        let unheard = events.close(timeout).await;
        match &mut result {
            Ok(report) => report.warnings.extend(unheard),
            Err(error) => {
                if let Some(report) = error.report_mut() {
                    report.warnings.extend(unheard);
                }
            }
        }
        result
    }
    .instrument(span)
    .await
}

impl Prepared {
    /// Serves the request, and closes every cached connection before it returns, because a listener
    /// may wait for one.
    async fn serve(self, request: &Request, signals: &StopSignal) -> Result<Report, Error> {
        let work = async {
            match request {
                Request::Run => self.run(signals).await,
                Request::Background { .. } => self.run_background(signals).await,
                Request::Undo(undo) => self.undo(undo, signals).await,
            }
        };
        let loss = async {
            if let StopReason::Lost(reason) = signals
                .wait(|stop| matches!(stop, StopReason::Lost(_)))
                .await
            {
                self.events.lock_lost(reason);
            }
            std::future::pending().await
        };
        let result = tokio::select! {
            biased;
            result = work => result,
            result = loss => result,
        };
        // A row that the store refused also means that the lock is lost.
        if let Some(reason) = result.as_ref().err().and_then(Error::lost) {
            self.events.lock_lost(reason.to_owned());
        }
        result
    }

    pub(super) async fn run(&self, signals: &StopSignal) -> Result<Report, Error> {
        if self.mode == Mode::Off {
            let plan = Plan::make(
                &self.pipeline,
                |change| self.settings.selects(change),
                vec![],
            );
            let mut report = self.report(&plan, &Vec::new());
            report
                .warnings
                .push("the mode is off: nothing was looked at, nothing ran".to_owned());
            return Ok(report);
        }
        let lease = match self.wait_for_the_lock(signals).await? {
            Waited::Ended(report) => return Ok(*report),
            Waited::Obtained(lease) => lease,
        };
        self.run_locked(lease, signals).await
    }
}

/// Creates the sink for the events of a run.
pub(super) fn events_of(settings: &Settings, run_id: &str, work: Work) -> EventSink {
    EventSink::new(settings.listeners.clone(), run_id, &settings.service, work)
}
