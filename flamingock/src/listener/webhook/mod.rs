//! A [listener](crate::events) that posts events to a URL: the feature `webhook`.
//!
//! ```
//! use flamingock::events::Webhook;
//! use flamingock::{MemoryStore, Runner};
//! use std::time::Duration;
//!
//! let token = std::env::var("DEPLOYMENTS_TOKEN").unwrap_or_default();
//! let webhook = Webhook::new("https://deployments.example.com/hooks/changes")
//!     .header("authorization", format!("Bearer {token}"))
//!     .timeout(Duration::from_secs(3));
//! let runner = Runner::new(MemoryStore::new()).service("shop").listener(webhook);
//! # drop(runner);
//! ```
//!
//! # Request
//!
//! The webhook sends one [`Event`] as JSON in a `POST` request, by default at the end of every run
//! and for every issue. `error` shows whether the run succeeded: it is null then.
//!
//! ```json
//! {
//!   "number": 9,
//!   "run_id": "5a0c3f1e0d5b4a7f9c2e8b6d4f1a3c5e",
//!   "service": "shop",
//!   "work": "run",
//!   "elapsed_ms": 41.7,
//!   "event": "run_ended",
//!   "duration_ms": 41.7,
//!   "report": { "run_id": "..", "service": "shop", "counts": {}, "stages": [], "targets": [], "missing": [], "warnings": [], "duration_ms": 41.2 },
//!   "error": { "kind": "changes_failed", "message": "..", "causes": [] }
//! }
//! ```
//!
//! `report` is the [`Report`](crate::Report), in the same form as on the command line with
//! `--json`. Each request is sent once: if the response is no success, that is a warning in the log
//! and in the report, as with every listener. `run_id` and `number` together identify an event.
//!
//! # Implementation
//!
//! The client is ureq, on a thread of tokio's blocking pool: an async client would need three times
//! as many crates for a few requests in each run. TLS is rustls with the certificate authorities
//! that Mozilla trusts, or [those that the application provides](Webhook::certificate_authorities).
//! Redirects are not followed, because a `POST` does not survive them. `HTTPS_PROXY` and similar
//! variables are respected.

mod post;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue, Uri};
use ureq::tls::RootCerts;

use self::post::Post;
use super::api::Listener;
use crate::listener::{Event, EventKind};
use crate::util::boxed::BoxError;
use crate::util::tls_roots;

/// How long a request may take, unless the application sets another timeout.
const TIMEOUT: Duration = Duration::from_secs(5);

type Chooses = Box<dyn Fn(&Event) -> bool + Send + Sync>;
type Shapes = Box<dyn Fn(&Event) -> Value + Send + Sync>;

/// Posts events to a URL: see the [module](self).
pub struct Webhook {
    post: Result<Post, String>,
    timeout: Duration,
    name: String,
    chooses: Chooses,
    /// Creates the body of the request; `None` posts the event itself.
    shapes: Option<Shapes>,
}

impl Webhook {
    /// Creates a webhook for this `https` or `http` URL. Only the host of the URL is ever printed,
    /// because many such URLs contain secrets.
    ///
    /// An invalid URL, header or certificate is reported by the first request, as a warning like
    /// every failure of a listener.
    pub fn new(url: impl AsRef<str>) -> Webhook {
        let uri = url.as_ref().parse::<Uri>().ok();
        let known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        let uri = uri.filter(|uri| known(uri) && uri.host().is_some());
        let name = match uri.as_ref().and_then(Uri::host) {
            Some(host) => format!("webhook ({host})"),
            None => "webhook".to_owned(),
        };
        let post = uri.map(|uri| Post {
            uri,
            headers: Vec::new(),
            authorities: RootCerts::WebPki,
        });
        Webhook {
            post: post.ok_or_else(|| "its URL is none: write `https://host/path`".to_owned()),
            timeout: TIMEOUT,
            name,
            chooses: Box::new(|event| {
                let kind = &event.kind;
                matches!(
                    kind,
                    EventKind::RunEnded { .. } | EventKind::IssueFound { .. }
                )
            }),
            shapes: None,
        }
    }

    /// Adds a header to every request. Its value is never printed.
    #[must_use]
    pub fn header(self, name: &str, value: impl AsRef<str>) -> Webhook {
        let header = match (
            name.parse::<HeaderName>(),
            HeaderValue::from_str(value.as_ref()),
        ) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                Ok((name, value))
            }
            (Err(_), _) => Err(format!("\"{name}\" is no name of a header")),
            (_, Err(_)) => Err(format!(
                "the value of its header \"{name}\" has a character that no header can have"
            )),
        };
        self.improve(header.map(|header| |post: &mut Post| post.headers.push(header)))
    }

    /// Trusts the certificate authorities in this PEM, such as those of a company, instead of those
    /// that Mozilla trusts.
    #[must_use]
    pub fn certificate_authorities(self, pem: impl AsRef<[u8]>) -> Webhook {
        let authorities = tls_roots::authorities(pem.as_ref());
        self.improve(
            authorities.map(|authorities| |post: &mut Post| post.authorities = authorities),
        )
    }

    /// Applies a setting, unless there is a problem already: the first problem is the one that is
    /// reported.
    fn improve<F: FnOnce(&mut Post)>(mut self, improvement: Result<F, String>) -> Webhook {
        self.post = match (self.post, improvement) {
            (Ok(mut post), Ok(improvement)) => {
                improvement(&mut post);
                Ok(post)
            }
            (Ok(_), Err(problem)) | (Err(problem), _) => Err(problem),
        };
        self
    }

    /// Sets how long a request may take, including the connection and the response; 5 seconds by
    /// default. Keep it below [`Runner::listener_timeout`](crate::Runner::listener_timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Webhook {
        self.timeout = timeout;
        self
    }

    /// Sets which events are posted, instead of the end of a run and its issues:
    ///
    /// ```
    /// use flamingock::events::EventKind;
    /// use flamingock::events::Webhook;
    ///
    /// // Only runs that failed.
    /// let webhook = Webhook::new("https://pager.example.com/flamingock")
    ///     .when(|event| matches!(&event.kind, EventKind::RunEnded { error: Some(_), .. }));
    /// # drop(webhook);
    /// ```
    #[must_use]
    pub fn when(mut self, chooses: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Webhook {
        self.chooses = Box::new(chooses);
        self
    }

    /// Sets the JSON that is posted instead of the event, for a receiver that expects its own
    /// format:
    ///
    /// ```
    /// use flamingock::events::Webhook;
    /// use serde_json::json;
    ///
    /// let webhook = Webhook::new("https://chat.example.com/services/T0/B0/secret")
    ///     .body(|event| json!({ "text": event.to_string() }));
    /// # drop(webhook);
    /// ```
    #[must_use]
    pub fn body(mut self, shapes: impl Fn(&Event) -> Value + Send + Sync + 'static) -> Webhook {
        self.shapes = Some(Box::new(shapes));
        self
    }
}

#[async_trait]
impl Listener for Webhook {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        if !(self.chooses)(event) {
            return Ok(());
        }
        let post = self.post.clone()?;
        let body = match &self.shapes {
            Some(shapes) => shapes(event).to_string(),
            None => serde_json::to_string(event)?,
        };
        let timeout = self.timeout;
        // The request has its own timeout, which also ends the thread's work if the future is
        // dropped.
        tokio::task::spawn_blocking(move || post.send(&body, timeout)).await?
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
