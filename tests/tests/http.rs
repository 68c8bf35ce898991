//! The template `http`: what is sent, what is made of the answers, and what is told of them.

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
