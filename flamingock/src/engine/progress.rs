//! How far the changes in batches are, for operators.

use std::collections::HashMap;

use super::settings::Settings;
use crate::audit::progress::ChangeProgress;
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::plan::decision::Decision;
use crate::plan::note::Note;
use crate::plan::steps::{Plan, Step};
use crate::target::system::TargetSystem;
use crate::util::error_chain::ErrorChain;

/// Returns the progress of all changes of the service, by id: beside the audit, and in the
/// databases of the target systems.
pub(crate) async fn progress(
    settings: &Settings,
    store: &dyn Store,
) -> Result<Vec<ChangeProgress>, StoreError> {
    let mut found = store.progress(&settings.service).await?;
    for target in &settings.targets {
        if let Some(database) = &target.database {
            found.extend(database.progress(&settings.service).await?);
        }
    }
    // A target system can be in the audit's database. A change that was moved to another one has
    // its progress in both.
    found.sort_by(|one, other| {
        let newest = other.updated_at.cmp(&one.updated_at);
        one.change_id.cmp(&other.change_id).then(newest)
    });
    found.dedup_by(|one, other| one.change_id == other.change_id);
    Ok(found)
}

/// Notes how far the unfinished changes in batches are.
pub(crate) async fn note_progress(
    plan: &mut Plan,
    service: &str,
    store: &dyn Store,
    targets: &[TargetSystem],
) -> Result<(), StoreError> {
    if !plan.steps().any(may_have_progress) {
        return Ok(());
    }
    let beside_the_audit = store.progress(service).await?;
    let mut elsewhere = HashMap::new();
    for step in plan.stages.iter_mut().flatten() {
        if !may_have_progress(step) {
            continue;
        }
        let name = step.definition.target;
        let target = targets.iter().find(|target| target.name == name);
        let database = target.and_then(|target| target.database.as_ref());
        let read = match database {
            Some(database) if step.definition.body.transaction => {
                if !elsewhere.contains_key(name) {
                    elsewhere.insert(name, database.progress(service).await);
                }
                elsewhere.get(name)
            }
            _ => None,
        };
        let id = step.definition.id;
        match read {
            Some(Err(error)) => step.notes.push(Note::ProgressUnknown {
                error: ErrorChain::of(error),
            }),
            read => {
                let here = match read {
                    Some(Ok(found)) => found,
                    _ => &beside_the_audit,
                };
                let progress = here.iter().find(|progress| progress.change_id == id);
                step.notes.extend(progress.cloned().map(Note::Progress));
            }
        }
    }
    Ok(())
}

/// Reports whether an attempt at a change in batches is unfinished. Without the code, it is not
/// known which changes work in batches.
fn may_have_progress(step: &Step) -> bool {
    let is_unfinished = match step.decision {
        Decision::Skip | Decision::Filtered => false,
        Decision::Apply
        | Decision::Again
        | Decision::Verify(_)
        | Decision::Resolve
        | Decision::Issue(_) => !step.begins_anew(),
    };
    is_unfinished && (step.definition.body.cursor().is_some() || !step.definition.has_code())
}
