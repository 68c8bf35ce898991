//! The fields of a request, which are validated when they are read.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use ureq::http::{HeaderName, HeaderValue, Method, Uri};

use crate::source::template::secret::Text;

/// The default timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP method; `GET` by default.
pub(super) struct Verb(pub(super) Method);

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

/// The URL of a request. It is shown without the values of its secrets.
#[derive(Debug)]
pub(super) struct Url(Text);

impl Url {
    /// Returns the URL with the values of its secrets.
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

const NO_URL: &str = "it is not a URL: write `https://host/path`";

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        let url = Url(Text::deserialize(deserializer)?);
        // Only the name of a secret is known before the change runs.
        if !url.0.is_secret() {
            url.reveal().map_err(de::Error::custom)?;
        }
        Ok(url)
    }
}

#[derive(Default)]
pub(super) struct Headers(pub(super) Vec<(HeaderName, Text)>);

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

/// A duration.
pub(super) struct Length(pub(super) Duration);

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
