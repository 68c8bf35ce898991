//! SQL templates with the placeholders `{table}` for names and `$value` for values.

use crate::names::Names;

/// The value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// A text.
    Text(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A statement that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The SQL, with the values as literals or, if they are bound, as `?`.
    pub text: String,
    /// The values to bind, in the order of their placeholders.
    pub binds: Vec<Value>,
}

/// How values are passed to the database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values {
    /// As bound parameters.
    #[cfg_attr(
        not(any(feature = "sqlite", test)),
        expect(dead_code, reason = "only SQLite binds")
    )]
    Bound,
    /// As literals; texts are encoded by this function.
    Literal(fn(&str) -> String),
}

/// Fills in the placeholders of a template. A `$` without a letter after it is kept.
pub(crate) fn render(
    template: &str,
    names: &Names,
    quote: char,
    values: Values,
    params: &[(&str, Value)],
) -> Rendered {
    let mut rendered = Rendered {
        text: String::with_capacity(template.len() * 2),
        binds: Vec::new(),
    };
    let mut rest = template;
    while let Some(at) = rest.find(['{', '$']) {
        rendered.text.push_str(&rest[..at]);
        let hole = &rest[at..];
        if let Some((table, after)) = table_name(hole) {
            push_name(&mut rendered.text, table, names, quote, values);
            rest = after;
        } else if let Some((name, after)) = value_name(hole) {
            match params.iter().find(|(given, _)| *given == name) {
                Some((_, value)) => push_value(&mut rendered, value, values),
                None => unreachable!("a template asks for `${name}`, which no caller gives"),
            }
            rest = after;
        } else {
            rendered.text.push_str(&hole[..1]);
            rest = &hole[1..];
        }
    }
    rendered.text.push_str(rest);
    rendered
}

/// Inserts a name: `{audit}` is the table, `{audit_bare}` the same without its schema,
/// `{audit_text}` its name as a string, `{audit_plain}` its name as a string without schema and
/// quotes.
fn push_name(text: &mut String, name: &str, names: &Names, quote: char, values: Values) {
    let of_text = name
        .strip_suffix("_text")
        .map(|table| names.quoted(table, quote));
    let plain = || name.strip_suffix("_plain").map(|table| names.plain(table));
    if let Some(name) = of_text.or_else(plain) {
        let encode = match values {
            Values::Literal(encode) => encode,
            Values::Bound => quoted_text,
        };
        text.push_str(&encode(&name));
        return;
    }
    match (name, name.strip_suffix("_bare")) {
        ("bare_schema", _) => text.push_str(names.schema().unwrap_or_default()),
        // The end of a lease that ends with the process.
        ("never", _) => text.push_str("9223372036854775807"),
        (_, Some(table)) => text.push_str(&format!("{quote}{}{quote}", names.plain(table))),
        (_, None) => text.push_str(&names.quoted(name, quote)),
    }
}

fn table_name(hole: &str) -> Option<(&str, &str)> {
    let (name, after) = hole.strip_prefix('{')?.split_once('}')?;
    // JSON in a template also has braces.
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_name && !name.is_empty()).then_some((name, after))
}

fn value_name(hole: &str) -> Option<(&str, &str)> {
    let name = hole.strip_prefix('$')?;
    let end = name
        .find(|c: char| !c.is_ascii_lowercase() && c != '_')
        .unwrap_or(name.len());
    (end > 0).then(|| name.split_at(end))
}

fn push_value(rendered: &mut Rendered, value: &Value, values: Values) {
    match (values, value) {
        (Values::Bound, _) => {
            rendered.text.push('?');
            rendered.binds.push(value.clone());
        }
        (Values::Literal(_), Value::Null) => rendered.text.push_str("NULL"),
        (Values::Literal(_), Value::Int(number)) => rendered.text.push_str(&number.to_string()),
        (Values::Literal(encode), Value::Text(text)) => rendered.text.push_str(&encode(text)),
    }
}

/// Quotes a text in the usual form of SQL, for statements that people read before they run them.
pub(crate) fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the hexadecimal digits of a text in lower case, whose meaning no quoting mode of a
/// server changes.
#[cfg(feature = "mysql")]
pub(crate) fn hex(text: &str) -> String {
    use std::fmt::Write;
    text.bytes()
        .fold(String::with_capacity(text.len() * 2), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shout(text: &str) -> String {
        format!("<{text}>")
    }

    #[test]
    fn holes_are_filled() {
        let params = [
            ("a", Value::from("x")),
            ("b_c", Value::from(-3)),
            ("n", Value::Null),
        ];
        let template =
            "DO $$ x $$; UPDATE {lock} SET a=$a::text, b=$b_c, n=$n, j='{\"k\":' || $b_c || '}'";
        let literal = render(
            template,
            &Names::default(),
            '"',
            Values::Literal(shout),
            &params,
        );
        assert_eq!(
            literal.text,
            "DO $$ x $$; UPDATE \"flamingock_lock\" SET a=<x>::text, b=-3, n=NULL, j='{\"k\":' || -3 || '}'"
        );
        let bound = render(template, &Names::default(), '"', Values::Bound, &params);
        assert_eq!(
            bound.text,
            "DO $$ x $$; UPDATE \"flamingock_lock\" SET a=?::text, b=?, n=?, j='{\"k\":' || ? || '}'"
        );
        assert_eq!(
            bound.binds,
            [
                Value::from("x"),
                Value::from(-3),
                Value::Null,
                Value::from(-3)
            ]
        );
    }
}
