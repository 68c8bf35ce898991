//! Reading an export of Mongock's collection, which `mongoexport --collection=mongockChangeLog`
//! writes.

use serde_json::Value;

use super::history::History;

/// Reads the documents, one in each line or all in one array, and sorts them by their time.
pub(super) fn history(export: &str) -> Result<History, String> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_str(export).into_iter::<Value>() {
        match document.map_err(|error| format!("the export is no JSON: {error}"))? {
            Value::Array(several) => documents.extend(several),
            one => documents.push(one),
        }
    }
    let mut entries = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let field = |name: &str| document.get(name).and_then(Value::as_str);
        let Some(id) = field("changeId") else {
            return Err(format!(
                "document {} of the export has no \"changeId\": export the collection of Mongock's change log, `mongockChangeLog` unless it was renamed",
                index + 1
            ));
        };
        let is_system = document.get("systemChange").and_then(Value::as_bool);
        // A step before a change belongs to the change. Mongock 4 has neither types nor states.
        if is_system == Some(true) || field("type") == Some("BEFORE_EXECUTION") {
            continue;
        }
        let state = field("state").unwrap_or("EXECUTED");
        entries.push((time(document.get("timestamp")), id, state));
    }
    entries.sort_by_key(|(time, ..)| time.order);
    let mut history = History::default();
    for (time, id, state) in entries {
        history.state(id, state, time.text);
    }
    Ok(history)
}

struct Time {
    /// Milliseconds since 1970. Documents with the same time keep their order.
    order: i64,
    text: Option<String>,
}

/// Parses `{"$date": "2024-01-31T12:00:00Z"}`, with a text, a number or
/// `{"$numberLong": "1706702400000"}` inside.
fn time(value: Option<&Value>) -> Time {
    let value = value.and_then(|value| value.get("$date")).or(value);
    let of_number = |millis: i64| {
        let at = u64::try_from(millis)
            .ok()
            .and_then(|millis| {
                std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(millis))
            })
            .map(|at| humantime::format_rfc3339_millis(at).to_string());
        Time {
            order: millis,
            text: at,
        }
    };
    match value {
        Some(Value::String(text)) => Time {
            order: humantime::parse_rfc3339_weak(text)
                .ok()
                .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
                .and_then(|since| i64::try_from(since.as_millis()).ok())
                .unwrap_or_default(),
            text: Some(text.clone()),
        },
        Some(Value::Number(number)) => of_number(number.as_i64().unwrap_or_default()),
        Some(Value::Object(object)) => of_number(
            object
                .get("$numberLong")
                .and_then(Value::as_str)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
        ),
        _ => Time {
            order: 0,
            text: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_arrays_are_read_and_the_latest_state_counts() {
        let documents = [
            r#"{"changeId":"users","state":"EXECUTED","type":"EXECUTION","timestamp":{"$date":"2024-01-31T12:00:00.000Z"},"systemChange":false}"#,
            r#"{"changeId":"users_before","state":"EXECUTED","type":"BEFORE_EXECUTION","timestamp":{"$date":"2024-01-31T12:00:00Z"}}"#,
            r#"{"changeId":"system-change-00001","state":"EXECUTED","type":"EXECUTION","systemChange":true}"#,
            r#"{"changeId":"orders","state":"ROLLED_BACK","type":"EXECUTION","timestamp":{"$date":{"$numberLong":"1706702500000"}}}"#,
            r#"{"changeId":"orders","state":"EXECUTED","type":"EXECUTION","timestamp":{"$date":1706702400000}}"#,
            r#"{"changeId":"broken","state":"FAILED","type":"EXECUTION","timestamp":{"$date":1706702400000}}"#,
            r#"{"changeId":"of-version-4","author":"ada"}"#,
        ];
        for export in [documents.join("\n"), format!("[{}]", documents.join(","))] {
            let history = history(&export).unwrap();
            let ids: Vec<&str> = history
                .applied
                .iter()
                .map(|past| past.id.as_str())
                .collect();
            assert_eq!(ids, ["of-version-4", "users"]);
            assert_eq!(history.unresolved, ["broken (FAILED)"]);
        }
    }

    #[test]
    fn an_export_of_something_else_is_refused() {
        assert!(history("{").unwrap_err().contains("no JSON"));
        let error = history(r#"[{"changeId":"a"},{"name":"x"}]"#).unwrap_err();
        assert!(error.starts_with("document 2 "), "{error}");
    }
}
