//! Comparing a JSON answer with the expected content.

use serde_json::Value;

/// Reports whether `actual` contains `expected`. An object contains another one if it has all of
/// its keys with values that contain the expected ones. A list contains another one if each
/// expected element is contained in one of its elements, and contains any other value if one of its
/// elements does. All other values must be equal.
pub(super) fn contains(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected.iter().all(|(key, expected)| {
                actual
                    .get(key)
                    .is_some_and(|actual| contains(actual, expected))
            })
        }
        (Value::Array(actual), Value::Array(expected)) => expected
            .iter()
            .all(|expected| actual.iter().any(|actual| contains(actual, expected))),
        (Value::Array(actual), expected) => actual.iter().any(|actual| contains(actual, expected)),
        // 1 and 1.0 are the same number.
        (Value::Number(actual), Value::Number(expected)) => {
            actual == expected || (actual.as_f64() == expected.as_f64() && actual.is_f64())
        }
        (actual, expected) => actual == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_of_what_is_expected_must_be_there() {
        for (actual, expected, holds) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": {"b": [1, 2]}}), json!({"a": {"b": [2]}}), true),
            (json!({"a": {"b": [1, 2]}}), json!({"a": {"b": 2}}), true),
            (json!([{"@id": "x", "y": 1}]), json!({"@id": "x"}), true),
            (
                json!([{"@id": "x"}]),
                json!([{"@id": "x"}, {"@id": "z"}]),
                false,
            ),
            (json!({"a": null}), json!({"a": null}), true),
            (json!({}), json!({"a": null}), false),
            (json!({"a": 1.0}), json!({"a": 1}), true),
            (json!({"a": "1"}), json!({"a": 1}), false),
            (json!([]), json!([]), true),
            (json!("x"), json!("x"), true),
            (json!(true), json!(false), false),
        ] {
            assert_eq!(contains(&actual, &expected), holds, "{actual} {expected}");
        }
    }
}
