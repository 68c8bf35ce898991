//! The payload of a request. All of its mistakes are found when it is read.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer};
use ureq::http::{HeaderName, Method};

use super::fields::{Headers, Length, Url, Verb};
use super::json::Json;
use super::statuses::Statuses;
use crate::source::template::secret::Text;

/// The payload of `apply`, `rollback` and each step.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) call: Call,
    pub(super) expect: Statuses,
    /// Nothing is sent if this check finds the effect present.
    pub(super) unless: Option<Check>,
}

/// The payload of `verify` and `unless`.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) call: Call,
    /// The statuses that can mean that the effect is present.
    pub(super) expect: Statuses,
    /// The statuses that mean that the effect is absent.
    pub(super) absent: Statuses,
    pub(super) contains: Option<Json>,
}

/// The request to send.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, Text)>,
    pub(super) body: Option<Json>,
    pub(super) timeout: Duration,
    pub(super) ca_file: Option<String>,
}

/// serde loses the lines of mistakes in flattened structs, so each struct has all keys.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestKeys {
    method: Verb,
    url: Url,
    #[serde(default)]
    headers: Headers,
    body: Option<Json>,
    #[serde(default)]
    timeout: Length,
    ca_file: Option<String>,
    #[serde(default)]
    expect: Statuses,
    unless: Option<Check>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckKeys {
    #[serde(default)]
    method: Verb,
    url: Url,
    #[serde(default)]
    headers: Headers,
    body: Option<Json>,
    #[serde(default)]
    timeout: Length,
    ca_file: Option<String>,
    #[serde(default)]
    expect: Statuses,
    #[serde(default = "Statuses::not_found")]
    absent: Statuses,
    contains: Option<Json>,
}

/// Builds the call that a request and a check have in common. A flattened struct with these keys
/// would accept unknown keys.
macro_rules! call {
    ($keys:ident) => {
        Call {
            method: $keys.method.0,
            url: $keys.url,
            headers: $keys.headers.0,
            body: $keys.body,
            timeout: $keys.timeout.0,
            ca_file: $keys.ca_file,
        }
    };
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Request, D::Error> {
        let keys = RequestKeys::deserialize(deserializer)?;
        Ok(Request {
            call: call!(keys),
            expect: keys.expect,
            unless: keys.unless,
        })
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Check, D::Error> {
        let keys = CheckKeys::deserialize(deserializer)?;
        Ok(Check {
            call: call!(keys),
            expect: keys.expect,
            absent: keys.absent,
            contains: keys.contains,
        })
    }
}
