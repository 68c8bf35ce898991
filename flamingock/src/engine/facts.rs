//! The facts about a run that every entry records: host, process, operator, version, metadata.

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

/// Returns the facts for the entries of a change of this target system.
pub(crate) fn facts_at(settings: &Settings, target: &str) -> Facts {
    let facts = facts(settings);
    let target = settings.targets.iter().find(|given| given.name == target);
    target
        .and_then(|target| described(target, settings, &facts))
        .unwrap_or(facts)
}

/// Returns the facts for the entries of a target system with a description. The runner's own
/// metadata takes precedence.
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
