//! Reading YAML, by the core schema of YAML 1.2.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::tree::{Entry, Mistake, Node, Text, Value};

/// Parses a text that is one document. An empty text is null.
pub(crate) fn read(text: &str) -> Result<Node, Mistake> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        text,
        events: Parser::new_from_str(text),
        mistakes: Vec::new(),
    };
    let node = reader.document();
    match (node, reader.mistakes.into_iter().next()) {
        (Err(mistake), _) | (Ok(_), Some(mistake)) => Err(mistake),
        (Ok(node), None) => Ok(node),
    }
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Mistake> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let line = error.marker().line();
                let written = self.text.lines().nth(line.saturating_sub(1));
                let hint = if written.is_some_and(|line| line.contains("${")) {
                    ". Between braces, a text with `${..}` in it needs quotes: `\"${NAME}\"`"
                } else {
                    ""
                };
                let rule = format!("it is no YAML: {}{hint}", error.info());
                Err((number(line), rule))
            }
            None => Err((1, "it is no YAML: it ends too early".to_owned())),
        }
    }

    fn document(&mut self) -> Result<Node, Mistake> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    let line = number(span.start.line());
                    return Err((
                        line,
                        "a second document begins here: a file is one change".to_owned(),
                    ));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span)?);
                }
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentEnd
                | Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => {}
            }
        }
        Ok(root.unwrap_or(Node {
            line: 1,
            value: Value::Null,
        }))
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Mistake> {
        let line = number(span.start.line());
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(line, anchor, tag.is_some());
                scalar(&text, style, line)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(line, anchor, tag.is_some());
                let mut nodes = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break Value::List(nodes);
                    }
                    nodes.push(self.node(event, span)?);
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(line, anchor, tag.is_some());
                Value::Map(self.entries()?)
            }
            Event::Alias(_) => {
                let rule = "an alias has no place here: write out what it stands for";
                self.mistakes.push((line, rule.to_owned()));
                Value::Null
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => {
                return Err((line, "it is no YAML: a value is missing".to_owned()));
            }
        };
        Ok(Node { line, value })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Mistake> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let line = number(span.start.line());
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, _, anchor, tag) => {
                    self.refuse(line, anchor, tag.is_some());
                    text.into_owned()
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..) => {
                    let rule = "a key is a word: `replicas: 3`. Text with braces in it needs quotes: `\"${NAME}\"`";
                    return Err((line, rule.to_owned()));
                }
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let rule = format!(
                    "`{key}` is given twice, first on line {}: keep one of them",
                    first.line
                );
                self.mistakes.push((line, rule));
            }
            let (event, span) = self.next()?;
            let node = self.node(event, span)?;
            entries.push(Entry { key, line, node });
        }
    }

    /// Refuses anchors and tags, because ignoring them silently would change the meaning.
    fn refuse(&mut self, line: u32, anchor: usize, has_tag: bool) {
        if anchor > 0 {
            let rule = "an anchor has no place here: write things out where they are meant";
            self.mistakes.push((line, rule.to_owned()));
        }
        if has_tag {
            let rule = "a tag has no place here: what a value is, is known by how it is written";
            self.mistakes.push((line, rule.to_owned()));
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, line: u32) -> Value {
    match style {
        ScalarStyle::Plain => plain(text, line),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => words(text, line),
        // The parser returns the line of the first line that is not empty.
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let empty = text.bytes().take_while(|byte| *byte == b'\n').count();
            words(text, line.saturating_sub(number(empty)))
        }
    }
}

fn words(text: &str, line: u32) -> Value {
    Value::Text(Text {
        text: text.to_owned(),
        line,
        lone: false,
    })
}

