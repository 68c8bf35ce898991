//! Preparing a run once its settings are valid: the pipeline, the target systems, the store, the
//! plan.

use super::collect::pipeline;
use super::judge::{Looks, judge};
use std::sync::Arc;

use tokio::time::Instant;

use super::facts::described;
use super::facts::facts;
use super::formats;
use super::mode::Mode;
use super::report_builder::{Done, report, unused_targets};
use super::settings::Settings;
use crate::audit::entry::Facts;
use crate::audit::snapshot::Snapshot;
use crate::audit::store::Store;
use crate::change::definition::Definition;
use crate::change::problem::Problem;
use crate::listener::EventSink;
use crate::plan::manifest;
use crate::plan::pipeline::Pipeline;
use crate::plan::preflight;
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::run::Report;
use crate::target::readiness::Readiness;
use crate::target::settings::StorageSettings;
use crate::target::system::TargetSystem;
use crate::target::system::Targets;

/// The version of the content that the pipeline's digest covers.
const DIGEST_FORMAT: &str = "3";

/// A run whose settings are valid.
pub(super) struct Prepared {
    pub(super) settings: Settings,
    pub(super) mode: Mode,
    pub(super) pipeline: Pipeline,
    pub(super) targets: Targets,
    pub(super) store: Arc<dyn Store>,
    pub(super) digest: String,
    pub(super) facts: Arc<Facts>,
    pub(super) run_id: String,
    pub(super) began: Instant,
    pub(super) events: EventSink,
    pub(super) readiness: Readiness,
    /// Whether the plan decides about the changes in the background, too.
    pub(super) counts_all: bool,
    /// Whether it stays until a change in the background is resumed that an operator paused.
    pub(super) stays: bool,
}

impl Prepared {
    /// Finds every problem before anything is touched.
    pub(super) fn new(
        settings: Settings,
        run_id: &str,
        events: &EventSink,
    ) -> Result<Prepared, Vec<Problem>> {
        let mut problems = settings.problems();
        let mode = settings.mode().unwrap_or_else(|problem| {
            problems.push(problem);
            Mode::Off
        });
        let (definitions, pipeline) = pipeline(&settings, &mut problems);
        if let Some(committed) = &settings.manifest
            && let Err(found) = manifest::check(&pipeline, committed)
        {
            problems.extend(found);
        }
        let storage = match settings.storage.open(&settings.for_storage()) {
            Ok(storage) => storage,
            Err(found) => {
                problems.extend(found);
                return Err(problems);
            }
        };
        let mut targets = targets(&settings, storage.target);
        problems.extend(unmet(&settings, definitions, &targets, &pipeline));
        if !problems.is_empty() {
            return Err(problems);
        }
        let unused = unused_targets(&settings, &pipeline);
        for warning in unused.chain(formats::passed_over(&settings)) {
            tracing::warn!("{warning}");
        }
        let facts = facts(&settings);
        for target in targets.values_mut() {
            target.facts = described(target, &settings, &facts).map(Arc::new);
        }
        let policy = settings.policy.text();
        let salt = [DIGEST_FORMAT, settings.service.as_str(), policy.as_str()];
        let digest = pipeline.digest(&salt, |change| settings.selects(change));
        Ok(Prepared {
            mode,
            pipeline,
            targets,
            store: storage.store,
            digest,
            facts: Arc::new(facts),
            run_id: run_id.to_owned(),
            began: Instant::now(),
            events: events.clone(),
            readiness: Readiness::default(),
            counts_all: false,
            stays: false,
            settings,
        })
    }

    /// Makes the plan from a snapshot. Takes the entries out of the snapshot.
    pub(super) fn plan(&self, snapshot: &mut Snapshot, looks: Looks) -> Result<Plan, Error> {
        let selects = |change: &Definition| self.settings.selects(change);
        if snapshot.up_to_date {
            return Ok(Plan::complete(&self.pipeline, selects));
        }
        let latest = std::mem::take(&mut snapshot.latest);
        let mut plan = Plan::make(&self.pipeline, selects, latest);
        if self.settings.adopt_verified {
            plan.ask_first();
        }
        if !self.counts_background() {
            plan.leave_background();
        }
        plan.hold_back();
        plan.wait_for_lanes(&snapshot.lanes);
        judge(&self.settings, &mut plan, looks).map_err(Error::invalid)?;
        Ok(plan)
    }

    /// Reports whether a plan is about the changes in the background, too.
    fn counts_background(&self) -> bool {
        self.counts_all || (self.settings.with_background && self.only_looks())
    }

    pub(super) fn report(&self, plan: &Plan, done: &Done) -> Report {
        let mut report = report(
            &self.settings,
            &self.pipeline,
            plan,
            done,
            &self.run_id,
            self.began,
        );
        // A run that works has logged these warnings, and its report would repeat them at every
        // start.
        if matches!(self.mode, Mode::Check | Mode::Plan) {
            let passed = formats::passed_over(&self.settings);
            report.warnings.extend(passed);
        }
        report
    }
}

/// Returns the target systems of a run.
pub(super) fn targets(settings: &Settings, own: TargetSystem) -> Targets {
    let mut given = settings.targets.clone();
    for target in &mut given {
        share_or_configure(target, &own, &settings.for_storage());
    }
    preflight::targets(own, given)
}

/// Returns a problem for everything that the changes of a run need and that is not provided.
pub(super) fn unmet(
    settings: &Settings,
    changes: impl IntoIterator<Item = &'static Definition>,
    targets: &Targets,
    pipeline: &Pipeline,
) -> Vec<Problem> {
    let changes = changes.into_iter();
    let selected: Vec<_> = changes.filter(|change| settings.selects(change)).collect();
    let mut problems = preflight::check(&selected, targets, &settings.values);
    problems.extend(preflight::check_atomic(&selected, targets, pipeline));
    problems
}

/// Marks a target system with the audit's own pool as the database of the audit. Passes the
/// runner's settings to every other one.
fn share_or_configure(target: &mut TargetSystem, own: &TargetSystem, settings: &StorageSettings) {
    let Some(database) = &target.database else {
        return;
    };
    match &own.database {
        Some(audit) if audit.pool_identity() == database.pool_identity() => {
            target.database = Some(Arc::clone(audit));
            target.holds_audit = true;
        }
        _ => target.database = Some(database.configured(settings)),
    }
}
