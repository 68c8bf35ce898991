//! Values that a file names, and that are known only while the change runs.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::reading;
use super::tree::Piece;

/// A text with a secret: `"${secret:API_TOKEN}"`, or `"Bearer ${secret:API_TOKEN}"`.
///
/// The file contains only the name of the secret. Flamingock looks the value up right before the
/// change runs, in the environment or with the resolver of
/// [`Runner::secrets`](crate::Runner::secrets), and removes it from every error of that change.
/// `Debug` and `Display` show the reference.
///
/// A secret in a field of another type is a mistake that is found before anything runs, and so is a
/// text without a secret in a field of this type: use [`Text`] if both are allowed.
///
/// ```
/// use flamingock::template::Secret;
///
/// #[derive(serde::Deserialize)]
/// struct Webhook {
///     url: String,
///     token: Secret,
/// }
///
/// fn header(webhook: &Webhook) -> String {
///     format!("Bearer {}", webhook.token.reveal())
/// }
///
/// // A test needs no file.
/// let webhook = Webhook { url: "https://example.com".to_owned(), token: Secret::new("abc") };
/// assert_eq!(header(&webhook), "Bearer abc");
/// assert_eq!(format!("{:?}", webhook.token), "Secret(***)");
/// # let _ = webhook.url;
/// ```
#[derive(Clone)]
pub struct Secret {
    /// The text of the file.
    shown: String,
    value: String,
}

impl Secret {
    /// Creates a secret with this value, to test a template: a file contains only the name.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret {
            shown: "***".to_owned(),
            value: value.into(),
        }
    }

    /// Returns the text with the values of its secrets. While the files are checked there are no
    /// values yet, and this is the reference.
    pub fn reveal(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.shown)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        match deserializer.deserialize_newtype_struct(reading::KEY, TextVisitor)? {
            Text(Inner::Secret(secret)) => Ok(secret),
            Text(Inner::Plain(_)) => Err(de::Error::custom(
                "a secret does not stand in a file: name it, `${secret:API_TOKEN}`",
            )),
        }
    }
}

/// A text that can contain secrets. Use it instead of [`Secret`] for a payload that also accepts
/// text without one.
#[derive(Clone)]
pub struct Text(Inner);

#[derive(Clone)]
enum Inner {
    Plain(String),
    Secret(Secret),
}

impl Text {
    /// Creates a text without a secret.
    pub fn new(text: impl Into<String>) -> Text {
        Text(Inner::Plain(text.into()))
    }

    /// Returns the secret that was found with this number.
    pub(super) fn numbered(number: u64) -> Option<Text> {
        let (pieces, value) = reading::take(number)?;
        let shown = shown(&pieces);
        let value = value.unwrap_or_else(|| shown.clone());
        Some(Text(Inner::Secret(Secret { shown, value })))
    }

    /// Returns the text with the values of its secrets.
    pub fn reveal(&self) -> &str {
        match &self.0 {
            Inner::Plain(text) => text,
            Inner::Secret(secret) => secret.reveal(),
        }
    }

    /// Reports whether the text contains a secret.
    pub fn is_secret(&self) -> bool {
        matches!(self.0, Inner::Secret(_))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Plain(text) => f.write_str(text),
            Inner::Secret(secret) => secret.fmt(f),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Plain(text) => write!(f, "Text({text:?})"),
            Inner::Secret(secret) => write!(f, "Text({secret})"),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_newtype_struct(reading::KEY, TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Text, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        if text.contains("${secret:") && !reading::is_on() {
            return Err(E::custom(
                "a secret is only known to a change that runs: use `Secret::new` in a test",
            ));
        }
        Ok(Text::new(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let not_one = || de::Error::custom("a block of keys with values is not a text");
        let key: Option<String> = map.next_key()?;
        if key.as_deref() != Some(reading::KEY) {
            return Err(not_one());
        }
        Text::numbered(map.next_value()?).ok_or_else(not_one)
    }
}

/// Returns the text of the file.
pub(super) fn shown(pieces: &[Piece]) -> String {
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Secret(name) => format!("${{secret:{name}}}"),
    });
    pieces.collect()
}
