//! The expected statuses of an answer.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use ureq::http::StatusCode;

/// A set of statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Statuses {
    /// 200 to 299.
    #[default]
    Success,
    /// One of these.
    These(Vec<u16>),
}

impl Statuses {
    fn one(Status(status): Status) -> Statuses {
        Statuses::These(vec![status])
    }

    pub(super) fn not_found() -> Statuses {
        Statuses::These(vec![404])
    }

    pub(super) fn has(&self, status: StatusCode) -> bool {
        match self {
            Statuses::Success => status.is_success(),
            Statuses::These(these) => these.contains(&status.as_u16()),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statuses::Success => f.write_str("2xx"),
            Statuses::These(these) => {
                let texts: Vec<String> = these.iter().map(u16::to_string).collect();
                f.write_str(&texts.join(" or "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Statuses, D::Error> {
        struct StatusesVisitor;
        impl<'de> Visitor<'de> for StatusesVisitor {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status, or a list of them, as in `expect: [200, 404]`")
            }

            fn visit_i64<E: de::Error>(self, status: i64) -> Result<Statuses, E> {
                StatusVisitor.visit_i64(status).map(Statuses::one)
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<Statuses, E> {
                StatusVisitor.visit_u64(status).map(Statuses::one)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
                StatusVisitor.visit_str(text).map(Statuses::one)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut statuses = Vec::new();
                while let Some(Status(status)) = list.next_element()? {
                    statuses.push(status);
                }
                match statuses.is_empty() {
                    true => Err(de::Error::custom("no answer would do: name a status")),
                    false => Ok(Statuses::These(statuses)),
                }
            }
        }
        deserializer.deserialize_any(StatusesVisitor)
    }
}

/// One status of an answer.
struct Status(u16);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status, such as 200")
    }

    fn visit_i64<E: de::Error>(self, status: i64) -> Result<Status, E> {
        let known = u16::try_from(status).ok();
        let known = known.filter(|status| (100..600).contains(status));
        known.map(Status).ok_or_else(|| {
            E::custom(format!(
                "{status} is no status of an answer: write one from 100 to 599"
            ))
        })
    }

    fn visit_u64<E: de::Error>(self, status: u64) -> Result<Status, E> {
        self.visit_i64(i64::try_from(status).unwrap_or(i64::MAX))
    }

    /// A placeholder is replaced by text.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Status, E> {
        match text.trim().parse() {
            Ok(status) => self.visit_i64(status),
            Err(_) => Err(E::custom(format!(
                "`{text}` is no status of an answer: write one from 100 to 599"
            ))),
        }
    }
}
