//! Where the changes stand: the audit, the lock and the code, read at once.

use crate::audit::{LockRow, Newest, State};
use crate::decision::Decision;
use crate::engine;
use crate::error::Error;
use crate::operate::{Issue, issue};
use crate::plan::{Plan, Step};
use crate::runner::Runner;
use crate::tables::StorageSettings;

/// What one look at the database found.
#[derive(Debug)]
pub(super) struct Standing {
    /// Who has the lock, or had it last.
    pub(super) lock: Option<LockRow>,
    /// Every change, whatever the tags select.
    pub(super) plan: Plan,
}

impl Standing {
    pub(super) async fn read(runner: &Runner) -> Result<Standing, Error> {
        let settings = &runner.settings;
        let pipeline = engine::pipeline_of(settings)?;
        let storage_settings = StorageSettings {
            tables: settings.tables.clone(),
            lock: settings.lock,
        };
        let storage = settings
            .storage
            .open(&storage_settings)
            .map_err(Error::Invalid)?;
        let snapshot = storage
            .store
            .snapshot(&settings.service, "")
            .await
            .map_err(Error::store)?;
        Ok(Standing {
            lock: snapshot.lock,
            plan: Plan::make(&pipeline, |_| true, snapshot.newest),
        })
    }

    /// Whether the run that has the lock is at work at this change. Entries of other runs are no
    /// concern of that run's lease: what they left is theirs.
    pub(super) fn is_running(&self, newest: &Newest) -> bool {
        let unfinished = matches!(newest.state, State::Started | State::Failed);
        let lock = self.lock.as_ref().filter(|lock| lock.held);
        unfinished && lock.is_some_and(|lock| lock.run_id == newest.run_id)
    }

    pub(super) fn step(&self, id: &str) -> Option<&Step> {
        self.plan.steps().find(|step| step.definition.id == id)
    }

    /// The issue of a change; `may_be_running` where it is no issue yet.
    pub(super) fn issue(&self, step: &Step) -> Option<Issue> {
        match (&step.decision, &step.newest) {
            (Decision::Issue(cause), Some(newest)) => {
                Some(issue(newest, cause, self.is_running(newest)))
            }
            _ => None,
        }
    }

    pub(super) fn issues(&self) -> Vec<Issue> {
        self.plan
            .steps()
            .filter_map(|step| self.issue(step))
            .collect()
    }
}
