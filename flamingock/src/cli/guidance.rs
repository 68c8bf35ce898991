//! The option `issue show --guidance`: everything that an operator needs to resolve an issue, from
//! the audit and the code.

use std::fmt;

use serde::Serialize;

use super::attempt::Attempt;
use super::failure::resolving;
use super::source::Source;
use super::text::Sections;
use super::time::to_the_second;
use super::view::View;
use crate::audit::entry::{Entry, Origin, State, TransactionMode};
use crate::audit::snapshot::LockStatus;
use crate::change::batch::IN_BATCHES;
use crate::change::step::{ROLLBACK_ELSEWHERE, ROLLING_BACK};
use crate::plan::decision::Cause;
use crate::plan::step::{Step, reached};
use crate::report::issue::Issue;
use crate::target::system::TARGET_DESCRIPTION;
use crate::util::visible::Visible;

/// The facts about an issue, and the next steps.
#[derive(Debug, Serialize)]
pub(super) struct Guidance {
    /// The change: its id, order and place in the source.
    #[serde(skip)]
    title: String,
    /// What happened in the attempt.
    what: String,
    /// The error and its causes, outermost first.
    error: Vec<String>,
    /// How the attempt ran, and so whether a database rolled it back.
    transaction: &'static str,
    /// Whether the rollback ran.
    rollback: &'static str,
    /// The facts that only the application knows, and what its next run does depending on them.
    not_known: Vec<&'static str>,
    /// What to check, and where, with the description of the change.
    look_at: String,
    /// The same without the description, which is shown in one line.
    #[serde(skip)]
    question: String,
    #[serde(skip)]
    description: Option<String>,
    /// The entries of that attempt.
    history: Vec<String>,
    /// The commands that resolve the issue, or what to do while the attempt is running.
    commands: Vec<Command>,
}

#[derive(Debug, Serialize)]
struct Command {
    when: &'static str,
    command: String,
}

impl Guidance {
    pub(super) fn new(
        step: &Step,
        issue: &Issue,
        attempt: &Attempt,
        lock: Option<LockStatus>,
        view: &View,
    ) -> Guidance {
        let definition = step.definition;
        let of_attempt: Vec<&Entry> = attempt.entries().collect();
        let began = to_the_second(issue.started_at);
        let number = issue.attempt;
        let owner = lock.filter(|_| issue.may_be_running);
        let what = match &owner {
            Some(owner) => format!("Attempt {number} is running: the lock is held by {owner}."),
            None if issue.cause == Cause::UndoInterrupted && issue.state == State::Failed => {
                format!("Attempt {number}, of {began}: its undo failed.")
            }
            None => format!("Attempt {number}, of {began}: {}.", issue.cause),
        };
        let what = match step.latest.as_deref().and_then(reached) {
            Some(place) => format!("{what} It came to: {place}."),
            None => what,
        };
        let declared = view
            .source
            .has_code()
            .then_some(definition.rollback.is_some());
        let error = issue.error.as_ref().map(|error| error.causes().to_vec());
        let target = &issue.target;
        let of_target = of_target(&of_attempt);
        let question = format!(
            "The target system {target:?}{of_target}: is all of {:?} there, a part of it, or nothing?",
            definition.id
        );
        let description = Some(definition.description).filter(|text| !text.is_empty());
        let look_at = match description {
            Some(description) => format!("{question}\nIts description: {description}"),
            None => question.clone(),
        };
        Guidance {
            title: format!(
                "{} {} at {}",
                definition.order,
                definition.id,
                definition.location()
            ),
            what,
            error: error.unwrap_or_default(),
            transaction: match issue.cause {
                Cause::UndoUnfinished => IN_TRANSACTIONS,
                _ => transaction(&issue.transaction_mode),
            },
            rollback: rollback(&of_attempt, declared, owner.is_some()),
            not_known: not_known(&*view.source, &issue.cause, owner.is_some()),
            look_at,
            question,
            description: description.map(|text| format!("Its description: {}", joined(text))),
            history: attempt.lines(line),
            commands: commands(step, owner.is_some(), view),
        }
    }
}

/// Joins the lines of a text.
fn joined(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}

const IN_TRANSACTIONS: &str =
    "One for each batch, unless it has no connection: what the committed ones did stays.";

fn transaction(mode: &TransactionMode) -> &'static str {
    match mode {
        TransactionMode::None => "None: no database has rolled back what it did before it stopped.",
        TransactionMode::Shared => {
            "That of the audit, but the database ended it before the change did: what it did before it stopped may be there."
        }
        TransactionMode::Separate => {
            "One of its own, in the target's database: all of what it did is there, or nothing."
        }
        TransactionMode::Unknown(_) => {
            "A word that this version does not know: a newer one wrote it."
        }
    }
}

/// Returns the facts that only the application knows, if its code is not available.
fn not_known(source: &dyn Source, cause: &Cause, running: bool) -> Vec<&'static str> {
    if source.has_code() || running {
        return Vec::new();
    }
    const VERIFY: &str = "Whether the application has a `#[verify]` function for it: the next run calls it first, and resolves the change if it answers.";
    const RETRY: &str =
        "Whether its code now says `recovery = \"retry\"`: the next run then applies it again.";
    match cause {
        Cause::Interrupted => vec![VERIFY, RETRY],
        Cause::UndoInterrupted | Cause::TargetChanged => vec![VERIFY],
        Cause::Failed | Cause::RollbackFailed => vec![RETRY],
        Cause::VerifyFailed
        | Cause::StillOpen
        | Cause::ForeignMarkers
        | Cause::IncompleteHistory
        | Cause::UndoUnfinished
        | Cause::NoBatches
        | Cause::ProgressGone
        | Cause::UnknownState => Vec::new(),
    }
}

