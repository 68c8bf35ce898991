//! Reading TOML.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Mistake, Node, Text, Value, line_of};

/// Parses a text.
pub(crate) fn read(text: &str) -> Result<Node, Mistake> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        (line, format!("it is no TOML: {}", error.message()))
    })?;
    let reader = Reader { text };
    let value = reader.table(table.get_ref())?;
    Ok(Node { line: 1, value })
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn node(&self, value: &Spanned<DeValue<'_>>) -> Result<Node, Mistake> {
        let line = line_of(self.text, value.span().start);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(Text {
                text: text.clone().into_owned(),
                line: self.beginning(line, &value.span()),
                lone: false,
            }),
            DeValue::Integer(integer) => {
                let digits: String = integer.as_str().chars().filter(|c| *c != '_').collect();
                match i128::from_str_radix(&digits, integer.radix()) {
                    Ok(integer) => Value::Integer(integer),
                    Err(_) => return Err((line, format!("`{digits}` is too large a number"))),
                }
            }
            DeValue::Float(float) => {
                let digits: String = float.as_str().chars().filter(|c| *c != '_').collect();
                match digits.parse() {
                    Ok(float) => Value::Float(float),
                    Err(_) => return Err((line, format!("`{digits}` is no number"))),
                }
            }
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(time) => Value::Text(Text {
                text: time.to_string(),
                line,
                lone: false,
            }),
            DeValue::Array(values) => {
                let nodes = values.iter().map(|value| self.node(value));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table)?,
        };
        Ok(Node { line, value })
    }

    /// Returns the entries in the order of the file, which the parser does not keep.
    fn table(&self, table: &DeTable<'_>) -> Result<Value, Mistake> {
        let mut entries = Vec::new();
        for (key, value) in table {
            let start = key.span().start;
            let entry = Entry {
                key: key.get_ref().clone().into_owned(),
                line: line_of(self.text, start),
                node: self.node(value)?,
            };
            entries.push((start, entry));
        }
        entries.sort_by_key(|(start, _)| *start);
        let entries = entries.into_iter().map(|(_, entry)| entry);
        Ok(Value::Map(entries.collect()))
    }

    /// The line break after three opening quotes does not belong to the text.
    fn beginning(&self, line: u32, span: &Range<usize>) -> u32 {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let inner = written
            .strip_prefix("\"\"\"")
            .or_else(|| written.strip_prefix("'''"))
            .unwrap_or_default();
        let breaks = inner.starts_with('\n') || inner.starts_with("\r\n");
        line.saturating_add(u32::from(breaks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_line_and_its_order() {
        let text = "# c\nz = 1_000\na = 'b'\n\n[t]\nx = 0x1F\ny = [\n 1.5,\n true]\n\nsql = '''\n\nb'''\nd = 2024-01-31\n";
        let Value::Map(entries) = read(text).unwrap().value else {
            panic!()
        };
        let keys: Vec<(u32, &str)> = entries
            .iter()
            .map(|entry| (entry.line, entry.key.as_str()))
            .collect();
        assert_eq!(keys, [(2, "z"), (3, "a"), (5, "t")]);
        assert_eq!(entries[0].node.value, Value::Integer(1000));
        let Value::Map(table) = &entries[2].node.value else {
            panic!()
        };
        assert_eq!(
            (table[0].line, &table[0].node.value),
            (6, &Value::Integer(31))
        );
        let Value::List(list) = &table[1].node.value else {
            panic!()
        };
        let list: Vec<(u32, &Value)> = list.iter().map(|node| (node.line, &node.value)).collect();
        assert_eq!(list, [(8, &Value::Float(1.5)), (9, &Value::Bool(true))]);
        let text = |text: &str, line| {
            Value::Text(Text {
                text: text.to_owned(),
                line,
                lone: false,
            })
        };
        assert_eq!(
            (table[2].line, &table[2].node.value),
            (11, &text("\nb", 12))
        );
        assert_eq!(table[3].node.value, text("2024-01-31", 14));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        for (text, line) in [("a = 1\nb = ", 2), ("a = 1\na = 2", 2), ("\n\n[a", 3)] {
            let (found, message) = read(text).unwrap_err();
            assert_eq!(found, line, "{text}: {message}");
            assert!(message.starts_with("it is no TOML: "), "{message}");
        }
    }
}
