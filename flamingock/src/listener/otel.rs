//! A [listener](crate::events) that records OpenTelemetry metrics of runs: the feature `otel`.
//!
//! It depends on the OpenTelemetry API only: the application chooses the provider and the exporter.
//!
//! ```
//! use flamingock::events::Metrics;
//! use flamingock::{MemoryStore, Runner};
//!
//! let meter = opentelemetry::global::meter("shop");
//! let runner = Runner::new(MemoryStore::new()).listener(Metrics::new(&meter));
//! # drop(runner);
//! ```
//!
//! | metric | kind, unit | attributes | counts |
//! |---|---|---|---|
//! | `flamingock.changes` | counter | `outcome`, `stage`, `target`, `work` | changes that a run or an undo has worked at, or could not start |
//! | `flamingock.change.duration` | histogram, s | `outcome`, `stage`, `target`, `work` | how long each of those that started took |
//! | `flamingock.runs` | counter | `outcome`, `work` | runs; a start that finds nothing to do is one |
//! | `flamingock.run.duration` | histogram, s | `outcome`, `work` | how long each took, with waiting |
//! | `flamingock.lock.wait` | histogram, s | `work` | from the run's beginning to its lock, for each run that obtained it |
//! | `flamingock.issues` | counter | `cause`, `stage`, `target` | issues that a run found, each time that one finds them |
//!
//! Each metric also has the attribute `service`. The `outcome` of a change is that of the report in
//! snake case, such as `newly_applied`. The `outcome` of a run is `success` or the
//! [kind](crate::Error::kind) of its error, such as `changes_failed`. `work` is `run`, `undo` or
//! `verify`.
//!
//! A program that ends right after the run must flush its provider (`force_flush`, `shutdown`), as
//! with every metric.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use serde::Serialize;

use super::api::Listener;
use crate::listener::{Event, EventKind};
use crate::report::run::ChangeReport;
use crate::util::boxed::BoxError;

/// Records metrics of runs: see the [module](self).
#[derive(Debug)]
pub struct Metrics {
    changes: Counter<u64>,
    change_duration: Histogram<f64>,
    runs: Counter<u64>,
    run_duration: Histogram<f64>,
    lock_wait: Histogram<f64>,
    issues: Counter<u64>,
}

/// The boundaries of the histograms in seconds: changes take from milliseconds to hours.
const BOUNDARIES: [f64; 14] = [
    0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0,
];

impl Metrics {
    /// Creates the instruments with this meter.
    pub fn new(meter: &Meter) -> Metrics {
        let counter = |name: &'static str, description: &'static str| {
            let counter = meter.u64_counter(name);
            counter.with_description(description).build()
        };
        let histogram = |name: &'static str, description: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s");
            let histogram = histogram.with_boundaries(BOUNDARIES.to_vec());
            histogram.with_description(description).build()
        };
        Metrics {
            changes: counter("flamingock.changes", "Changes by what became of them"),
            change_duration: histogram("flamingock.change.duration", "How long changes took"),
            runs: counter("flamingock.runs", "Runs by how they ended"),
            run_duration: histogram("flamingock.run.duration", "How long runs took"),
            lock_wait: histogram("flamingock.lock.wait", "How long runs waited for the lock"),
            issues: counter("flamingock.issues", "Issues that runs found"),
        }
    }

    fn change_ended(&self, event: &Event, stage: &str, change: &ChangeReport) {
        let attributes = [
            service(event),
            work(event),
            KeyValue::new("outcome", word(&change.outcome)),
            KeyValue::new("stage", stage.to_owned()),
            KeyValue::new("target", change.target),
        ];
        self.changes.add(1, &attributes);
        if let Some(duration) = change.duration {
            self.change_duration
                .record(duration.as_secs_f64(), &attributes);
        }
    }

    fn run_ended(&self, event: &Event, duration: Duration, outcome: &'static str) {
        let attributes = [
            service(event),
            work(event),
            KeyValue::new("outcome", outcome),
        ];
        self.runs.add(1, &attributes);
        self.run_duration
            .record(duration.as_secs_f64(), &attributes);
    }
}

fn service(event: &Event) -> KeyValue {
    KeyValue::new("service", event.service.clone())
}

fn work(event: &Event) -> KeyValue {
    KeyValue::new("work", event.work.as_str())
}

/// Returns the word that a value is in JSON.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[async_trait]
impl Listener for Metrics {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        match &event.kind {
            EventKind::ChangeEnded { stage, change, .. } => self.change_ended(event, stage, change),
            EventKind::LockObtained { waited } => self
                .lock_wait
                .record(waited.as_secs_f64(), &[service(event), work(event)]),
            EventKind::IssueFound {
                stage,
                target,
                cause,
                ..
            } => {
                let attributes = [
                    service(event),
                    KeyValue::new("cause", word(cause)),
                    KeyValue::new("stage", stage.clone()),
                    KeyValue::new("target", target.clone()),
                ];
                self.issues.add(1, &attributes);
            }
            EventKind::RunEnded {
                duration, error, ..
            } => {
                let outcome = error
                    .as_ref()
                    .map_or("success", |error| error.kind.as_str());
                self.run_ended(event, *duration, outcome);
            }
            EventKind::RunStarted
            | EventKind::Planned { .. }
            | EventKind::LockWaited { .. }
            | EventKind::LockLost { .. }
            | EventKind::LockReleased
            | EventKind::StageStarted { .. }
            | EventKind::StageEnded { .. }
            | EventKind::TargetWaited { .. }
            | EventKind::TargetReady { .. }
            | EventKind::ChangeStarted { .. }
            | EventKind::StepStarted { .. }
            | EventKind::StepEnded { .. }
            | EventKind::BatchCommitted { .. }
            | EventKind::ChangeProgressed { .. }
            | EventKind::Verified(_) => {}
        }
        Ok(())
    }

    fn name(&self) -> &str {
        "metrics"
    }
}
