//! Interpreting the history of Flyway.

use super::history::{History, UpTo, is_true};
use super::past::PastChange;
use super::tool::Tool;
use super::version;

/// A row of the history.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) version: Option<String>,
    pub(super) description: String,
    pub(super) kind: String,
    pub(super) script: String,
    pub(super) success: Option<String>,
    pub(super) installed_on: Option<String>,
}

/// The meaning of a row.
enum Meaning {
    /// Flyway created the schema.
    Schema,
    /// All versions up to this one count as applied. If `has_file`, a file of this name was
    /// applied.
    Baseline {
        has_file: bool,
    },
    /// The version, or the repeatable file with this description, counts as never applied.
    Delete,
    /// The version was undone.
    Undo,
    Applied,
}

fn meaning(kind: &str) -> Option<Meaning> {
    Some(match kind {
        "SCHEMA" => Meaning::Schema,
        // Its name before version 3 was `INIT`.
        "BASELINE" | "INIT" => Meaning::Baseline { has_file: false },
        "SQL_BASELINE" | "JDBC_BASELINE" | "SCRIPT_BASELINE" | "SQL_STATE_SCRIPT"
        | "JDBC_STATE_SCRIPT" => Meaning::Baseline { has_file: true },
        "DELETE" => Meaning::Delete,
        "UNDO_SQL" | "UNDO_JDBC" | "UNDO_SPRING_JDBC" | "UNDO_SCRIPT" | "UNDO_CUSTOM" => {
            Meaning::Undo
        }
        "SQL" | "JDBC" | "SPRING_JDBC" | "SCRIPT" | "CUSTOM" => Meaning::Applied,
        _ => return None,
    })
}

pub(super) fn read(history: &mut History, row: Row) {
    let Row {
        version,
        description,
        kind,
        script,
        success,
        installed_on: at,
    } = row;
    let name = script_name(&kind, &script).to_owned();
    let Some(meaning) = meaning(&kind) else {
        history
            .unknown
            .push(format!("{name:?} is of the type {kind:?}"));
        return;
    };
    if version
        .as_deref()
        .is_some_and(|version| version::Version::parse(version).is_none())
    {
        let version = version.unwrap_or_default();
        history
            .unknown
            .push(format!("{name:?} has the version {version:?}"));
        return;
    }
    if !is_true(success.as_deref()) {
        history.unresolved.push(name);
        return;
    }
    match (meaning, version) {
        (Meaning::Schema, _) => history.pass_over(name, "the tool created the schema"),
        (Meaning::Baseline { .. }, None) => {
            history
                .unknown
                .push(format!("the baseline {name:?} has no version"));
        }
        (Meaning::Baseline { has_file }, Some(version)) => {
            if has_file {
                history.add(version.clone(), name.clone(), at.clone());
            } else {
                history.pass_over(name, &format!("the baseline, at version {version}"));
            }
            raise(history, version, at);
        }
        (Meaning::Delete, Some(version)) => {
            history.pass_over(name, &format!("it marks version {version} as deleted"));
            forget(history, &version, "deleted by Flyway's repair");
        }
        (Meaning::Delete, None) => {
            history.pass_over(name, &format!("it marks {description:?} as deleted"));
            let is_it = |past: &PastChange| {
                past.description.as_deref() == Some(description.as_str()) && past.id == past.name
            };
            history.forget_where(is_it, "deleted by Flyway's repair");
        }
        (Meaning::Undo, Some(version)) => {
            history.pass_over(name, &format!("it undid version {version}"));
            forget(history, &version, "undone");
        }
        (Meaning::Undo, None) => {
            history
                .unknown
                .push(format!("{name:?} undid something without a version"));
        }
        (Meaning::Applied, Some(version)) => {
            history.add(version, name, at);
        }
        // A repeatable file has a row for each time that it ran.
        (Meaning::Applied, None) => {
            let is_it = |past: &PastChange| past.id == name;
            history.applied.retain(|past| !is_it(past));
            history.applied.push(PastChange {
                description: Some(description),
                ..PastChange::new(name.clone(), name, at)
            });
        }
    }
}

/// Keeps the highest baseline.
fn raise(history: &mut History, version: String, at: Option<String>) {
    let is_higher = history.up_to.as_ref().is_none_or(|up_to| {
        version::compare(Tool::Flyway, &up_to.version, &version)
            .is_some_and(std::cmp::Ordering::is_lt)
    });
    if is_higher {
        history.up_to = Some(UpTo {
            name: format!("at or below the baseline {version}"),
            version,
            applied_at: at,
            must_be_here: false,
        });
    }
}

fn forget(history: &mut History, version: &str, why: &str) {
    let is_it = |past: &PastChange| {
        version::compare(Tool::Flyway, &past.id, version).is_some_and(std::cmp::Ordering::is_eq)
    };
    history.forget_where(is_it, why);
}

/// Returns the name of a script: `sub/V1__users.sql`, `V1__users.sh` and the class
/// `db.migration.V1__users` are all called `V1__users`.
fn script_name<'a>(kind: &str, script: &'a str) -> &'a str {
    let file = script.rsplit(['/', '\\']).next().unwrap_or(script);
    // A text that Flyway writes itself, and not the name of a file.
    if script.starts_with("<<") || script.starts_with('"') {
        return script;
    }
    let Some((before, after)) = file.rsplit_once('.') else {
        return file;
    };
    let is_class = match kind {
        "CUSTOM" => version::in_name(Tool::Flyway, after).is_some() || after.starts_with("R__"),
        kind => kind.contains("JDBC"),
    };
    if is_class { after } else { before }
}
