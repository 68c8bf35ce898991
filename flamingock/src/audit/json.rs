//! The JSON form of an audit entry: one flat object that does not depend on the Rust types.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::entry::{Entry, Origin, State, TransactionMode};
use crate::change::definition::{Recovery, known_recovery};
use crate::util::error_chain::ErrorChain;
use crate::util::time;

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape::of(self).serialize(serializer)
    }
}

/// The fields of the JSON object, in their order.
#[derive(Debug, Serialize)]
struct Shape<'a> {
    seq: i64,
    service: &'a str,
    run_id: &'a str,
    fencing_token: i64,
    idempotency_key: Option<&'a str>,
    change_id: Option<&'a str>,
    stage: Option<&'a str>,
    order: Option<&'a str>,
    target: Option<&'a str>,
    author: Option<&'a str>,
    description: Option<&'a str>,
    location: Option<&'a str>,
    digest: Option<&'a str>,
    attempt: u32,
    state: &'a State,
    transaction_mode: &'a TransactionMode,
    recovery: Option<Recovery>,
    origin: &'a Origin,
    operator: Option<&'a str>,
    #[serde(serialize_with = "time::serialize")]
    started_at: SystemTime,
    #[serde(serialize_with = "time::serialize_if_any")]
    finished_at: Option<SystemTime>,
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
        let metadata = entry.metadata.as_deref();
        Shape {
            seq: entry.seq,
            service: &entry.service,
            run_id: &entry.run_id,
            fencing_token: entry.fencing_token,
            idempotency_key: entry.idempotency_key.as_deref(),
            change_id: entry.change_id.as_deref(),
            stage: entry.stage.as_deref(),
            order: entry.change_order.as_deref(),
            target: entry.target.as_deref(),
            author: entry.author.as_deref(),
            description: entry.description.as_deref(),
            location: entry.location.as_deref(),
            digest: entry.digest.as_deref(),
            attempt: entry.attempt,
            state: &entry.state,
            transaction_mode: &entry.transaction_mode,
            recovery: entry.recovery,
            origin: &entry.origin,
            operator: entry.operator.as_deref(),
            started_at: entry.started_at,
            finished_at: entry.finished_at,
            duration_ms: entry.duration.map(milliseconds),
            error: entry.error.as_ref(),
            reason: entry.reason.as_deref(),
            host: &entry.host,
            pid: entry.pid,
            app_version: entry.app_version.as_deref(),
            metadata: metadata.and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}

/// The same fields of an object that is read.
#[derive(Debug, Deserialize)]
struct Read {
    seq: i64,
    service: String,
    run_id: String,
    fencing_token: i64,
    idempotency_key: Option<String>,
    change_id: Option<String>,
    stage: Option<String>,
    order: Option<String>,
    target: Option<String>,
    author: Option<String>,
    description: Option<String>,
    location: Option<String>,
    digest: Option<String>,
    attempt: u32,
    state: State,
    transaction_mode: TransactionMode,
    #[serde(default, deserialize_with = "known_recovery")]
    recovery: Option<Recovery>,
    origin: Origin,
    operator: Option<String>,
    #[serde(deserialize_with = "time::deserialize")]
    started_at: SystemTime,
    #[serde(deserialize_with = "time::deserialize_if_any", default)]
    finished_at: Option<SystemTime>,
    #[serde(deserialize_with = "time::milliseconds_if_any_back", default)]
    duration_ms: Option<Duration>,
    error: Option<ErrorChain>,
    reason: Option<String>,
    host: String,
    pid: u32,
    app_version: Option<String>,
    metadata: Option<Value>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        let read = Read::deserialize(deserializer)?;
        Ok(Entry {
            seq: read.seq,
            service: read.service,
            run_id: read.run_id,
            fencing_token: read.fencing_token,
            idempotency_key: read.idempotency_key,
            change_id: read.change_id,
            stage: read.stage,
            change_order: read.order,
            target: read.target,
            author: read.author,
            description: read.description,
            location: read.location,
            digest: read.digest,
            attempt: read.attempt,
            state: read.state,
            transaction_mode: read.transaction_mode,
            recovery: read.recovery,
            origin: read.origin,
            operator: read.operator,
            started_at: read.started_at,
            finished_at: read.finished_at,
            duration: read.duration_ms,
            error: read.error,
            reason: read.reason,
            host: read.host,
            pid: read.pid,
            app_version: read.app_version,
            metadata: read.metadata.map(|metadata| metadata.to_string()),
        })
    }
}

/// Rounds to microseconds, the precision of the audit.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use serde_json::Value;

    use crate::audit::entry::Entry;
    use crate::audit::entry::{Facts, NewEntry, Origin, State, TransactionMode};
    use crate::audit::grant::LockGrant;
    use crate::change::definition::Recovery;

    #[test]
    fn an_entry_is_one_object_with_null_for_what_is_not_known() {
        let sent = NewEntry {
            attempt: 1,
            stage: "default".to_owned(),
            change_id: "one".to_owned(),
            change_order: "0001".to_owned(),
            author: String::new(),
            description: String::new(),
            target: "default".to_owned(),
            state: State::Applied,
            transaction_mode: TransactionMode::Shared,
            recovery: Some(Recovery::Manual),
            origin: Origin::Run,
            digest: String::new(),
            duration: Some(Duration::from_micros(1500)),
            location: String::new(),
            error: None,
            reason: None,
            idempotency_key: "k".to_owned(),
            origin_facts: Arc::new(Facts {
                metadata: Some(r#"{"git":"abc"}"#.to_owned()),
                ..Facts::default()
            }),
        };
        let grant = LockGrant {
            service: "orders".to_owned(),
            lane: "startup".to_owned(),
            fencing_token: 3,
            run_id: "r".to_owned(),
        };
        let began = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
        let ended = began + Duration::from_micros(1500);
        let value = serde_json::to_value(Entry::new(7, &grant, [began, ended], &sent)).unwrap();
        assert_eq!(value["change_id"], "one");
        assert_eq!(value["state"], "APPLIED");
        assert_eq!(value["recovery"], "manual");
        assert_eq!(value["metadata"]["git"], "abc");
        assert_eq!(value["duration_ms"], 1.5);
        assert_eq!(value["started_at"], "1970-01-01T00:00:01.500000Z");
        assert_eq!(value["finished_at"], "1970-01-01T00:00:01.501500Z");
        for unknown in [
            "author",
            "description",
            "location",
            "digest",
            "reason",
            "operator",
        ] {
            assert_eq!(value[unknown], Value::Null, "{unknown}");
        }
        let nested = |value: &&Value| value.is_object();
        assert_eq!(
            value.as_object().unwrap().values().filter(nested).count(),
            1
        );
    }
}