/// Interprets a text without quotes.
fn plain(text: &str, line: u32) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let integer = if let Some(digits) = text.strip_prefix("0x") {
        i128::from_str_radix(digits, 16).ok()
    } else if let Some(digits) = text.strip_prefix("0o") {
        i128::from_str_radix(digits, 8).ok()
    } else if all(digits) {
        text.parse().ok()
    } else {
        None
    };
    if let Some(integer) = integer {
        return Value::Integer(integer);
    }
    // Other texts that Rust parses as numbers, such as `inf`, stay text.
    let is_float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse() {
        Ok(float) if is_float => Value::Float(float),
        _ => words(text, line),
    }
}

fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the entries of a map, each with its line.
    fn shown(text: &str) -> Vec<String> {
        let Value::Map(entries) = read(text).unwrap().value else {
            panic!("{text}: no map")
        };
        let shown = entries.iter().map(|entry| {
            let value = match &entry.node.value {
                Value::Text(text) => format!("{:?} from {}", text.text, text.line),
                Value::List(nodes) => format!("{} on {}", nodes.len(), entry.node.line),
                value => format!("{value:?} on {}", entry.node.line),
            };
            format!("{} {} {value}", entry.line, entry.key)
        });
        shown.collect()
    }

    #[test]
    fn everything_has_its_line() {
        for (text, expected) in [
            ("# c\n---\n\na: b\n", vec!["4 a \"b\" from 4"]),
            (
                "\u{feff}a: 'b'\r\nc: d\r\n",
                vec!["1 a \"b\" from 1", "2 c \"d\" from 2"],
            ),
            (
                "a:\n\n  b\nc:\n- 1\n- 2\n",
                vec!["1 a \"b\" from 3", "4 c 2 on 5"],
            ),
            (
                "a: |\n  b\n\n  c\nd: 1\n",
                vec!["1 a \"b\\n\\nc\\n\" from 2", "5 d Integer(1) on 5"],
            ),
            ("a: |\n\n\n  b\n", vec!["1 a \"\\n\\nb\\n\" from 2"]),
            ("a: >-\n  b\n  c\n", vec!["1 a \"b c\" from 2"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        for (text, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("true", Value::Bool(true)),
            ("no", words("no", 1)),
            ("0005", Value::Integer(5)),
            ("-12", Value::Integer(-12)),
            ("0x1F", Value::Integer(31)),
            ("0o17", Value::Integer(15)),
            ("1.5", Value::Float(1.5)),
            ("-1e3", Value::Float(-1000.0)),
            (".inf", Value::Float(f64::INFINITY)),
            ("inf", words("inf", 1)),
            ("1.2.3", words("1.2.3", 1)),
            ("1_000", words("1_000", 1)),
            ("e3", words("e3", 1)),
            ("2024-01-31", words("2024-01-31", 1)),
            ("'5'", words("5", 1)),
        ] {
            let Value::Map(entries) = read(&format!("a: {text}")).unwrap().value else {
                panic!("{text}")
            };
            assert_eq!(entries[0].node.value, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_taken_is_refused_with_its_line() {
        for (text, line, expected) in [
            ("a: b: c", 1, "it is no YAML: "),
            ("a: [1, 2\nb: 3", 2, "it is no YAML: "),
            ("a: 1\nb: 2\na: 3", 3, "`a` is given twice, first on line 1"),
            ("a: &x 1", 1, "an anchor has no place here"),
            ("a: 1\nb: *x", 2, "it is no YAML: "),
            ("a:\n  !!str 1", 2, "a tag has no place here"),
            ("a: 1\n---\nb: 2", 2, "a second document begins here"),
            ("a:\n  [1, 2]: 3", 2, "a key is a word"),
            (
                "a:\n  b: ${X}\n  c: {d: ${X}}",
                3,
                "it is no YAML: while parsing a flow mapping, did not find expected ',' or '}'. Between braces, a text with `${..}` in it needs quotes",
            ),
        ] {
            let (found, message) = read(text).unwrap_err();
            assert!(message.starts_with(expected), "{text}: {message}");
            assert_eq!(found, line, "{text}: {message}");
        }
    }
}
