//! The command-line program: the binary of the example `operations`, as an operator and as a script
//! use it.

#![allow(clippy::unwrap_used)]

mod adopt;
mod app;
mod central;
mod commands;
mod docs;
mod hostile;
mod issue;
mod lock;
mod long;
mod operator;
mod pipes;
mod progress;
mod steps;
mod terminal;
mod undo;
mod usage;
mod verify;
