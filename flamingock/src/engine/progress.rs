//! How far the changes in batches are, for operators.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::prepare::Prepared;
use super::settings::Settings;
use crate::audit::change_progress::ChangeProgress;
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::plan::decision::{Decision, Wait};
use crate::plan::note::Note;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
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

/// Notes how far the unfinished changes in batches are. What cannot be read is noted, too: a plan
/// does not need it.
pub(crate) async fn note_progress(
    plan: &mut Plan,
    service: &str,
    store: &dyn Store,
    targets: &[TargetSystem],
) {
    // By the name of the target; that of the audit's database is `None`.
    let mut read: HashMap<Option<&str>, Result<Vec<ChangeProgress>, StoreError>> = HashMap::new();
    for step in plan.stages.iter_mut().flatten() {
        if !may_have_progress(step) {
            continue;
        }
        let definition = step.definition;
        let target = targets.iter().find(|one| one.name == definition.target);
        let database = target
            .and_then(|target| target.database.as_ref())
            .filter(|_| definition.body.transaction);
        let place = database.map(|_| definition.target);
        let found = match read.entry(place) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(unread) => unread.insert(match database {
                Some(database) => database.progress(service).await,
                None => store.progress(service).await,
            }),
        };
        match found {
            Ok(found) => {
                let progress = found.iter().find(|one| one.change_id == definition.id);
                step.notes
                    .extend(progress.cloned().map(Box::new).map(Note::Progress));
            }
            Err(error) => step.notes.push(Note::ProgressUnknown {
                error: ErrorChain::of(error),
            }),
        }
    }
}

impl Prepared {
    /// Notes how far the changes in the background are that others wait for. Without an answer, the
    /// texts do not tell.
    pub(super) async fn note_required(&self, plan: &mut Plan) {
        let waits = |step: &Step| matches!(step.decision, Decision::Waits(_));
        if !plan.steps().any(waits) {
            return;
        }
        let Ok(found) = self.answered(progress(&self.settings, &*self.store)).await else {
            return;
        };
        for step in plan.stages.iter_mut().flatten() {
            let Decision::Waits(wait) = &mut step.decision else {
                continue;
            };
            if let Wait::Required { id, progress } = &mut **wait {
                *progress = found.iter().find(|one| one.change_id == *id).cloned();
            }
        }
    }
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
        | Decision::Later(_)
        | Decision::Waits(_)
        | Decision::Issue(_) => !step.begins_anew(),
    };
    is_unfinished && (step.definition.body.cursor().is_some() || !step.definition.has_code())
}
