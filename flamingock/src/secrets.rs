//! Secrets: named in a file, looked up when their change is about to run, put out of its errors.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use crate::call::panic_text;
use crate::change::BoxError;

/// Where the values of secrets are looked up: given to
/// [`Runner::secrets`](crate::Runner::secrets). Without one it is the environment.
///
/// ```
/// use flamingock::BoxError;
/// use flamingock::template::SecretResolver;
///
/// /// Each secret is a file of the deployment.
/// #[derive(Debug)]
/// struct Mounted;
///
/// #[async_trait::async_trait]
/// impl SecretResolver for Mounted {
///     async fn resolve(&self, name: &str) -> Result<String, BoxError> {
///         Ok(std::fs::read_to_string(format!("/run/secrets/{name}"))?.trim_end().to_owned())
///     }
/// }
/// # let _ = Mounted;
/// ```
#[async_trait]
pub trait SecretResolver: fmt::Debug + Send + Sync {
    /// The value of the secret that a file names.
    ///
    /// # Errors
    /// Whatever keeps it from being known. The change does not run then, and the next start tries it
    /// again. The error is recorded as it is.
    async fn resolve(&self, name: &str) -> Result<String, BoxError>;
}

/// The variables of the environment.
#[derive(Debug)]
pub(crate) struct Environment;

#[async_trait]
impl SecretResolver for Environment {
    async fn resolve(&self, name: &str) -> Result<String, BoxError> {
        std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => format!("the variable `{name}` is not set").into(),
            std::env::VarError::NotUnicode(_) => {
                format!("the variable `{name}` is not UTF-8").into()
            }
        })
    }
}

/// The secrets of a change while it runs.
#[derive(Default)]
pub(crate) struct Revealed {
    values: BTreeMap<&'static str, String>,
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Revealed {
    /// Looks up all of them.
    pub(crate) async fn look_up(
        names: impl IntoIterator<Item = &'static str>,
        resolver: &Arc<dyn SecretResolver>,
    ) -> Result<Revealed, BoxError> {
        let mut values = BTreeMap::new();
        for name in names {
            if values.contains_key(name) {
                continue;
            }
            let value = resolver
                .resolve(name)
                .await
                .map_err(|source| Unknown { name, source })?;
            if value.is_empty() {
                return Err(format!("the secret `{name}` is empty").into());
            }
            values.insert(name, value);
        }
        Ok(Revealed { values })
    }

    /// The value of one.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Waits for what knows the secrets, and puts them out of its error and of its panic.
    pub(crate) async fn guard<T>(
        &self,
        work: impl Future<Output = Result<T, BoxError>>,
    ) -> Result<T, BoxError> {
        if self.values.is_empty() {
            return work.await;
        }
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.scrubbed(error)),
            // It goes on as the panic that it is; the hook has seen it already.
            Err(payload) => std::panic::resume_unwind(self.scrubbed_panic(&*payload)),
        }
    }

    fn scrubbed_panic(&self, payload: &(dyn Any + Send)) -> Box<dyn Any + Send> {
        Box::new(self.scrub(&panic_text(payload)))
    }

    /// The error, with references in the places of secrets. Without secrets it stays what it is.
    pub(crate) fn scrubbed(&self, error: BoxError) -> BoxError {
        if self.values.is_empty() {
            return error;
        }
        let mut texts = Vec::new();
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
        while let Some(error) = next {
            if let Some(scrubbed) = error.downcast_ref::<Scrubbed>() {
                texts.extend(scrubbed.texts.iter().map(|text| self.scrub(text)));
                break;
            }
            texts.push(self.scrub(&error.to_string()));
            next = error.source();
        }
        Box::new(Scrubbed { texts, error })
    }

    /// A text without the values: their references stand in their places.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut places: Vec<(String, &str)> = Vec::new();
        for (name, value) in &self.values {
            for spelling in spellings(value) {
                if !places.iter().any(|(known, _)| *known == spelling) {
                    places.push((spelling, name));
                }
            }
        }
        // A value that has another one in it comes first.
        places.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
        let mut text = text.to_owned();
        for (spelling, name) in places {
            text = text.replace(&spelling, &format!("${{secret:{name}}}"));
        }
        text
    }
}

