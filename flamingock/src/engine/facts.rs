//! What every entry of a run says of where it comes from.

use super::settings::Settings;
use crate::audit::entry::Facts;
use crate::target::system::{TARGET_DESCRIPTION, TargetSystem};

pub(crate) fn facts(settings: &Settings) -> Facts {
    let metadata = &settings.metadata;
    Facts {
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid: std::process::id(),
        operator: settings.operator.clone(),
        app_version: settings.app_version.clone(),
        metadata: (!metadata.is_empty())
            .then(|| serde_json::Value::Object(metadata.clone()).to_string()),
    }
}

/// The same for an entry of a change of this target.
pub(crate) fn facts_at(settings: &Settings, target: &str) -> Facts {
    let facts = facts(settings);
    let target = settings.targets.iter().find(|given| given.name == target);
    target
        .and_then(|target| described(target, settings, &facts))
        .unwrap_or(facts)
}

/// What the entries of a target say that has a description: the runner's own words come first.
pub(super) fn described(
    target: &TargetSystem,
    settings: &Settings,
    facts: &Facts,
) -> Option<Facts> {
    let description = target.description.clone()?;
    let mut metadata = settings.metadata.clone();
    metadata
        .entry(TARGET_DESCRIPTION)
        .or_insert(serde_json::Value::String(description));
    Some(Facts {
        metadata: Some(serde_json::Value::Object(metadata).to_string()),
        ..facts.clone()
    })
}
