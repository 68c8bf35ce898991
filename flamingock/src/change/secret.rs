//! Secrets: named in a file, looked up right before their change runs, and removed from its errors.

mod spellings;

use crate::util::error_chain::Scrubbed;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use self::spellings::Pattern;
use crate::util::boxed::BoxError;
use crate::util::error_chain::texts;
use crate::util::panic::panic_text;

/// A source for the values of secrets, for [`Runner::secrets`](crate::Runner::secrets). The default
/// is the environment.
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
    /// Returns the value of a secret that a file names.
    ///
    /// # Errors
    /// The value is not available. The change does not run, and the next run tries again. The error
    /// is recorded unchanged and must not contain secrets.
    async fn resolve(&self, name: &str) -> Result<String, BoxError>;
}

/// Looks up secrets in the environment variables.
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

/// The values of a change's secrets while it runs.
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
    /// Looks up the values of all names.
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

    /// Returns the value of a secret.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Waits for work that uses the secrets, and removes them from its error or panic.
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
            // The panic continues. The panic hook has already seen its message with the secrets.
            Err(payload) => std::panic::resume_unwind(self.scrubbed_panic(&*payload)),
        }
    }

    fn scrubbed_panic(&self, payload: &(dyn Any + Send)) -> Box<dyn Any + Send> {
        Box::new(self.scrub(&panic_text(payload)))
    }

    /// Returns the error with every secret replaced by its reference. Without secrets, returns the
    /// error itself.
    pub(crate) fn scrubbed(&self, error: BoxError) -> BoxError {
        if self.values.is_empty() {
            return error;
        }
        let texts = texts(&*error).iter().map(|text| self.scrub(text)).collect();
        Box::new(Scrubbed { texts, error })
    }

    /// Replaces every secret in a text, in any spelling, by its reference.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let patterns: Vec<(Pattern, &str)> = self
            .values
            .iter()
            .flat_map(|(name, value)| {
                let all = Pattern::all_of(value).into_iter();
                all.map(move |pattern| (pattern, *name))
            })
            .collect();
        let mut shown = String::with_capacity(text.len());
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            // A value that contains another one is the longer one.
            let longest = patterns
                .iter()
                .filter_map(|(pattern, name)| Some((pattern.place(text, at, from)?, *name)))
                .reduce(|one, other| if other.0.end > one.0.end { other } else { one });
            let length = text[at..].chars().next().map_or(1, char::len_utf8);
            match longest {
                Some((place, name)) => {
                    shown.push_str(&text[from..place.start]);
                    shown.push_str(&format!("${{secret:{name}}}"));
                    from = place.end.max(at + length);
                    at = from;
                }
                None => at += length,
            }
        }
        shown.push_str(&text[from..]);
        shown
    }
}

/// The error of a secret that could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the secret `{name}` could not be looked up")]
struct Unknown {
    name: &'static str,
    source: BoxError,
}

