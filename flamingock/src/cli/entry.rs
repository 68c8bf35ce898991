//! An entry of the audit, as `--json` has it and as `--extended` prints it.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::table::{Sheet, plain};
use super::view::View;
use crate::audit::{Entry, ErrorChain, State};

/// The entry, flat.
#[derive(Debug, Serialize)]
pub(super) struct Shape<'a> {
    seq: i64,
    service: &'a str,
    run_id: &'a str,
    fence: i64,
    change_id: &'a str,
    stage: &'a str,
    order: &'a str,
    target: &'a str,
    author: &'a str,
    description: &'a str,
    location: &'a str,
    digest: &'a str,
    attempt: u32,
    state: &'a State,
    transaction_mode: &'a str,
    recovery: &'a str,
    origin: &'a str,
    started_at: &'a str,
    finished_at: Option<&'a str>,
    duration_ms: Option<f64>,
    error: Option<&'a ErrorChain>,
    reason: Option<&'a str>,
    host: &'a str,
    pid: u32,
    app_version: Option<&'a str>,
    metadata: Option<Value>,
}

impl<'a> Shape<'a> {
    pub(super) fn of(entry: &'a Entry) -> Shape<'a> {
        let new = &entry.entry;
        let facts = &new.origin_facts;
        Shape {
            seq: entry.seq,
            service: &entry.service,
            run_id: &entry.run_id,
            fence: entry.fence,
            change_id: &new.change_id,
            stage: &new.stage,
            order: &new.change_order,
            target: &new.target,
            author: &new.author,
            description: &new.description,
            location: &new.location,
            digest: &new.digest,
            attempt: new.attempt,
            state: &new.state,
            transaction_mode: new.transaction_mode.as_str(),
            recovery: &new.recovery,
            origin: new.origin.as_str(),
            started_at: &entry.started_at,
            finished_at: entry.finished_at.as_deref(),
            duration_ms: new.duration.map(milliseconds),
            error: new.error.as_ref(),
            reason: new.reason.as_deref(),
            host: &facts.host,
            pid: facts.pid,
            app_version: facts.app_version.as_deref(),
            metadata: facts
                .metadata
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}

/// To the microsecond, as the audit has it.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// The order in which people read the fields.
const FIELDS: [&str; 26] = [
    "seq",
    "change_id",
    "state",
    "attempt",
    "started_at",
    "finished_at",
    "duration_ms",
    "error",
    "reason",
    "transaction_mode",
    "recovery",
    "origin",
    "stage",
    "order",
    "target",
    "author",
    "description",
    "location",
    "digest",
    "service",
    "run_id",
    "fence",
    "host",
    "pid",
    "app_version",
    "metadata",
];

/// Every field that says something, a line each.
pub(super) fn extended(entry: &Entry, view: &View) -> String {
    let mut sheet = Sheet::new(view, &["", ""]);
    let Ok(Value::Object(mut fields)) = serde_json::to_value(Shape::of(entry)) else {
        return String::new();
    };
    for name in FIELDS {
        let text = match fields.remove(name).unwrap_or_default() {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text,
            Value::Array(causes) => {
                let causes: Vec<&str> = causes.iter().filter_map(Value::as_str).collect();
                causes.join("\n")
            }
            other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other.to_string(),
        };
        sheet.row(vec![plain(name), plain(text)]);
    }
    debug_assert!(fields.is_empty(), "{fields:?} has no place in `FIELDS`");
    sheet.text()
}
