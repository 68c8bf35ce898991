//! Deserializing a payload with serde.

pub(crate) mod source;

use crate::source::template::de::source::{Source, parsed};
use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Visitor};

use super::mistake::Mistake;
use super::reading;
use super::tree::Value;
use crate::source::template::de::source::Variant;

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            let line = self.node.line;
            let value: Option<$type> = match &self.node.value {
                Value::Text(text) => parsed(text),
                Value::Integer(integer) => <$type>::try_from(*integer).ok(),
                Value::Null
                | Value::Bool(_)
                | Value::Float(_)
                | Value::Secret(_)
                | Value::List(_)
                | Value::Map(_) => None,
            };
            match (value, &self.node.value) {
                (Some(value), _) => visitor.$visit(value).map_err(|mistake: Mistake| mistake.at(line)),
                (None, Value::Integer(value)) => Err(Mistake::new(
                    line,
                    format!("{value} is not a number from {} to {}", <$type>::MIN, <$type>::MAX),
                )),
                (None, _) => Err(self.wrong(&visitor)),
            }
        }
    )+};
}

impl<'de, 'a: 'de> Deserializer<'de> for Source<'a> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let line = self.node.line;
        let read = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_i64(value),
                (Err(_), Ok(value)) => visitor.visit_u64(value),
                (Err(_), Err(_)) => visitor.visit_i128(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(&text.text),
            Value::Secret(pieces) => self.secret(pieces, visitor),
            Value::List(nodes) => self.list(nodes, visitor),
            Value::Map(entries) => self.map(entries, visitor),
        };
        read.map_err(|mistake| mistake.at(line))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Text(text) => match parsed(text) {
                Some(value) => visitor.visit_bool(value),
                None => Err(self.wrong(&visitor)),
            },
            Value::Null
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Secret(_)
            | Value::List(_)
            | Value::Map(_) => Err(self.wrong(&visitor)),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Text(text) => match parsed(text) {
                Some(value) => visitor.visit_f64(value),
                None => Err(self.wrong(&visitor)),
            },
            Value::Integer(_) | Value::Float(_) => self.deserialize_any(visitor),
            Value::Null | Value::Bool(_) | Value::Secret(_) | Value::List(_) | Value::Map(_) => {
                Err(self.wrong(&visitor))
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let line = self.node.line;
        match &self.node.value {
            Value::Text(text) => {
                let read = visitor.visit_str(&text.text);
                read.map_err(|mistake: Mistake| mistake.at(line))
            }
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {
                let mistake = self.wrong(&visitor);
                let hint = format!("{}: put it in quotes", mistake.message());
                Err(Mistake::new(line, hint))
            }
            Value::Null | Value::Secret(_) | Value::List(_) | Value::Map(_) => {
                Err(self.wrong(&visitor))
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let line = self.node.line;
        let read = match &self.node.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Secret(_)
            | Value::List(_)
            | Value::Map(_) => visitor.visit_some(self),
        };
        read.map_err(|mistake| mistake.at(line))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let line = self.node.line;
        if name != reading::KEY {
            let read = visitor.visit_newtype_struct(self);
            return read.map_err(|mistake: Mistake| mistake.at(line));
        }
        match &self.node.value {
            Value::Secret(pieces) => self.secret(pieces, visitor),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => self.deserialize_str(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let line = self.node.line;
        let read = match &self.node.value {
            Value::Text(text) => visitor.visit_enum(StrDeserializer::<Mistake>::new(&text.text)),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Variant::new(self, entry)),
                _ => Err(self.wrong(&"one key, which says what it is")),
            },
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Secret(_)
            | Value::List(_) => Err(self.wrong(&visitor)),
        };
        read.map_err(|mistake| mistake.at(line))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        // Ignored values are not inspected, so no field takes a secret in them.
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Secret(_) => Err(self.misplaced()),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct identifier
    }
}
