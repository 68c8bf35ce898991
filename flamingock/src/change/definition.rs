//! The definition of a change: everything that is known of it before it runs.

use super::body::Body;
use super::problem::Location;
use std::time::Duration;

/// What a change that stopped half-way may be done with, without manual resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// An operator decides: the change becomes an issue.
    Manual,
    /// It is safe to run again: the engine does.
    Retry,
}

impl Recovery {
    /// As it is written in the attribute and in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Recovery::Manual => "manual",
            Recovery::Retry => "retry",
        }
    }

    /// From the audit; none for any other text.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn recorded(text: &str) -> Option<Recovery> {
        match text {
            "manual" => Some(Recovery::Manual),
            "retry" => Some(Recovery::Retry),
            _ => None,
        }
    }
}

/// Whether a change that is applied is applied again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Never.
    Once,
    /// Whenever its digest is not the one that was applied last.
    OnChange,
}

/// Everything that is known of a change before it runs.
#[derive(Debug)]
pub struct Definition {
    /// Unique in the service.
    pub id: &'static str,
    /// The place in the stage, compared naturally.
    pub order: &'static str,
    /// Who wrote it; the crate's name where the attribute does not say.
    pub author: &'static str,
    /// The function's doc comment, or what the comments at the head of a file say; empty where there
    /// is none.
    pub description: &'static str,
    /// The stage; "default" where the attribute does not say.
    pub stage: &'static str,
    /// The target system; "default" where the attribute does not say.
    pub target: &'static str,
    /// What may be done with it when it stopped half-way.
    pub recovery: Recovery,
    /// Whether it is applied again.
    pub repeat: Repeat,
    /// Names that the runner selects by.
    pub tags: &'static [&'static str],
    /// The longest time that the function may take.
    pub timeout: Option<Duration>,
    /// The longest time that a statement in the change waits for a lock of the database.
    pub lock_timeout: Option<Duration>,
    /// The longest time that a statement in the change may take.
    pub statement_timeout: Option<Duration>,
    /// `v1:` and the hash of the function's parameters, return type and body, or of the file's text.
    pub digest: &'static str,
    /// Where the function stands; its first segment is the crate.
    pub module_path: &'static str,
    /// The function.
    pub body: Body<()>,
    /// Its `#[rollback]`.
    pub rollback: Option<&'static Body<()>>,
    /// Its `#[verify]`.
    pub verify: Option<&'static Body<bool>>,
}

impl Definition {
    /// The crate that the change was written in.
    pub fn crate_name(&self) -> &'static str {
        crate_name(self.module_path)
    }

    /// Where the change stands in the source.
    pub fn location(&self) -> Location {
        self.body.location
    }

    /// The secrets that its functions take, by name.
    pub(crate) fn secrets(&self) -> Vec<&'static str> {
        let mut names = self.body.secrets();
        names.extend(self.rollback.map(Body::secrets).unwrap_or_default());
        names.extend(self.verify.map(Body::secrets).unwrap_or_default());
        names
    }
}

/// The author of a change that names none: the package, or the crate where no package is known.
pub const fn default_author(package: Option<&'static str>, module: &'static str) -> &'static str {
    match package {
        Some(package) => package,
        None => crate_name(module),
    }
}

/// Stands in for a change whose attribute has a mistake, so that whatever names it still compiles and
/// the mistake is the only error. No program gets to see it.
pub const REFUSED: &Definition = &Definition {
    id: "",
    order: "",
    author: "",
    description: "",
    stage: "",
    target: "",
    recovery: Recovery::Manual,
    repeat: Repeat::Once,
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

/// The first segment of a module's path.
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