/// How a value may be written in an error: as it is, in quotes, in JSON, in a URL.
fn spellings(value: &str) -> [String; 4] {
    let json = serde_json::Value::from(value).to_string();
    let url = value.bytes().fold(String::new(), |mut url, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                url.push(char::from(byte));
            }
            _ => {
                use fmt::Write;
                // Writing to a string cannot fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    });
    [
        value.to_owned(),
        value.escape_debug().to_string(),
        json.trim_matches('"').to_owned(),
        url,
    ]
}

/// A secret that could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the secret `{name}` could not be looked up")]
struct Unknown {
    name: &'static str,
    source: BoxError,
}

/// An error whose texts have lost their secrets. What it was is kept for the engine, which asks
/// whether the database refused something, and is shown to nobody.
pub(crate) struct Scrubbed {
    texts: Vec<String>,
    error: BoxError,
}

impl Scrubbed {
    /// The texts, outermost first.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// What it was.
    #[cfg_attr(
        not(feature = "_sqlx"),
        expect(dead_code, reason = "what only databases use")
    )]
    pub(crate) fn inner(&self) -> &(dyn std::error::Error + 'static) {
        &*self.error
    }
}

impl fmt::Debug for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scrubbed").field(&self.texts).finish()
    }
}

impl fmt::Display for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.texts.first().map_or("", String::as_str))
    }
}

/// Without a source: its texts are not to be read.
impl std::error::Error for Scrubbed {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::ErrorChain;

    fn revealed(values: &[(&'static str, &str)]) -> Revealed {
        let values = values.iter();
        Revealed {
            values: values
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn every_spelling_of_a_value_is_put_out() {
        let revealed = revealed(&[("TOKEN", "a\"b c"), ("LONG", "a\"b cd")]);
        for (text, expected) in [
            ("no a, no b", "no a, no b"),
            ("Bearer a\"b c!", "Bearer ${secret:TOKEN}!"),
            ("Bearer a\"b cd!", "Bearer ${secret:LONG}!"),
            ("{\"x\":\"a\\\"b c\"}", "{\"x\":\"${secret:TOKEN}\"}"),
            ("/?x=a%22b%20c", "/?x=${secret:TOKEN}"),
        ] {
            assert_eq!(revealed.scrub(text), expected);
        }
    }

    #[tokio::test]
    async fn a_chain_loses_its_secrets_and_keeps_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("refused token hunter2")]
        struct Outer(#[source] std::io::Error);
        let revealed = revealed(&[("TOKEN", "hunter2")]);
        let error = Outer(std::io::Error::other("hunter2 is old"));
        let scrubbed = revealed.guard::<()>(async { Err(error.into()) }).await;
        let scrubbed = scrubbed.unwrap_err();
        assert!(!format!("{scrubbed:?} {scrubbed}").contains("hunter2"));
        assert_eq!(
            ErrorChain::of(&*scrubbed).causes(),
            ["refused token ${secret:TOKEN}", "${secret:TOKEN} is old"]
        );
    }

    #[tokio::test]
    async fn a_panic_loses_its_secrets() {
        let revealed = revealed(&[("TOKEN", "hunter2")]);
        let work = revealed.guard::<()>(async { panic!("with {}", "hunter2") });
        let payload = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
        assert_eq!(panic_text(&*payload), "with ${secret:TOKEN}");
    }

    #[tokio::test]
    async fn an_empty_secret_is_none() {
        #[derive(Debug)]
        struct Empty;
        #[async_trait]
        impl SecretResolver for Empty {
            async fn resolve(&self, _: &str) -> Result<String, BoxError> {
                Ok(String::new())
            }
        }
        let resolver: Arc<dyn SecretResolver> = Arc::new(Empty);
        let error = Revealed::look_up(["TOKEN"], &resolver).await.unwrap_err();
        assert_eq!(error.to_string(), "the secret `TOKEN` is empty");
    }
}
