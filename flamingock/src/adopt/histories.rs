//! The histories that a run adopts before its first change.

use super::adoption::Adoption;
use super::taking;
use super::taking::prepare;
use crate::audit::entry::{Facts, LatestEntry, NewEntry};
use crate::audit::grant::LockGrant;
use crate::audit::store::Store;
use crate::change::problem::Problem;
use crate::plan::pipeline::Pipeline;
use crate::report::error::Error;
use crate::target::database::Database;
use crate::target::system::TargetSystem;
use std::sync::Arc;

/// The histories that a run adopts, the target systems that have them, and the changes of the run.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) adoptions: &'a [Adoption],
    pub(crate) targets: &'a [&'a TargetSystem],
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) facts: &'a Arc<Facts>,
}

impl Places<'_> {
    /// Adopts the histories of the run, and returns the number of adopted changes.
    pub(crate) async fn adopt(self, store: &dyn Store, grant: &LockGrant) -> Result<usize, Error> {
        let entries = self.entries().await?;
        append(store, grant, &entries).await?;
        Ok(entries.len())
    }

    /// Returns the entries that an adoption would append, as if they were recorded.
    pub(crate) async fn foresee(self) -> Result<Vec<LatestEntry>, Error> {
        let entries = self.entries().await?;
        Ok(entries.into_iter().map(as_if_written).collect())
    }

    async fn entries(self) -> Result<Vec<NewEntry>, Error> {
        let mut entries: Vec<NewEntry> = Vec::new();
        for adoption in self.adoptions {
            let database = database(self.targets.iter().copied(), &adoption.target)?;
            let prepared = prepare(adoption, database, self.pipeline, &[], self.facts).await?;
            taking::refuse_unmapped(adoption, &prepared.adopted)?;
            tracing::info!("{}", prepared.adopted);
            for entry in prepared.entries {
                // Another history has the same change.
                if entries
                    .iter()
                    .all(|other| other.change_id != entry.change_id)
                {
                    entries.push(entry);
                }
            }
        }
        Ok(entries)
    }
}

fn as_if_written(entry: NewEntry) -> LatestEntry {
    LatestEntry {
        change_id: entry.change_id,
        seq: 0,
        state: entry.state,
        transaction_mode: entry.transaction_mode,
        origin: entry.origin,
        digest: entry.digest,
        attempt: entry.attempt,
        run_id: String::new(),
        stage: entry.stage,
        change_order: entry.change_order,
        target: entry.target,
        started_at: std::time::SystemTime::UNIX_EPOCH,
        error: None,
        recovery: entry.recovery,
        reason: entry.reason,
        operator: entry.origin_facts.operator.clone(),
    }
}

pub(crate) async fn append(
    store: &dyn Store,
    grant: &LockGrant,
    entries: &[NewEntry],
) -> Result<(), Error> {
    if !entries.is_empty() {
        let appended = store.append(grant, entries).await;
        appended.map_err(Error::store)?;
    }
    Ok(())
}

/// Returns the database of a target system; `None` for a system without one.
pub(crate) fn database<'a>(
    mut targets: impl Iterator<Item = &'a TargetSystem>,
    name: &str,
) -> Result<Option<&'a dyn Database>, Error> {
    match targets.find(|target| target.name == name) {
        Some(target) => Ok(target.database.as_deref()),
        None => Err(Error::invalid(vec![Problem::general(format!(
            "the history is said to be in the target {name:?}, and the runner has no such target"
        ))])),
    }
}
