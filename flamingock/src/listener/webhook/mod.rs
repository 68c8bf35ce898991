//! A [listener](crate::events) that posts what it hears to a URL: the feature `webhook`.
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
//! # What is posted
//!
//! A `POST` of one [`Event`] as JSON, by default at the end of every run and for every issue. Whether a run
//! did well says `error`, which is null then:
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
//! `report` is the [`Report`](crate::Report), as the command line prints it with `--json`. A post is sent once: one
//! that is not answered with success is a warning in log and report, as with every listener. The receiver can
//! tell two posts apart by `run_id` and `number`.
//!
//! # What it is made of
//!
//! The client is ureq, on a thread of tokio's pool for what blocks: a third of the crates of an async client, for a
//! few posts a run. TLS is rustls with the certificate authorities that Mozilla trusts, or [those that the
//! application names](Webhook::certificate_authorities). Redirects are not followed,
//! since a post does not survive them; `HTTPS_PROXY` and its like count.

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

/// How long a post may take, unless the application says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

type Chooses = Box<dyn Fn(&Event) -> bool + Send + Sync>;
type Shapes = Box<dyn Fn(&Event) -> Value + Send + Sync>;

/// Posts what it hears: see the [module](self).
pub struct Webhook {
    post: Result<Post, String>,
    timeout: Duration,
    name: String,
    chooses: Chooses,
    /// None: the event as it is.
    shapes: Option<Shapes>,
}

impl Webhook {
    /// Posts to this URL, `https` or `http`. It is never printed, since many such URLs are secrets:
    /// only its host is.
    ///
    /// A URL, header or certificate that is none is found at the first post, and is a warning as every
    /// failure of a listener.
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

    /// Sends a header with every post. Its value is never printed.
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

    /// Trusts the certificate authorities in this PEM, as of a company's own, in place of those that
    /// Mozilla trusts.
    #[must_use]
    pub fn certificate_authorities(self, pem: impl AsRef<[u8]>) -> Webhook {
        let authorities = tls_roots::authorities(pem.as_ref());
        self.improve(
            authorities.map(|authorities| |post: &mut Post| post.authorities = authorities),
        )
    }

    /// What is wrong first is told first, and not mended by what comes after it.
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

    /// How long a post may take, with connecting and the answer. 5 seconds by default. Keep it below
    /// [`Runner::listener_timeout`](crate::Runner::listener_timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Webhook {
        self.timeout = timeout;
        self
    }

    /// Posts these events instead of the run's end and its issues:
    ///
    /// ```
    /// use flamingock::events::EventKind;
    /// use flamingock::events::Webhook;
    ///
    /// // Only runs that did not do well.
    /// let webhook = Webhook::new("https://pager.example.com/flamingock")
    ///     .when(|event| matches!(&event.kind, EventKind::RunEnded { error: Some(_), .. }));
    /// # drop(webhook);
    /// ```
    #[must_use]
    pub fn when(mut self, chooses: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Webhook {
        self.chooses = Box::new(chooses);
        self
    }

    /// Posts another JSON than the event's, for a receiver that wants its own:
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
        // Its own timeout ends the thread's work, also when nobody waits for it any more.
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
