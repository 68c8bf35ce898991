//! The preflight: checks the arguments of every change against the provided values before anything
//! runs or is locked.

use crate::target::system::Targets;
use std::any::TypeId;
use std::collections::HashSet;
use std::sync::Arc;

use super::pipeline::Pipeline;
use crate::change::argument::{Need, NeedKind, Values, is_taken_exclusively};
use crate::change::body::Body;
use crate::change::context::Context;
use crate::change::definition::Definition;
use crate::change::names::DEFAULT;
use crate::change::problem::Problem;
use crate::target::database::Database;
use crate::target::system::TargetSystem;
use crate::util::database_kind::DatabaseKind;
use crate::util::near_miss::did_you_mean;

/// Maps the target systems by name: that of the audit's database, unless another one has its name.
/// The settings have checked already that the other names are unique.
pub(crate) fn targets(own: TargetSystem, given: Vec<TargetSystem>) -> Targets {
    let mut targets = Targets::new();
    for target in std::iter::once(own).chain(given) {
        targets.insert(target.name.clone(), target);
    }
    targets
}

/// Checks every argument of every function.
pub(crate) fn check(
    changes: &[&'static Definition],
    targets: &Targets,
    values: &Values,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for change in changes {
        match targets.get(change.target) {
            Some(target) => check_change(change, target, values, &mut problems),
            None => {
                let mut known: Vec<&str> = targets.keys().map(String::as_str).collect();
                known.sort_unstable();
                let takes_connection = change.body.needs.iter().any(Need::is_connection);
                problems.push(Problem::at(
                    change.location(),
                    format!(
                        "the target system {:?} of the change {:?} is not known ({}): add `.target({}({:?}{}))` to the runner{}",
                        change.target,
                        change.id,
                        known.join(", "),
                        if takes_connection { "TargetSystem::sqlx" } else { "TargetSystem::new" },
                        change.target,
                        if takes_connection { ", &pool" } else { "" },
                        did_you_mean(change.target, known.iter().copied()),
                    ),
                ));
            }
        }
    }
    problems
}

/// Checks that every change of an atomic stage can share a transaction with the others.
pub(crate) fn check_atomic(
    changes: &[&'static Definition],
    targets: &Targets,
    pipeline: &Pipeline,
) -> Vec<Problem> {
    let atomic: HashSet<&str> = pipeline
        .stages
        .iter()
        .filter(|stage| stage.atomic)
        .map(|stage| stage.name.as_str())
        .collect();
    let mut problems = Vec::new();
    for change in changes
        .iter()
        .filter(|change| atomic.contains(change.stage))
    {
        // A retired change takes part in nothing.
        let target = targets.get(change.target);
        let Some(target) = target.filter(|_| change.retired_since().is_none()) else {
            continue;
        };
        let rule = if change.is_background() {
            "it runs in the background, after the others".to_owned()
        } else if change.body.cursor().is_some() {
            "it works in batches, each in its own transaction".to_owned()
        } else if !change.body.transaction {
            "it runs in no transaction: give it a connection, without `transaction = false`"
                .to_owned()
        } else if !target.holds_audit {
            format!(
                "its target system {:?} is not the database of the audit",
                target.name
            )
        } else if change.lock_timeout.is_some() || change.statement_timeout.is_some() {
            "its `lock_timeout` or `statement_timeout` would hold for the others, too: use `timeout`".to_owned()
        } else {
            continue;
        };
        problems.push(Problem::at(
            change.location(),
            format!(
                "the change {:?} cannot take part in the stage {:?}, which is atomic: {rule}; or put it in another stage",
                change.id, change.stage
            ),
        ));
    }
    problems
}

fn check_change(
    change: &Definition,
    target: &TargetSystem,
    values: &Values,
    problems: &mut Vec<Problem>,
) {
    check_body(&change.body, target, values, problems);
    problems.extend(unequal_cursors(change));
    let limited = change.lock_timeout.is_some() || change.statement_timeout.is_some();
    let sqlite = |database: &Arc<dyn Database>| database.kind() == DatabaseKind::Sqlite;
    if limited && target.database.as_ref().is_some_and(sqlite) {
        problems.push(Problem::at(
            change.location(),
            "SQLite has neither `lock_timeout` nor `statement_timeout`: use `timeout`",
        ));
    }
    if let Some(rollback) = change.rollback {
        check_body(rollback, target, values, problems);
    }
    if let Some(verify) = change.verify {
        check_body(verify, target, values, problems);
    }
}

fn check_body<T>(
    body: &Body<T>,
    target: &TargetSystem,
    values: &Values,
    problems: &mut Vec<Problem>,
) {
    for need in body.needs {
        if let Some(message) = unmet(body.name, need, target, values) {
            problems.push(Problem::at(body.location, message));
        }
    }
    if let Some(pool) = waits_for_itself(body, target) {
        problems.push(Problem::at(
            body.location,
            format!(
                "`{}` holds the only write lock of its database and asks for `&{pool}` of it too: it would wait for itself. Use the connection alone, or `transaction = false`",
                body.name
            ),
        ));
    }
}

/// Returns the problem of a change whose batches return another type of cursor than they take.
fn unequal_cursors(change: &Definition) -> Option<Problem> {
    let returned = change.body.cursor()?;
    let mut needs = change.body.needs.iter();
    let taken = needs.find(|need| need.kind == NeedKind::Batch)?;
    ((taken.type_id)() != (returned.type_id)()).then(|| {
        let (taken, returned) = ((taken.type_name)(), (returned.type_name)());
        Problem::at(
            change.location(),
            format!(
                "`{}` takes `Batch<{taken}>` and returns `Next<{returned}>`: the cursor that a batch returns is the one that the next batch takes, so both need the same type",
                change.body.name,
                taken = short(taken),
                returned = short(returned),
            ),
        )
    })
}

/// Returns the problem with one argument, if there is one.
fn unmet(name: &str, need: &Need, target: &TargetSystem, values: &Values) -> Option<String> {
    match need.kind {
        NeedKind::Connection(kind) | NeedKind::Transaction(kind) => {
            match target.database.as_ref().map(|database| database.kind()) {
                Some(given) if given == kind => None,
                Some(given) => Some(format!(
                    "`{name}` takes a connection to {kind}, but its target system {:?} is {given}",
                    target.name
                )),
                None if target.name == DEFAULT => Some(format!(
                    "`{name}` takes a connection to {kind}, but the audit is kept in no database: give the change a target system of its own, `target = \"..\"` and `TargetSystem::sqlx(\"..\", &pool)`"
                )),
                None => Some(format!(
                    "`{name}` takes a connection to {kind}, but its target system {0:?} has no database: make it with `TargetSystem::sqlx({0:?}, &pool)`",
                    target.name
                )),
            }
        }
        NeedKind::AnyConnection if target.database.is_some() => None,
        NeedKind::AnyConnection if target.name == DEFAULT => Some(format!(
            "`{name}` is SQL, but the audit is kept in no database: give the change a target system of its own, `target = \"..\"` and `TargetSystem::sqlx(\"..\", &pool)`"
        )),
        NeedKind::AnyConnection => Some(format!(
            "`{name}` is SQL, but its target system {0:?} has no database: make it with `TargetSystem::sqlx({0:?}, &pool)`",
            target.name
        )),
        NeedKind::Value => {
            let type_id = (need.type_id)();
            let there = type_id == TypeId::of::<Context>()
                || target.values.contains(type_id)
                || values.contains(type_id);
            (!there).then(|| not_given(name, need, target))
        }
        NeedKind::OptionalValue => None,
        // The macro accepts it only for a change that works in batches.
        NeedKind::Batch => None,
    }
}

fn not_given(name: &str, need: &Need, target: &TargetSystem) -> String {
    let type_name = short((need.type_name)());
    if is_taken_exclusively((need.type_id)()) {
        return format!("`{name}` takes `&{type_name}`: write `&mut {type_name}`");
    }
    // Unsized values need `provide_arc`.
    let how = if type_name.starts_with("dyn ") || type_name == "str" {
        format!(".provide_arc::<{type_name}>(value)")
    } else {
        ".provide(value)".to_owned()
    };
    format!(
        "`{name}` takes `&{type_name}`, which is not provided: add `{how}` to the runner or to the target system {:?}, or take `Option<&{type_name}>`",
        target.name
    )
}

/// Returns the type of the pool that a change takes although its own transaction locks out every
/// other writer.
fn waits_for_itself<T>(body: &Body<T>, target: &TargetSystem) -> Option<String> {
    let database = target.database.as_ref()?;
    if !body.transaction || !database.is_single_writer() {
        return None;
    }
    let pool = database.pool_type();
    let need = body.needs.iter().find(|need| {
        matches!(need.kind, NeedKind::Value | NeedKind::OptionalValue) && (need.type_id)() == pool
    })?;
    Some(short((need.type_name)()))
}

/// Returns the name of a type without the paths of its parts.
fn short(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut segment = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' {
            segment.push(c);
        } else if c == ':' {
            segment.clear();
        } else {
            short.push_str(&segment);
            segment.clear();
            short.push(c);
        }
    }
    short + &segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_lose_their_paths() {
        let cases = [
            ("alloc::string::String", "String"),
            ("dyn app::mail::Mailer", "dyn Mailer"),
            ("alloc::vec::Vec<app::A>", "Vec<A>"),
            (
                "sqlx_core::pool::Pool<sqlx_sqlite::database::Sqlite>",
                "Pool<Sqlite>",
            ),
        ];
        for (long, expected) in cases {
            assert_eq!(short(long), expected);
        }
    }
}
