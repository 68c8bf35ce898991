//! `manifest --check --base`: what the branch does to the changes that its base has.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::format::{Finding, Format, Level};
use crate::change::definition::Definition;
use crate::plan::branch::{BranchChange, compare_branch};
use crate::plan::manifest::Line;
use crate::util::plural::plural;
use crate::util::visible::Visible;

/// Compares the manifest of this binary with that of a branch or commit of the repository.
pub(super) fn check(
    now: &str,
    file: &Path,
    base: &str,
    changes: &[&'static Definition],
    format: Format,
) -> Result<Answer, Failure> {
    let repository = Repository::of(file)?;
    repository.require(base)?;
    let fork = repository.fork(base)?;
    let [branch, merged, old] = [
        lines(now),
        lines(&repository.text(base)?),
        lines(&repository.text(&fork)?),
    ];
    let found = compare_branch(&branch, &merged, &old);
    let shown_base = Visible(base).to_string();
    let findings: Vec<Finding> = found
        .iter()
        .map(|(line, change)| finding(line, change, file, &shown_base, changes))
        .collect();
    let conflicts = found
        .iter()
        .filter(|(_, change)| change.is_conflict())
        .count();
    let summary = match (found.len(), conflicts) {
        (0, _) => format!("the changes are those of {shown_base}"),
        (all, 0) => format!("{} compared with {shown_base}", differ(all)),
        (all, conflicts) => format!(
            "{} compared with {shown_base}, {conflicts} of them in conflict with what is merged",
            differ(all)
        ),
    };
    let text = format.text(&summary, &findings).unwrap_or_else(|| {
        let lines = findings.iter().map(|one| {
            let (order, id) = (Visible(&one.order), Visible(&one.id));
            format!("  {}: {order} {id}: {}", one.title, Visible(&one.detail))
        });
        let lines: Vec<String> = std::iter::once(summary.clone()).chain(lines).collect();
        lines.join("\n")
    });
    let changes: Vec<Value> = found
        .iter()
        .map(|(line, change)| document(line, change))
        .collect();
    let document = json!({ "checked": file, "base": base, "changes": changes });
    let answer = Answer::data(document, text);
    Ok(match conflicts {
        0 => answer,
        _ => answer.ending(Exit::Refused),
    })
}

fn differ(count: usize) -> String {
    match count {
        1 => "1 change differs".to_owned(),
        count => format!("{} differ", plural(count, "change")),
    }
}

fn lines(text: &str) -> Vec<Line> {
    let numbered = (1..).zip(text.lines().map(str::trim));
    numbered
        .filter_map(|(number, line)| Line::parse(number, line))
        .collect()
}

fn name(change: &BranchChange) -> &'static str {
    match change {
        BranchChange::Added => "added",
        BranchChange::InsertedBefore(_) => "inserted",
        BranchChange::SameOrder(_) => "same_order",
        BranchChange::Edited(_) => "edited",
        BranchChange::AppliedAgain => "applied_again",
        BranchChange::Retired => "retired",
        BranchChange::Dropped => "dropped",
    }
}

fn document(line: &Line, change: &BranchChange) -> Value {
    let other = match change {
        BranchChange::InsertedBefore(id) | BranchChange::SameOrder(id) => Some(id),
        _ => None,
    };
    let edited = match change {
        BranchChange::Edited(what) => what.as_slice(),
        _ => &[],
    };
    json!({
        "id": line.id,
        "stage": line.stage,
        "order": line.order,
        "finding": name(change),
        "other": other,
        "edited": edited,
        "conflict": change.is_conflict(),
    })
}

fn finding(
    line: &Line,
    change: &BranchChange,
    file: &Path,
    base: &str,
    changes: &[&'static Definition],
) -> Finding {
    let detail = match change {
        BranchChange::Added => "runs after everything that is merged".to_owned(),
        BranchChange::InsertedBefore(id) => format!(
            "{id:?} is merged and comes after it: where that is applied, this one runs out of order. Give it the next order"
        ),
        BranchChange::SameOrder(id) => {
            format!("{id:?} is merged with the same order: give this one the next order")
        }
        BranchChange::Edited(what) => format!(
            "its {} differs from {base}: an applied change does not run again. Add a change instead",
            what.join(", ")
        ),
        BranchChange::AppliedAgain => "it is repeatable, and is applied again".to_owned(),
        BranchChange::Retired => {
            "it is retired: an environment in which it is not applied is refused".to_owned()
        }
        BranchChange::Dropped => {
            format!("{base} has it: where it is applied, its effect stays")
        }
    };
    let level = match change {
        BranchChange::Added | BranchChange::AppliedAgain | BranchChange::Retired => Level::Notice,
        _ => Level::Error,
    };
    let at_manifest = Finding {
        level,
        file: file.to_string_lossy().into_owned(),
        line: 0,
        stage: line.stage.clone(),
        order: line.order.clone(),
        id: line.id.clone(),
        title: name(change).replace('_', " "),
        detail,
    };
    match changes.iter().find(|one| one.id == line.id) {
        Some(change) => at_manifest.at(change.location()),
        None => at_manifest,
    }
}

/// The repository that has the manifest.
struct Repository<'a> {
    folder: &'a Path,
    name: String,
}

impl Repository<'_> {
    fn of(file: &Path) -> Result<Repository<'_>, Failure> {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let Some(name) = file.file_name() else {
            return Err(Failure::refused("usage", "the manifest is no file"));
        };
        Ok(Repository {
            folder: folder.unwrap_or(Path::new(".")),
            name: name.to_string_lossy().into_owned(),
        })
    }

    /// Fails unless the base is a commit of the repository.
    fn require(&self, base: &str) -> Result<(), Failure> {
        let commit = format!("{base}^{{commit}}");
        let is_flag = base.starts_with('-');
        if !is_flag
            && self
                .git(&["rev-parse", "--verify", "--quiet", &commit])?
                .status
                .success()
        {
            return Ok(());
        }
        Err(Failure::refused(
            "file",
            format!(
                "git has no commit {base:?} in this repository: fetch it first, as in `git fetch origin main`"
            ),
        ))
    }

    /// Returns the commit at which the branch left its base.
    fn fork(&self, base: &str) -> Result<String, Failure> {
        let found = self.git(&["merge-base", base, "HEAD"])?;
        if found.status.success() {
            return Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned());
        }
        Err(Failure::refused(
            "file",
            format!(
                "git finds no common ancestor of {base:?} and HEAD: a shallow clone needs its history, as by `fetch-depth: 0` or `git fetch --unshallow`"
            ),
        ))
    }

    /// Returns the manifest of a commit; empty if the commit has none.
    fn text(&self, commit: &str) -> Result<String, Failure> {
        let place = format!("{commit}:./{}", self.name);
        if !self.git(&["cat-file", "-e", &place])?.status.success() {
            return Ok(String::new());
        }
        let shown = self.git(&["show", &place])?;
        if shown.status.success() {
            return Ok(String::from_utf8_lossy(&shown.stdout).into_owned());
        }
        let cause = String::from_utf8_lossy(&shown.stderr).trim().to_owned();
        Err(Failure::file(
            &format!("git could not show {place:?}"),
            &std::io::Error::other(cause),
        ))
    }

    fn git(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let ran = Command::new("git")
            .arg("-C")
            .arg(self.folder)
            .args(arguments)
            .output();
        ran.map_err(|error| Failure::file("could not run git", &error))
    }
}
