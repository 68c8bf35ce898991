//! The state of all changes: the audit, the lock and the code, read at once.

use super::source::Source;
use crate::audit::entry::{Entry, LatestEntry};
use crate::audit::snapshot::Snapshot;
use crate::audit::store::{HistoryFilter, whole_snapshot};
use crate::engine::collect::open_storage as open;
use crate::engine::progress::note_progress;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::issue::{Issue, issue};
use crate::runner::builder::Runner;

/// The result of reading the database once.
#[derive(Debug)]
pub(super) struct Standing {
    /// The lock; the latest entries are in the plan.
    pub(super) snapshot: Snapshot,
    /// The plan for every change, whatever the tags select.
    pub(super) plan: Plan,
}

impl Standing {
    pub(super) async fn read(runner: &Runner, source: &dyn Source) -> Result<Standing, Error> {
        let settings = &runner.settings;
        let store = open(settings)?.store;
        // Read before the snapshot: an entry that is appended in between then belongs to a known
        // change, or to one that is missing.
        let entries = if source.has_code() {
            Vec::new()
        } else {
            let latest = HistoryFilter::default().latest_only();
            let mut entries = runner.history(&latest).await?;
            entries.retain(Entry::is_of_a_change);
            entries
        };
        let pipeline = source.pipeline(settings, &entries)?;
        let snapshot = whole_snapshot(&*store, &settings.service).await;
        let mut snapshot = snapshot.map_err(Error::store)?;
        let latest = std::mem::take(&mut snapshot.latest);
        let mut plan = Plan::make(&pipeline, |_| true, latest);
        note_progress(&mut plan, &settings.service, &*store, &settings.targets).await;
        Ok(Standing { snapshot, plan })
    }

    pub(super) fn is_running(&self, latest: &LatestEntry) -> bool {
        self.snapshot.is_running(latest)
    }

    pub(super) fn step(&self, id: &str) -> Option<&Step> {
        self.plan.steps().find(|step| step.definition.id == id)
    }

    /// Returns the issue of a change, if it needs manual resolution or may still be running.
    pub(super) fn issue(&self, step: &Step) -> Option<Issue> {
        issue(step, &self.snapshot)
    }

    pub(super) fn issues(&self) -> Vec<Issue> {
        self.plan
            .steps()
            .filter_map(|step| self.issue(step))
            .collect()
    }
}
