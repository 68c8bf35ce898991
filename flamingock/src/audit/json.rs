//! An entry of the audit for machines: one flat object, whatever the types behind it.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::audit::entry::{Entry, State};
use crate::util::error_chain::ErrorChain;

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape::of(self).serialize(serializer)
    }
}

/// The entry, flat.
#[derive(Debug, Serialize)]
struct Shape<'a> {
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
    fn of(entry: &'a Entry) -> Shape<'a> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::audit::entry::{Entry, Facts, NewEntry, Origin, State, TransactionMode};

    #[test]
    fn an_entry_is_one_object_with_its_metadata_as_json() {
        let entry = Entry {
            seq: 7,
            service: "orders".to_owned(),
            run_id: "r".to_owned(),
            fence: 3,
            started_at: "2026-01-31T08:00:00.000000Z".to_owned(),
            finished_at: None,
            entry: NewEntry {
                attempt: 1,
                stage: "default".to_owned(),
                change_id: "one".to_owned(),
                change_order: "0001".to_owned(),
                author: String::new(),
                description: String::new(),
                target: "default".to_owned(),
                state: State::Applied,
                transaction_mode: TransactionMode::Shared,
                recovery: "manual".to_owned(),
                origin: Origin::Run,
                digest: String::new(),
                duration: Some(std::time::Duration::from_micros(1500)),
                location: String::new(),
                error: None,
                reason: None,
                origin_facts: Arc::new(Facts {
                    metadata: Some(r#"{"git":"abc"}"#.to_owned()),
                    ..Facts::default()
                }),
            },
        };
        let value = serde_json::to_value(&entry).unwrap();
        assert_eq!(value["change_id"], "one");
        assert_eq!(value["state"], "APPLIED");
        assert_eq!(value["metadata"]["git"], "abc");
        assert_eq!(value["duration_ms"], 1.5);
        let nested = |value: &&serde_json::Value| value.is_object();
        assert_eq!(
            value.as_object().unwrap().values().filter(nested).count(),
            1
        );
    }
}
