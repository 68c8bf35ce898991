//! An audit entry, as `--extended` prints it.

use serde_json::Value;

use super::table::{Sheet, lines, plain};
use super::view::View;
use crate::audit::entry::Entry;

/// The fields in the order in which they are printed.
pub(super) const FIELDS: [&str; 28] = [
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
    "operator",
    "stage",
    "order",
    "target",
    "author",
    "description",
    "location",
    "digest",
    "service",
    "run_id",
    "fencing_token",
    "idempotency_key",
    "host",
    "pid",
    "app_version",
    "metadata",
];

/// Returns a line for every field that has a value.
pub(super) fn extended(entry: &Entry, view: &View) -> String {
    let mut sheet = Sheet::new(view, &["", ""]);
    let Ok(Value::Object(mut fields)) = serde_json::to_value(entry) else {
        return String::new();
    };
    for name in FIELDS {
        let text = match fields.remove(name).unwrap_or_default() {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text,
            Value::Array(causes) => {
                sheet.row(vec![
                    plain(name),
                    lines(causes.iter().filter_map(Value::as_str)),
                ]);
                continue;
            }
            other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other.to_string(),
        };
        sheet.row(vec![plain(name), plain(text)]);
    }
    debug_assert!(fields.is_empty(), "{fields:?} has no place in `FIELDS`");
    sheet.text()
}
