//! A value of a declared file as the source of a deserializer.

use crate::change::secret::Revealed;
use crate::source::template::mistake::Mistake;
use crate::source::template::reading;
use crate::source::template::reading::Found;
use crate::source::template::secret::shown;
use crate::source::template::tree::{Entry, Node, Piece, Text, Value};
use crate::util::plural::plural;
use serde::de;
use serde::de::Deserializer as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

/// A value, and the values of its secrets, if they are available.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) node: &'a Node,
    pub(crate) revealed: Option<&'a Revealed>,
}

impl<'a> Source<'a> {
    fn of(self, node: &'a Node) -> Source<'a> {
        Source { node, ..self }
    }

    pub(crate) fn wrong(self, expected: &dyn de::Expected) -> Mistake {
        let found = match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => Unexpected::Signed(value),
                (Err(_), Ok(value)) => Unexpected::Unsigned(value),
                (Err(_), Err(_)) => Unexpected::Other("so large a number"),
            },
            Value::Float(value) => Unexpected::Float(*value),
            Value::Text(text) => Unexpected::Str(&text.text),
            Value::Secret(_) => return self.misplaced(),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        };
        <Mistake as de::Error>::invalid_type(found, expected).at(self.node.line)
    }

    /// Returns the mistake for a secret in a field that cannot hold one.
    pub(crate) fn misplaced(self) -> Mistake {
        match &self.node.value {
            Value::Secret(pieces) => misplaced(self.node.line, pieces),
            value => Mistake::new(self.node.line, format!("{} is no secret", value.words())),
        }
    }

    pub(crate) fn secret<'de, V: Visitor<'de>>(
        self,
        pieces: &[Piece],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let number = reading::add(Found {
            line: self.node.line,
            pieces: pieces.to_vec(),
            value: self.revealed.and_then(|revealed| filled(pieces, revealed)),
            taken: false,
        });
        let entry: [(&str, u64); 1] = [(reading::KEY, number)];
        visitor.visit_map(de::value::MapDeserializer::<_, Mistake>::new(
            entry.into_iter(),
        ))
    }

    pub(crate) fn list<'de, V: Visitor<'de>>(
        self,
        nodes: &'a [Node],
        visitor: V,
    ) -> Result<V::Value, Mistake>
    where
        'a: 'de,
    {
        let mut elements = Elements::new(self, nodes);
        let value = visitor.visit_seq(&mut elements)?;
        match elements.left() {
            0 => Ok(value),
            more => Err(Mistake::new(
                self.node.line,
                format!("the list has {} too many", plural(more, "element")),
            )),
        }
    }

    pub(crate) fn map<'de, V: Visitor<'de>>(
        self,
        entries: &'a [Entry],
        visitor: V,
    ) -> Result<V::Value, Mistake>
    where
        'a: 'de,
    {
        visitor.visit_map(Entries::new(self, entries))
    }
}

/// Returns the mistake for a misplaced secret, with the places where secrets are allowed.
pub(crate) fn misplaced(line: u32, pieces: &[Piece]) -> Mistake {
    let shown = shown(pieces);
    Mistake::new(
        line,
        format!(
            "`{shown}` is a secret, and the template keeps none here: its field must be a `flamingock::template::Secret`, or the value stands in the file as `${{NAME}}`"
        ),
    )
}

fn filled(pieces: &[Piece], revealed: &Revealed) -> Option<String> {
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Secret(name) => revealed.value(name),
    });
    pieces.collect()
}

/// Parses a number from a text that consists of one placeholder.
pub(crate) fn parsed<T: std::str::FromStr>(text: &Text) -> Option<T> {
    text.lone.then(|| text.text.trim().parse().ok()).flatten()
}

/// The elements of a list.
pub(super) struct Elements<'a> {
    source: Source<'a>,
    nodes: std::slice::Iter<'a, Node>,
}

impl<'a> Elements<'a> {
    pub(super) fn new(source: Source<'a>, nodes: &'a [Node]) -> Elements<'a> {
        Elements {
            source,
            nodes: nodes.iter(),
        }
    }

    /// Returns how many elements were not read.
    pub(super) fn left(&self) -> usize {
        self.nodes.len()
    }
}

impl<'de, 'a: 'de> SeqAccess<'de> for Elements<'a> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mistake> {
        let Some(node) = self.nodes.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(self.source.of(node));
        read.map(Some).map_err(|mistake| mistake.at(node.line))
    }
}

/// The entries of a map.
pub(super) struct Entries<'a> {
    source: Source<'a>,
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(source: Source<'a>, entries: &'a [Entry]) -> Entries<'a> {
        Entries {
            source,
            entries: entries.iter(),
            value: None,
        }
    }
}

impl<'de, 'a: 'de> MapAccess<'de> for Entries<'a> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mistake> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(entry);
        let key: StrDeserializer<'_, Mistake> = entry.key.as_str().into_deserializer();
        let read = seed.deserialize(key);
        read.map(Some).map_err(|mistake| mistake.at(entry.line))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Mistake> {
        let Some(entry) = self.value.take() else {
            return Err(<Mistake as de::Error>::custom(
                "a value was asked for before its key",
            ));
        };
        let read = seed.deserialize(self.source.of(&entry.node));
        read.map_err(|mistake| mistake.of(&entry.key).at(entry.node.line))
    }
}

/// A single key that selects an enum variant.
pub(super) struct Variant<'a> {
    source: Source<'a>,
    entry: &'a Entry,
}

impl<'de, 'a: 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Mistake;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Mistake> {
        let key: StrDeserializer<'_, Mistake> = self.entry.key.as_str().into_deserializer();
        let read = seed.deserialize(key);
        let value = read.map_err(|mistake| mistake.at(self.entry.line))?;
        Ok((value, self))
    }
}

impl<'a> Variant<'a> {
    pub(super) fn new(source: Source<'a>, entry: &'a Entry) -> Variant<'a> {
        Variant { source, entry }
    }

    fn inner(&self) -> Source<'a> {
        self.source.of(&self.entry.node)
    }
}

impl<'de, 'a: 'de> VariantAccess<'de> for Variant<'a> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match &self.entry.node.value {
            Value::Null => Ok(()),
            value => Err(Mistake::new(
                self.entry.line,
                format!(
                    "`{}` stands alone, without {}",
                    self.entry.key,
                    value.words()
                ),
            )),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mistake> {
        seed.deserialize(self.inner())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.inner().deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.inner().deserialize_map(visitor)
    }
}
