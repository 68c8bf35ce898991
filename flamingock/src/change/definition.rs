//! The definition of a change: everything that is known before it runs.

use super::body::{Body, Code};
use super::names::DEFAULT;
use super::problem::Location;
use std::time::Duration;

/// What the engine may do, without manual resolution, about an attempt that was interrupted, or
/// that failed and was not rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// An operator decides: the change becomes an issue.
    Manual,
    /// The change is safe to run again, so the next run does so.
    Retry,
}

impl Recovery {
    /// Returns the name that the attribute and the audit use.
    pub fn as_str(self) -> &'static str {
        match self {
            Recovery::Manual => "manual",
            Recovery::Retry => "retry",
        }
    }

    /// Returns the setting that the audit recorded; `None` for any other text.
    pub(crate) fn recorded(text: &str) -> Option<Recovery> {
        match text {
            "manual" => Some(Recovery::Manual),
            "retry" => Some(Recovery::Retry),
            _ => None,
        }
    }
}

/// Reads the setting; that of a later version is not known.
pub(crate) fn known_recovery<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Recovery>, D::Error> {
    let word = <Option<String> as serde::Deserialize>::deserialize(deserializer)?;
    Ok(word.and_then(|word| Recovery::recorded(&word)))
}

/// Whether an applied change runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// It never runs again.
    Once,
    /// The change is repeatable: it runs again whenever its digest differs from the applied one.
    OnChange,
}

/// When a change runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the application serves requests.
    Startup,
    /// While the application serves requests, after the changes of the start.
    Background,
}

/// Everything that is known about a change before it runs.
#[derive(Debug)]
pub struct Definition {
    /// The id, unique in the service.
    pub id: &'static str,
    /// The position in the stage. Digits compare as numbers.
    pub order: &'static str,
    /// The author; the name of the crate if the attribute does not name one.
    pub author: &'static str,
    /// The doc comment of the function, or the comments at the head of a file; empty without them.
    pub description: &'static str,
    /// The stage; "default" if the attribute does not name one.
    pub stage: &'static str,
    /// The target system; "default" if the attribute does not name one.
    pub target: &'static str,
    /// What the engine may do about an unfinished attempt.
    pub recovery: Recovery,
    /// Whether the change is repeatable.
    pub repeat: Repeat,
    /// When the change runs.
    pub phase: Phase,
    /// The id of a change in the background that must be applied before this one.
    pub requires: Option<&'static str>,
    /// The tags by which the runner selects changes.
    pub tags: &'static [&'static str],
    /// The timeout of the function.
    pub timeout: Option<Duration>,
    /// How long a statement of the change waits for a lock of the database.
    pub lock_timeout: Option<Duration>,
    /// How long a statement of the change may take.
    pub statement_timeout: Option<Duration>,
    /// `v1:` and the hash of the function's parameters, return type and body, or of the file's
    /// text.
    pub digest: &'static str,
    /// The module path of the function; its first segment is the crate.
    pub module_path: &'static str,
    /// The function.
    pub body: Body<()>,
    /// The `#[rollback]` function.
    pub rollback: Option<&'static Body<()>>,
    /// The `#[verify]` function.
    pub verify: Option<&'static Body<bool>>,
}

impl Definition {
    /// Returns the name of the crate that the change was written in.
    pub fn crate_name(&self) -> &'static str {
        crate_name(self.module_path)
    }

    /// Creates the definition that keeps the place of a deleted change, for the code of the macros.
    pub const fn retired(
        id: &'static str,
        order: &'static str,
        stage: &'static str,
        since: &'static str,
        tags: &'static [&'static str],
        location: Location,
        module_path: &'static str,
    ) -> Definition {
        Definition {
            id,
            order,
            author: crate_name(module_path),
            stage,
            target: DEFAULT,
            tags,
            digest: RETIRED,
            module_path,
            body: Body {
                name: "retired",
                location,
                needs: &[],
                transaction: false,
                code: Code::Retired(since),
            },
            ..NOTHING
        }
    }

    /// Reports whether this program has the code of the change, and not only its entries.
    pub(crate) fn has_code(&self) -> bool {
        !self.module_path.is_empty()
    }

    /// Returns the last version that had the change, if it is retired.
    pub(crate) fn retired_since(&self) -> Option<&'static str> {
        match self.body.code {
            Code::Retired(since) => Some(since),
            Code::Function(_) | Code::Batch(..) | Code::Read(_) => None,
        }
    }

    /// Reports whether the change runs in the background.
    pub(crate) fn is_background(&self) -> bool {
        self.phase == Phase::Background
    }

    /// Returns the place of the change in the source.
    pub fn location(&self) -> Location {
        self.body.location
    }

    /// Returns the names of the secrets that its functions use.
    pub(crate) fn secrets(&self) -> Vec<&'static str> {
        let mut names = self.body.secrets();
        names.extend(self.rollback.map(Body::secrets).unwrap_or_default());
        names.extend(self.verify.map(Body::secrets).unwrap_or_default());
        names
    }
}

/// Returns the author of a change that names none: the package, or the crate if the package is
/// unknown.
pub const fn default_author(package: Option<&'static str>, module: &'static str) -> &'static str {
    match package {
        Some(package) => package,
        None => crate_name(module),
    }
}

/// Reports whether the rollback of a change may work in batches. For the checks that the macros make
/// at compile time: the mistakes of a refused change are errors already.
pub const fn may_batch(definition: &Definition) -> bool {
    definition.id.is_empty() || matches!(definition.body.code, Code::Batch(..))
}

/// Takes the place of the digest of a retired change.
pub(crate) const RETIRED: &str = "retired";

/// Replaces a change whose attribute has a mistake, so that code which names the change still
/// compiles, and the mistake is the only error. No program can contain it.
pub const REFUSED: &Definition = &NOTHING;

const NOTHING: Definition = Definition {
    id: "",
    order: "",
    author: "",
    description: "",
    stage: "",
    target: "",
    recovery: Recovery::Manual,
    repeat: Repeat::Once,
    phase: Phase::Startup,
    requires: None,
    tags: &[],
    timeout: None,
    lock_timeout: None,
    statement_timeout: None,
    digest: "",
    module_path: "",
    body: Body::new("", Location { file: "", line: 0 }, &[], false, |_, _| {
        Box::pin(async { Ok(()) })
    }),
    rollback: None,
    verify: None,
};

/// Returns the first segment of a module path.
pub(crate) const fn crate_name(module: &'static str) -> &'static str {
    let bytes = module.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b':' {
        end += 1;
    }
    module.split_at(end).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn author_is_the_package_or_the_crate() {
        assert_eq!(
            default_author(Some("billing-changes"), "billing_changes::a"),
            "billing-changes"
        );
        assert_eq!(
            default_author(None, "billing_changes::a::b"),
            "billing_changes"
        );
        assert_eq!(default_author(None, "billing_changes"), "billing_changes");
    }
}
