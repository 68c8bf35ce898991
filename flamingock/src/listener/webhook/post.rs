//! A single request, on a thread that may block.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri};
use ureq::tls::{RootCerts, TlsConfig};

use crate::util::boxed::BoxError;

/// How many bytes of an error response are reported.
const ANSWER: u64 = 200;

/// The request without its body: URL, headers and trusted certificate authorities.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) authorities: RootCerts,
}

impl Post {
    pub(super) fn send(self, body: &str, timeout: Duration) -> Result<(), BoxError> {
        let tls = TlsConfig::builder().root_certs(self.authorities).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("flamingock/", env!("CARGO_PKG_VERSION")));
        let mut request = config
            .build()
            .new_agent()
            .post(self.uri)
            .header("content-type", "application/json");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let mut answer = request.send(body)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut said = String::new();
        // If the body cannot be read, the status is enough.
        let _ = answer
            .body_mut()
            .as_reader()
            .take(ANSWER)
            .read_to_string(&mut said);
        let said = said.trim();
        let colon = if said.is_empty() { "" } else { ": " };
        Err(format!("the answer was {status}{colon}{said}").into())
    }
}
