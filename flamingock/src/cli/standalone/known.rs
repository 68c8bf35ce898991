//! Changes without their code: they can be shown, but never run.

use crate::audit::entry::{Entry, TransactionMode};
use crate::change::body::Body;
use crate::change::definition::{Definition, REFUSED, Recovery, Repeat};
use crate::change::names::DEFAULT;
use crate::change::order;
use crate::change::problem::Location;
use crate::cli::source::Source;
use crate::engine::settings::Settings;
use crate::plan::pipeline::{Pipeline, PlacedStage};
use crate::report::error::Error;

/// A change without its code.
pub(super) struct Known<'a> {
    pub(super) id: &'a str,
    pub(super) stage: &'a str,
    pub(super) order: &'a str,
    pub(super) target: &'a str,
    pub(super) author: &'a str,
    pub(super) description: &'a str,
    pub(super) recovery: Recovery,
    pub(super) digest: &'a str,
    pub(super) transaction: bool,
    pub(super) repeat: Repeat,
    pub(super) location: Location,
}

impl<'a> Known<'a> {
    /// Returns what the latest entry of a change records.
    pub(super) fn of(entry: &'a Entry) -> Known<'a> {
        let text = |of: &'a Option<String>| of.as_deref().unwrap_or_default();
        Known {
            id: text(&entry.change_id),
            stage: text(&entry.stage),
            order: text(&entry.change_order),
            target: text(&entry.target),
            author: text(&entry.author),
            description: text(&entry.description),
            recovery: entry.recovery.unwrap_or(Recovery::Manual),
            digest: text(&entry.digest),
            // The audit does not record it, and without the code nothing runs again.
            repeat: Repeat::Once,
            transaction: entry.transaction_mode != TransactionMode::None,
            location: location(text(&entry.location)),
        }
    }

    /// Returns the definition that a plan needs. It is leaked: the process makes one plan and ends.
    pub(super) fn definition(&self) -> &'static Definition {
        let body = Body::new("", self.location, &[], false, |_, _| {
            Box::pin(async { Err("this program does not have the code of changes".into()) })
        });
        let body = Body {
            transaction: self.transaction,
            ..body
        };
        Box::leak(Box::new(Definition {
            id: kept(self.id),
            order: kept(self.order),
            author: kept(self.author),
            description: kept(self.description),
            stage: kept(self.stage),
            target: kept(self.target),
            recovery: self.recovery,
            repeat: self.repeat,
            digest: kept(self.digest),
            body,
            ..*REFUSED
        }))
    }
}

fn kept(text: &str) -> &'static str {
    Box::leak(Box::from(text))
}

/// Parses a place as entries record it: `file:line`.
fn location(text: &str) -> Location {
    let parts = text
        .rsplit_once(':')
        .and_then(|(file, line)| Some((file, line.parse().ok()?)));
    let (file, line) = parts.unwrap_or((text, 0));
    place(file, line)
}

/// Returns a place in a file.
pub(super) fn place(file: &str, line: u32) -> Location {
    Location {
        file: kept(file),
        line,
    }
}

/// The audit as the source of changes: it has only those that were attempted.
#[derive(Debug)]
pub(super) struct Audit;

impl Source for Audit {
    fn has_code(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "audit"
    }

    fn without(&self) -> &'static str {
        "not known"
    }

    fn has_no(&self, id: &str) -> String {
        format!("the audit of this service has no change {id:?}")
    }

    fn limit_of_status(&self) -> Option<&'static str> {
        Some(
            "What was never tried is not in the audit: the application's manifest knows it (--manifest FILE).",
        )
    }

    fn pipeline(&self, _settings: &Settings, latest: &[Entry]) -> Result<Pipeline, Error> {
        Ok(of_the_audit(latest))
    }
}

/// Returns every change that was ever attempted, stages by name and changes by order. Refuses
/// nothing, because the changes of several versions of an application need not make a valid
/// pipeline.
fn of_the_audit(latest: &[Entry]) -> Pipeline {
    let mut pipeline = Pipeline::default();
    let mut entries: Vec<&Entry> = latest.iter().collect();
    entries.sort_by(|left, right| {
        let stage = |entry: &Entry| (entry.stage.as_deref() != Some(DEFAULT), entry.stage.clone());
        let order = |entry: &'_ Entry| entry.change_order.clone().unwrap_or_default();
        stage(left)
            .cmp(&stage(right))
            .then_with(|| order::compare(&order(left), &order(right)))
            .then(left.seq.cmp(&right.seq))
    });
    for entry in entries {
        let change = Known::of(entry).definition();
        match pipeline.stages.last_mut() {
            Some(stage) if stage.name == change.stage => stage.changes.push(change),
            _ => pipeline.stages.push(PlacedStage {
                name: change.stage.to_owned(),
                after: Vec::new(),
                atomic: false,
                changes: vec![change],
            }),
        }
    }
    pipeline
}
