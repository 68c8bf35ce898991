//! The command-line program: the binary of the example `operations`, as an operator and as a script
//! use it.

#![allow(clippy::unwrap_used)]

mod adopt;
mod app;
mod branch;
mod central;
mod check;
mod commands;
mod docs;
mod doctor;
mod export;
mod grants;
mod hostile;
mod issue;
mod lock;
mod long;
mod new;
mod operator;
mod pipes;
mod progress;
mod steps;
mod terminal;
mod tls;
mod undo;
mod usage;
mod verify;
