//! What a file says of a request. Everything that can be wrong of it is found when it is read.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer};
use ureq::http::{HeaderName, Method};

use super::fields::{Headers, Length, Url, Verb};
use super::json::Json;
use super::statuses::Statuses;
use crate::source::template::secret::Text;

/// What `apply`, `rollback` and each step have.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) call: Call,
    pub(super) expect: Statuses,
    /// Where its effect is there already, nothing is sent.
    pub(super) unless: Option<Check>,
}

/// What `verify` and `unless` have.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) call: Call,
    /// The answers that may mean that it is there.
    pub(super) expect: Statuses,
    /// The answers that mean that it is not.
    pub(super) absent: Statuses,
    pub(super) contains: Option<Json>,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, Text)>,
    pub(super) body: Option<Json>,
    pub(super) timeout: Duration,
    pub(super) ca_file: Option<String>,
}

/// Serde's flattened structs lose the lines of their mistakes, so each has all of its keys.
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

/// The call that a request and a check both have. A struct of these keys, flattened into both, would
/// let unknown keys pass.
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