/// Returns the error with one text replaced by another.
#[cfg(feature = "_sqlx")]
pub(crate) fn replaced(error: BoxError, said: &str, meant: &str) -> BoxError {
    let texts = texts(&*error);
    let texts = texts.iter().map(|text| text.replace(said, meant)).collect();
    Box::new(Scrubbed { texts, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::error_chain::ErrorChain;

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
            ("/?x=a%22b+c", "/?x=${secret:TOKEN}"),
        ] {
            assert_eq!(revealed.scrub(text), expected);
        }
    }

    #[test]
    fn usual_spellings_are_known() {
        let value = "p/ä?'q\"<&> #%\\k🦩z";
        let revealed = revealed(&[("TOKEN", value)]);
        for spelling in [
            value,
            // JSON, as PHP, Python and Java write it, and JSON inside JSON.
            r#"p\/ä?'q\"<&> #%\\k🦩z"#,
            r#"p/\u00e4?'q\"<&> #%\\k\ud83e\udda9z"#,
            r#"p\u002f\u00E4?\u0027q\u0022\u003c\u0026\u003E #%\u005Ck\uD83E\uDDA9z"#,
            r#"p\\/ä?'q\\\"<&> #%\\\\k🦩z"#,
            // Rust, and bytes in C and shells.
            r#"p/ä?'q\"<&> #%\\k🦩z"#,
            r#"p/\u{e4}?\'q\"<&> #%\\k\u{1f9a9}z"#,
            r#"p/\xc3\xa4?'q\x22<&> #%\\k\xf0\x9f\xa6\xa9z"#,
            r#"p/\303\244?'q\042<&> #%\\k\360\237\246\251z"#,
            // URLs and forms, also encoded twice.
            "p%2F%C3%A4%3F%27q%22%3C%26%3E%20%23%25%5Ck%F0%9F%A6%A9z",
            "p%2f%c3%a4%3f'q%22%3c%26%3e+%23%25%5ck%f0%9f%a6%a9z",
            "p%252F%25C3%25A4%253F%2527q%2522%253C%2526%253E%2520%2523%2525%255Ck%25F0%259F%25A6%25A9z",
            // HTML and XML.
            "p/ä?&#39;q&quot;&lt;&amp;&gt; #%\\k🦩z",
            "p&#47;&auml;?".replace("&auml;", "&#xe4;").as_str(),
            "p&#x2F;&#228;?&apos;q&#34;&lt;&amp;&gt; #%\\k&#x1f9a9;z",
            // Shells, SQL and CSV.
            r#"p/ä?'\''q"<&> #%\k🦩z"#,
            r#"p/ä?'"'"'q"<&> #%\k🦩z"#,
            r"p/ä\?\'q\<\&\>".replace("q", "q\\\"").as_str(),
            r#"p/ä?''q"<&> #%\k🦩z"#,
            r#"p/ä?'q""<&> #%\k🦩z"#,
            // Split over lines.
            "p/ä?'q\"<&> \n    #%\\k🦩z",
            "p/ä?'q\"<&> #%\\k\r\n\t🦩z",
            r#"p/ä?'q\"<&> #%\n\\k🦩z"#,
        ] {
            if spelling.chars().count() < value.chars().count() {
                // A shorter prefix is only a part that was cut off.
                continue;
            }
            let text = format!("before {spelling} behind");
            let shown = revealed.scrub(&text);
            assert!(
                shown.starts_with("before ${secret:TOKEN}") && shown.ends_with(" behind"),
                "{text}: {shown}"
            );
            assert!(
                !shown.contains('q') && !shown.contains("k🦩"),
                "{text}: {shown}"
            );
        }
    }

    #[test]
    fn encodings_are_known_wherever_the_value_begins_in_them() {
        let revealed = revealed(&[("TOKEN", "hunter2!")]);
        for text in [
            "Basic aHVudGVyMiE=",
            "Basic YTpodW50ZXIyIQ==",
            "Basic YWRhOmh1bnRlcjIh",
            "Basic YWRhOmh1\n bnRlcjIh",
            "x=aHVudGVyMiE%3D",
            "68756e7465723221",
            "68756E7465723221",
            "68:75:6e:74:65:72:32:21",
            "[104, 117, 110, 116, 101, 114, 50, 33]",
            "b\"\\x68\\x75\\x6e\\x74\\x65\\x72\\x32\\x21\"",
        ] {
            let shown = revealed.scrub(text);
            assert!(shown.contains("${secret:TOKEN}"), "{text}: {shown}");
            for rest in [
                "aHVu", "dW50", "bnRl", "6e74", "6E74", "74:65", "116", "x74",
            ] {
                assert!(!shown.contains(rest), "{text}: {shown}");
            }
        }
    }

    #[test]
    fn parts_that_show_a_value_are_known() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n";
        let revealed = revealed(&[
            ("FILE", "hunter2 and more\n"),
            ("KEY", key),
            ("URL", "postgres://ada:ses%2Fame@db/x"),
        ]);
        for (text, shown) in [
            ("token hunter2 and more.", "token ${secret:FILE}."),
            ("line hkiG9w0BAQEFAASC of it", "line ${secret:KEY} of it"),
            (
                "near 'hunter2 and mo' at line 1",
                "near '${secret:FILE}' at line 1",
            ),
            ("to postgres://ada:ses%2Fame@db/x", "to ${secret:URL}"),
            ("with ses/ame", "with ${secret:URL}"),
            ("hunter3", "hunter3"),
        ] {
            assert_eq!(revealed.scrub(text), shown);
        }
    }

    #[test]
    fn a_long_text_takes_no_long_time() {
        let revealed = revealed(&[("TOKEN", r"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\x")]);
        let began = std::time::Instant::now();
        let text = "\\".repeat(10_000);
        // A text of these characters only is most of the value.
        assert!(revealed.scrub(&text).contains("${secret:TOKEN}"));
        assert!(began.elapsed() < std::time::Duration::from_secs(20));
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
