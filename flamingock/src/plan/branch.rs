//! What a branch does to the changes of its base, by their manifests. Pure: reads no repository.

use super::manifest::Line;
use crate::change::definition::{RETIRED, Repeat};
use crate::change::order::compare;

/// What a branch does to one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BranchChange {
    /// It adds the change after everything that the base has.
    Added,
    /// It adds the change before this one, which is merged: where that is applied, the new one
    /// comes out of order.
    InsertedBefore(String),
    /// It adds the change with the order of this one, which is merged: together they are refused.
    SameOrder(String),
    /// It edits a change that is merged. The names of what differs.
    Edited(Vec<&'static str>),
    /// It edits a repeatable change, which is applied again.
    AppliedAgain,
    /// It retires a change that is merged.
    Retired,
    /// It drops a change that is merged.
    Dropped,
}

impl BranchChange {
    /// Reports whether the change cannot be merged without a decision.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            BranchChange::Added | BranchChange::AppliedAgain | BranchChange::Retired => false,
            BranchChange::InsertedBefore(_)
            | BranchChange::SameOrder(_)
            | BranchChange::Edited(_)
            | BranchChange::Dropped => true,
        }
    }
}

/// Compares the manifest of a branch with that of its base, and with the one at which it left the
/// base: what was merged into the base since then is not the branch's doing.
pub(crate) fn compare_branch<'a>(
    branch: &'a [Line],
    base: &'a [Line],
    fork: &[Line],
) -> Vec<(&'a Line, BranchChange)> {
    let mut found = Vec::new();
    for line in branch {
        match with_id(base, &line.id) {
            None => found.push((line, added(line, base))),
            Some(merged) => {
                let differences = differences(line, merged);
                let is_untouched = with_id(fork, &line.id)
                    .is_some_and(|old| self::differences(line, old).is_empty());
                if differences.is_empty() || is_untouched {
                    continue;
                }
                let is_repeatable = line.repeat == Repeat::OnChange;
                let is_in_place = line.stage == merged.stage && line.order == merged.order;
                let change = if line.digest == RETIRED && is_in_place {
                    BranchChange::Retired
                } else if is_repeatable && differences == ["content"] {
                    BranchChange::AppliedAgain
                } else {
                    BranchChange::Edited(differences)
                };
                found.push((line, change));
            }
        }
    }
    let dropped = base
        .iter()
        .filter(|line| with_id(branch, &line.id).is_none() && with_id(fork, &line.id).is_some());
    found.extend(dropped.map(|line| (line, BranchChange::Dropped)));
    found
}

fn with_id<'a>(lines: &'a [Line], id: &str) -> Option<&'a Line> {
    lines.iter().find(|line| line.id == id)
}

fn added(line: &Line, base: &[Line]) -> BranchChange {
    // Repeatable changes run after the others, whatever their order is.
    let once = |other: &&Line| other.repeat == Repeat::Once && other.stage == line.stage;
    if line.repeat == Repeat::OnChange {
        return BranchChange::Added;
    }
    let same = base
        .iter()
        .filter(once)
        .find(|other| compare(&other.order, &line.order).is_eq());
    if let Some(same) = same {
        return BranchChange::SameOrder(same.id.clone());
    }
    match base
        .iter()
        .filter(once)
        .find(|other| compare(&other.order, &line.order).is_gt())
    {
        Some(later) => BranchChange::InsertedBefore(later.id.clone()),
        None => BranchChange::Added,
    }
}

fn differences(line: &Line, other: &Line) -> Vec<&'static str> {
    let checks = [
        ("content", line.digest != other.digest),
        ("stage", line.stage != other.stage),
        ("order", line.order != other.order),
        ("target", line.target != other.target),
        ("transaction", line.transaction != other.transaction),
        ("repeat", line.repeat != other.repeat),
    ];
    let differing = checks.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(what, _)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let line = |words: &str| {
            let words: Vec<&str> = words.split_whitespace().collect();
            let [id, order, digest] = words[..] else {
                panic!("{words:?}");
            };
            let repeat = if id.starts_with("view") {
                " repeat=on-change"
            } else {
                ""
            };
            let digest = match digest {
                RETIRED => RETIRED.to_owned(),
                digest => format!("v1:{digest}"),
            };
            let line =
                format!("default {order} \"{id}\" target=default transaction{repeat} {digest}");
            Line::parse(1, &line).unwrap()
        };
        text.split(',')
            .filter(|one| !one.trim().is_empty())
            .map(line)
            .collect()
    }

    #[test]
    fn branch_answers_for_its_own_edits_only() {
        // The branch, its base, where it left the base, and what it does.
        let cases = [
            ("a 001 x, b 002 x", "a 001 x", "a 001 x", "b Added"),
            (
                "a 001 x, b 002 x",
                "a 001 x, c 003 x",
                "a 001 x",
                "b InsertedBefore(\"c\")",
            ),
            (
                "a 001 x, b 002 x",
                "a 001 x, c 0002 x",
                "a 001 x",
                "b SameOrder(\"c\")",
            ),
            ("a 001 y", "a 001 x", "a 001 x", "a Edited([\"content\"])"),
            ("a 005 x", "a 001 x", "a 001 x", "a Edited([\"order\"])"),
            ("", "a 001 x", "a 001 x", "a Dropped"),
            ("a 001 retired", "a 001 x", "a 001 x", "a Retired"),
            (
                "a 005 retired",
                "a 001 x",
                "a 001 x",
                "a Edited([\"content\", \"order\"])",
            ),
            ("a 001 retired", "a 001 retired", "a 001 x", ""),
            // Merged into the base since the branch left it.
            ("a 001 x", "a 001 x, c 003 x", "a 001 x", ""),
            ("a 001 x", "a 001 y", "a 001 x", ""),
            (
                "a 001 x, view 001 y, view2 000 x",
                "a 001 x, view 001 x",
                "a 001 x, view 001 x",
                "view AppliedAgain, view2 Added",
            ),
        ];
        for (branch, base, fork, expected) in cases {
            let (ours, merged, old) = (lines(branch), lines(base), lines(fork));
            let found: Vec<String> = compare_branch(&ours, &merged, &old)
                .into_iter()
                .map(|(line, change)| format!("{} {change:?}", line.id))
                .collect();
            assert_eq!(found.join(", "), expected, "{branch} / {base} / {fork}");
        }
    }
}
