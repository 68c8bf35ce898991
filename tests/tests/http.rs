//! The template `http`: its requests, its handling of the answers, and its messages about them.

#![allow(clippy::unwrap_used)]

#[path = "http/checks.rs"]
mod checks;
#[path = "http/documented.rs"]
mod documented;
#[path = "http/mistakes.rs"]
mod mistakes;
#[path = "http/requests.rs"]
mod requests;
#[path = "http/secrets.rs"]
mod secrets;
#[path = "http/service.rs"]
mod service;
#[path = "http/tls.rs"]
mod tls;
#[path = "listeners/tls_server.rs"]
mod tls_server;
#[path = "http/waiting.rs"]
mod waiting;
