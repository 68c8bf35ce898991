//! The parts of a list, of a block of keys, and of a choice, one after the other.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::Source;
use crate::source::template::mistake::Mistake;
use crate::source::template::tree::{Entry, Node, Value};

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

    /// How many nobody has asked for.
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

/// The entries of a block of keys.
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

/// One key, which says what its value is.
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
