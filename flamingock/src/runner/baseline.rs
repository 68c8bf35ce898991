//! Recording changes as applied that were applied by hand, or with a tool that left no history.

use std::collections::HashSet;
use std::sync::Arc;

use super::builder::Runner;
use super::operate::check_reason;
use crate::adopt::adopted::Baseline;
use crate::adopt::taking::entry;
use crate::audit::entry::{NewEntry, Origin, State};
use crate::change::definition::Definition;
use crate::engine;
use crate::engine::collect::open_storage as open;
use crate::plan::pipeline::Pipeline;
use crate::report::error::Error;
use crate::report::error::invalid;
use crate::util::near_miss::did_you_mean;

impl Runner {
    /// Marks changes as applied that were applied without any tool's history: the change `up_to`,
    /// all changes before it in its stage, and all changes of the stages that run before. Runs
    /// nothing. Takes the lock, and appends an entry with the origin `operator` for each change
    /// that this service has no entry of; either all entries are appended or none.
    ///
    /// Changes that the runner's tags do not select are left out.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) if the pipeline has no change `up_to`, or if `reason` is
    ///   blank.
    /// - [`LockTimeout`](crate::ErrorKind) at once if a run of this service has the lock.
    /// - Any error while the audit is read or written.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all entries are appended or none, and the lock stays taken
    /// until its lease ends.
    pub async fn baseline(&self, up_to: &str, reason: &str) -> Result<Baseline, Error> {
        check_reason(
            reason,
            "a baseline needs a reason: say how it is known that the changes are applied, for the audit",
        )?;
        let storage = open(&self.settings)?;
        engine::find_out_formats(&self.settings, None).await?;
        let pipeline = engine::pipeline_of(&self.settings)?;
        let changes = changes_up_to(&pipeline, up_to).ok_or_else(|| {
            invalid(&format!(
                "the pipeline has no change {up_to:?}: nothing was recorded{}",
                did_you_mean(up_to, pipeline.changes().map(|change| change.id))
            ))
        })?;
        self.make_ready(&storage).await?;
        let lease = self.take_lock(&storage).await?;
        let store = &*storage.store;
        let recorded = async {
            let ids = changes.iter().map(|change| change.id);
            self.close_lanes(&storage, ids).await?;
            let own = store.snapshot(&self.settings.service, "").await;
            let own = own.map_err(Error::store)?;
            let known: HashSet<&str> = own
                .latest
                .iter()
                .map(|latest| latest.change_id.as_str())
                .collect();
            let selected = changes
                .into_iter()
                .filter(|change| self.settings.selects(change));
            let (known, new): (Vec<_>, Vec<_>) =
                selected.partition(|change| known.contains(change.id));
            let entries = self.entries_of(&new, reason);
            if !entries.is_empty() {
                let appended = store.append(lease.grant(), &entries).await;
                appended.map_err(Error::store)?;
            }
            let ids = |changes: Vec<&Definition>| {
                changes.iter().map(|change| change.id.to_owned()).collect()
            };
            Ok(Baseline {
                recorded: ids(new),
                known: ids(known),
            })
        };
        let recorded = recorded.await;
        let released = lease.release(None).await;
        let recorded = recorded?;
        released.map_err(Error::store)?;
        Ok(recorded)
    }

    fn entries_of(&self, changes: &[&'static Definition], reason: &str) -> Vec<NewEntry> {
        let facts = Arc::new(engine::facts(&self.settings));
        let one = |change: &&'static Definition| {
            entry(
                change,
                State::MarkedApplied,
                Origin::Operator,
                reason.to_owned(),
                Arc::clone(&facts),
            )
        };
        changes.iter().map(one).collect()
    }
}

/// Returns the change, those before it in its stage, and those of the stages before it.
fn changes_up_to(pipeline: &Pipeline, id: &str) -> Option<Vec<&'static Definition>> {
    let stage = pipeline
        .stages
        .iter()
        .position(|stage| stage.changes.iter().any(|change| change.id == id))?;
    let before = pipeline.stages[..stage]
        .iter()
        .flat_map(|stage| stage.changes.iter().copied());
    let changes = &pipeline.stages[stage].changes;
    let place = changes.iter().position(|change| change.id == id)?;
    Some(before.chain(changes[..=place].iter().copied()).collect())
}
