//! The template `http`: its requests, its handling of the answers, and its messages about them.

mod checks;
mod documented;
mod mistakes;
mod requests;
mod secrets;
mod service;
mod tls;
mod waiting;
