//! What a file says of a request. Everything that can be wrong of it is found when it is read.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use ureq::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::json::Json;
use crate::template::secret::Text;

/// How long a request may take, unless the file says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

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

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Request, D::Error> {
        let keys = RequestKeys::deserialize(deserializer)?;
        Ok(Request {
            call: Call {
                method: keys.method.0,
                url: keys.url,
                headers: keys.headers.0,
                body: keys.body,
                timeout: keys.timeout.0,
                ca_file: keys.ca_file,
            },
            expect: keys.expect,
            unless: keys.unless,
        })
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Check, D::Error> {
        let keys = CheckKeys::deserialize(deserializer)?;
        Ok(Check {
            call: Call {
                method: keys.method.0,
                url: keys.url,
                headers: keys.headers.0,
                body: keys.body,
                timeout: keys.timeout.0,
                ca_file: keys.ca_file,
            },
            expect: keys.expect,
            absent: keys.absent,
            contains: keys.contains,
        })
    }
}

/// A method; `GET` where a check says none.
struct Verb(Method);

impl Default for Verb {
    fn default() -> Verb {
        Verb(Method::GET)
    }
}

impl<'de> Deserialize<'de> for Verb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Verb, D::Error> {
        const KNOWN: [Method; 7] = [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::HEAD,
            Method::OPTIONS,
        ];
        let text = String::deserialize(deserializer)?;
        let known = KNOWN.into_iter().find(|method| method.as_str() == text);
        known.map(Verb).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no method: write GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS"
            ))
        })
    }
}

/// Where to. Shown without the values of its secrets.
#[derive(Debug)]
pub(super) struct Url(Text);

impl Url {
    /// With the values of its secrets.
    pub(super) fn reveal(&self) -> Result<Uri, &'static str> {
        let uri: Uri = self.0.reveal().parse().map_err(|_| NO_URL)?;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        match uri.scheme_str() {
            Some("http" | "https") if has_host => {}
            _ => return Err(NO_URL),
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => Err(
                "a name and a password have no place in a URL: send them in a header, `authorization: \"Basic ${secret:..}\"`",
            ),
            _ => Ok(uri),
        }
    }
}

const NO_URL: &str = "it is no URL: write `https://host/path`";

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        let url = Url(Text::deserialize(deserializer)?);
        // Before it runs, a secret is only its name.
        if !url.0.is_secret() {
            url.reveal().map_err(de::Error::custom)?;
        }
        Ok(url)
    }
}

#[derive(Default)]
struct Headers(Vec<(HeaderName, Text)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        struct HeadersVisitor;
        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of headers with their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(Named(name)) = map.next_key()? {
                    let Valued(value) = map.next_value()?;
                    headers.push((name, value));
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct Named(HeaderName);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        let name = String::deserialize(deserializer)?;
        let parsed = name.parse().map(Named);
        parsed.map_err(|_| de::Error::custom(format!("`{name}` is no name of a header")))
    }
}

struct Valued(Text);

impl<'de> Deserialize<'de> for Valued {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Valued, D::Error> {
        let value = Text::deserialize(deserializer)?;
        if !value.is_secret() && HeaderValue::from_str(value.reveal()).is_err() {
            return Err(de::Error::custom(
                "it has a character that no header can have",
            ));
        }
        Ok(Valued(value))
    }
}

/// Statuses of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Statuses {
    /// 200 to 299.
    #[default]
    Success,
    /// One of these.
    These(Vec<u16>),
}

impl Statuses {
    fn not_found() -> Statuses {
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
                one(status).map(|status| Statuses::These(vec![status]))
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<Statuses, E> {
                self.visit_i64(i64::try_from(status).unwrap_or(i64::MAX))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
                let status = text.trim().parse();
                let none = |_| E::invalid_value(de::Unexpected::Str(text), &self);
                one(status.map_err(none)?).map(|status| Statuses::These(vec![status]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut statuses = Vec::new();
                while let Some(status) = list.next_element()? {
                    statuses.push(one(status)?);
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

fn one<E: de::Error>(status: i64) -> Result<u16, E> {
    let known = u16::try_from(status).ok();
    let known = known.filter(|status| (100..600).contains(status));
    known.ok_or_else(|| E::custom(format!("{status} is no status of an answer: 200, 404")))
}

/// A length of time.
struct Length(Duration);

impl Default for Length {
    fn default() -> Length {
        Length(TIMEOUT)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
        let text = String::deserialize(deserializer)?;
        let length = humantime::parse_duration(&text).ok();
        let length = length.filter(|length| !length.is_zero()).map(Length);
        length.ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no length of time: write `timeout: 30s`"
            ))
        })
    }
}
