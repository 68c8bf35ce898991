//! Worst moments within one process: databases in unusual moods, applications that work meanwhile.
//! Those that need processes and cut networks are in `faults`.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "worst/activity.rs"]
mod activity;
