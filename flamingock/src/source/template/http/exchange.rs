//! One HTTP request and its answer. The client blocks, so each request has its own thread until it
//! is done.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ureq::Agent;
use ureq::http::{self, HeaderValue, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};

use super::json::Json;
use super::payload::Call;
use crate::change::secret::Revealed;
use crate::util::boxed::BoxError;
use crate::util::tls_roots::authorities;

/// How much of an answer is read, in bytes.
const READ: u64 = 1 << 20;
/// How much of it is reported, in characters.
const TOLD: usize = 500;

/// An answer, and the secrets that must be removed before it is reported.
#[derive(Debug)]
pub(super) struct Answered<'a> {
    exchanged: Exchanged,
    revealed: Option<&'a Revealed>,
}

/// The result of the thread.
#[derive(Debug)]
struct Exchanged {
    /// The method and the URL, without secrets.
    what: String,
    status: StatusCode,
    /// The text, or the reason why it could not be read.
    body: Result<String, String>,
}

impl Answered<'_> {
    pub(super) fn status(&self) -> StatusCode {
        self.exchanged.status
    }

    /// Returns the error for an answer that was not expected.
    pub(super) fn instead_of(&self, expected: &str) -> String {
        let Exchanged { what, status, .. } = &self.exchanged;
        format!(
            "{what} was answered with {status}, and not with {expected}{}",
            self.told()
        )
    }

    /// Returns the error for an answer that decides nothing.
    pub(super) fn neither(&self, words: &str) -> String {
        let Exchanged { what, status, .. } = &self.exchanged;
        format!(
            "{what} was answered with {status}, which is neither {words}{}",
            self.told()
        )
    }

    /// Parses the text as JSON.
    pub(super) fn json(&self) -> Result<Value, String> {
        let Exchanged { what, status, .. } = &self.exchanged;
        let body = self.exchanged.body.as_ref().map_err(|error| {
            format!("the answer to {what}, {status}, could not be read to its end: {error}")
        })?;
        serde_json::from_str(body).map_err(|error| {
            format!(
                "the answer to {what}, {status}, is no JSON, {error}{}",
                self.told()
            )
        })
    }

    /// Returns the beginning of the text in one line. Secrets are removed before it is shortened,
    /// because a part of a secret would not be recognized.
    fn told(&self) -> String {
        let Ok(body) = &self.exchanged.body else {
            return String::new();
        };
        let body = self
            .revealed
            .map_or_else(|| body.clone(), |revealed| revealed.scrub(body));
        let words: Vec<&str> = body.split_whitespace().collect();
        let line = words.join(" ");
        let told: String = line.chars().take(TOLD).collect();
        let more = if told.len() < line.len() { ".." } else { "" };
        match told.is_empty() {
            true => String::new(),
            false => format!(": {told}{more}"),
        }
    }
}

type Brought = Result<Exchanged, String>;

/// The requests whose changes no longer wait for them, because they were cancelled or timed out.
/// They stay in flight until their own timeout, and the request that reverts them must not overtake
/// them. Each stays here until it is done, because several exchanges can wait for it.
static LEFT: Mutex<Vec<watch::Receiver<()>>> = Mutex::new(Vec::new());

/// A request in flight. Its thread drops the sender of `over` when it is done.
struct OnItsWay {
    request: JoinHandle<Brought>,
    over: watch::Receiver<()>,
}

impl OnItsWay {
    fn send(call: Call) -> OnItsWay {
        let (sending, over) = watch::channel(());
        let request = tokio::task::spawn_blocking(move || {
            let _sending = sending;
            send(&call)
        });
        OnItsWay { request, over }
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if !is_over(&self.over) {
            let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            left.push(self.over.clone());
        }
    }
}

fn is_over(request: &watch::Receiver<()>) -> bool {
    request.has_changed().is_err()
}

/// Sends a request, and waits for its answer. Any status is an answer.
pub(super) async fn exchange(
    call: Call,
    revealed: Option<&Revealed>,
) -> Result<Answered<'_>, BoxError> {
    for mut over in left() {
        // Nothing is ever sent: this returns when the sender is dropped.
        let _ = over.changed().await;
    }
    let mut request = OnItsWay::send(call);
    let exchanged = (&mut request.request).await??;
    Ok(Answered {
        exchanged,
        revealed,
    })
}

fn left() -> Vec<watch::Receiver<()>> {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|request| !is_over(request));
    left.clone()
}

fn send(call: &Call) -> Brought {
    let what = format!("{} {}", call.method, call.url);
    let not_sent = |why: &str| format!("{what} was not sent: {why}");
    let uri = call.url.reveal().map_err(not_sent)?;
    let mut request = http::Request::builder()
        .method(call.method.clone())
        .uri(uri);
    for (name, value) in &call.headers {
        let mut shown = HeaderValue::from_str(value.reveal()).map_err(|_| {
            not_sent(&format!(
                "the value of its header `{name}` has a character that no header can have"
            ))
        })?;
        shown.set_sensitive(value.is_secret());
        request = request.header(name, shown);
    }
    let agent = agent(call).map_err(|why| not_sent(&why))?;
    let answered = match &call.body {
        None => match request.body(()) {
            Ok(request) => agent.run(request),
            Err(error) => return Err(not_sent(&error.to_string())),
        },
        Some(body) => {
            let (text, is_json) = text_of(body, call);
            if is_json {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            match request.body(text) {
                Ok(request) => agent.run(request),
                Err(error) => return Err(not_sent(&error.to_string())),
            }
        }
    };
    let mut answer = answered.map_err(|error| format!("{what} was not answered: {error}"))?;
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(READ).lossy_utf8(true);
    Ok(Exchanged {
        what,
        status,
        body: body.read_to_string().map_err(|error| error.to_string()),
    })
}

/// Returns the body, and whether it needs the content type of JSON. Text with another content type
/// in the headers is sent unchanged.
fn text_of(body: &Json, call: &Call) -> (String, bool) {
    let mut headers = call.headers.iter();
    let called = headers.find(|(name, _)| *name == header::CONTENT_TYPE);
    match (body, called) {
        (Json::Text(text), Some((_, called))) if !called.reveal().contains("json") => {
            (text.reveal().to_owned(), false)
        }
        (body, called) => (body.reveal().to_string(), called.is_none()),
    }
}

/// Creates a client for one request. Reusing a connection would gain nothing here, and the server
/// might close it just when it is used.
fn agent(call: &Call) -> Result<Agent, String> {
    let authorities = match &call.ca_file {
        None => RootCerts::WebPki,
        Some(file) => {
            let pem = std::fs::read(file).map_err(|error| format!("`{file}`: {error}"))?;
            authorities(&pem)?
        }
    };
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(authorities).build())
        .timeout_global(Some(call.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("flamingock/", env!("CARGO_PKG_VERSION")));
    Ok(config.build().new_agent())
}
