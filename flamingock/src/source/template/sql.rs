//! The template `sql`: SQL in a declared change, which is sent like a file of SQL.

use super::item::{Template, Work};
use super::mistake::{Mistake, unknown};
use super::tree::{Node, Text, Value};

/// Takes `apply: "INSERT .."`, or `apply: { sql: ".." }`.
pub(crate) static SQL: Template = Template {
    name: "sql",
    module_path: module_path!(),
    work: Work::Sql,
    verify: None,
};

/// Returns the SQL of a payload.
pub(crate) fn text(payload: &Node) -> Result<&Text, Mistake> {
    const FORM: &str = "the template `sql` takes text, or text under the key `sql`: `apply: \"UPDATE ..\"`, `apply: { sql: \"UPDATE ..\" }`";
    let node = match &payload.value {
        Value::Map(entries) => {
            if let Some(entry) = entries.iter().find(|entry| entry.key != "sql") {
                return Err(Mistake::new(
                    entry.line,
                    unknown("key", &entry.key, &["sql"]),
                ));
            }
            let Some(entry) = entries.first() else {
                return Err(Mistake::new(payload.line, FORM));
            };
            &entry.node
        }
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Secret(_)
        | Value::List(_) => payload,
    };
    match &node.value {
        Value::Text(text) => Ok(text),
        Value::Secret(_) => Err(Mistake::new(
            node.line,
            "SQL is sent as it is written, and databases log it: a secret has no place in it. Write a template of your own that binds it",
        )),
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Map(_) => Err(Mistake::new(node.line, FORM)),
    }
}