/// Describes the rollback in this attempt, by its entries. `declared` is known only from the code.
fn rollback(attempt: &[&Entry], declared: Option<bool>, running: bool) -> &'static str {
    let has = |state: &State| attempt.iter().any(|entry| entry.state == *state);
    let undo = attempt.iter().rfind(|entry| entry.origin == Origin::Undo);
    if has(&State::RollbackFailed) {
        "It ran and failed: what it did before the failure remains."
    } else if let Some(undo) = undo {
        match undo.state {
            State::Started | State::Failed if is_in_batches(undo) => {
                "An undo works on it in batches: those that are committed have reversed a part."
            }
            State::Failed => {
                "An undo called it, and it failed: what it did before the failure remains."
            }
            _ if running => "An undo of the change is in progress.",
            _ => "An undo called it, and its end is not on record.",
        }
    } else if declared == Some(false) {
        "The change has none."
    } else if !has(&State::Failed) {
        "It was not called: the attempt was interrupted."
    } else if running {
        "It is running, or is about to."
    } else if attempt.iter().any(|entry| is_elsewhere(entry)) {
        "It began in a transaction of the target system, and its end is not on record: the next run finds out there."
    } else if attempt.iter().any(|entry| is_of_a_step(entry)) {
        "It began with the steps, last first, and its end is not on record: which step it came to is."
    } else if declared.is_none() {
        "It has no entry: the change has none, or it was not called, or it was interrupted."
    } else {
        "It has no entry: it was not called, for example because the change may still be at work, or it was interrupted."
    }
}

/// Reports whether the attempt works in batches.
fn is_in_batches(entry: &Entry) -> bool {
    entry.reason.as_deref() == Some(IN_BATCHES)
}

/// Reports whether the entry records a rollback that begins in another database than the audit's.
fn is_elsewhere(entry: &Entry) -> bool {
    entry.reason.as_deref() == Some(ROLLBACK_ELSEWHERE)
}

/// Reports whether the entry records that the rollback of a step begins.
fn is_of_a_step(entry: &Entry) -> bool {
    let reason = entry.reason.as_deref();
    let rolls_back = reason.is_some_and(|reason| reason.starts_with(ROLLING_BACK));
    rolls_back && entry.state == State::Failed
}

fn line(entry: &Entry) -> String {
    let new = entry;
    let time = to_the_second(entry.started_at);
    let mut text = format!("{time} {} by {} {}", new.state, new.origin, entry.run_id);
    if let Some(operator) = &entry.operator {
        text.push_str(&format!(", operator {operator}"));
    }
    if let Some(reason) = &new.reason {
        text.push_str(": ");
        text.push_str(reason);
    }
    text
}

fn commands(step: &Step, running: bool, view: &View) -> Vec<Command> {
    let (id, program) = (step.definition.id, &view.program);
    if running {
        return vec![Command {
            when: "There is nothing to resolve while it is running. Look again:",
            command: program.command(&["issue", "show", id, "--guidance"]),
        }];
    }
    let [applied, rolled_back] = resolving(program, id);
    let undo = Command {
        when: "To continue the undo after its last committed batch:",
        command: program.command(&["undo", id]),
    };
    let is_undo = step.is_rolling_back() && view.source.has_code();
    let undo = is_undo.then_some(undo);
    let resolving = [
        Command {
            when: "If all of it is there, or you have completed it:",
            command: applied,
        },
        Command {
            when: "If nothing of it is there, or you have removed what was; the next apply runs it:",
            command: rolled_back,
        },
    ];
    undo.into_iter().chain(resolving).collect()
}

/// Returns the description of the target system in brackets. The entries contain it, so it is known
/// without the code.
fn of_target(entries: &[&Entry]) -> String {
    let described = entries.iter().rev().find_map(|entry| {
        let metadata = entry.metadata.as_deref()?;
        let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
        metadata[TARGET_DESCRIPTION].as_str().map(str::to_owned)
    });
    described.map_or_else(String::new, |description| format!(" ({description})"))
}

impl fmt::Display for Guidance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sections = Sections::default();
        sections.add("What happened", [&self.what]);
        if self.error.is_empty() {
            sections.add("Error", ["None on record."]);
        } else {
            sections.add("Error", &self.error);
        }
        sections.add("Transaction", [self.transaction]);
        sections.add("Rollback", [self.rollback]);
        if !self.not_known.is_empty() {
            sections.add("Not known here", &self.not_known);
        }
        let look_at = std::iter::once(&self.question).chain(&self.description);
        sections.add("Look at", look_at);
        sections.add("On record", &self.history);
        let commands = self
            .commands
            .iter()
            .flat_map(|one| [one.when.to_owned(), format!("  {}", one.command)]);
        sections.add("Then", commands);
        write!(f, "{}\n{sections}", Visible(&self.title))
    }
}
