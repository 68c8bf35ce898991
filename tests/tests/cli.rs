//! The command-line program: the binary of the example `operations`, as an operator and as a script
//! use it.

#![allow(clippy::unwrap_used)]

#[path = "cli/adopt.rs"]
mod adopt;
#[path = "cli/app.rs"]
mod app;
#[path = "cli/central.rs"]
mod central;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/docs.rs"]
mod docs;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/issue.rs"]
mod issue;
#[path = "cli/lock.rs"]
mod lock;
#[path = "cli/long.rs"]
mod long;
#[path = "cli/operator.rs"]
mod operator;
#[path = "cli/pipes.rs"]
mod pipes;
#[path = "cli/progress.rs"]
mod progress;
#[path = "cli/steps.rs"]
mod steps;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/undo.rs"]
mod undo;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/verify.rs"]
mod verify;
