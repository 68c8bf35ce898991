//! Faults: the audit is never wrong, and a change never runs twice or halfway without an issue for
//! an operator. Proved with processes that are killed and stopped, networks that are cut and
//! servers that fail. `flamingock/docs/guarantees.md` lists the test of each guarantee.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

mod asynchronous_commit;
mod backfill;
mod boots;
mod clocks;
mod common;
mod conflicts;
mod crash;
mod documented;
mod engines;
mod files;
mod full_disk;
mod ground;
mod holding_proxy;
mod in_doubt;
mod killing_proxy;
mod late;
mod late_lock;
mod midway;
mod network;
mod oracle;
mod paused;
mod pooler;
mod rollback_elsewhere;
mod servers;
mod side_by_side;
mod single_message;
mod soak;
mod start;
mod step_entries;
mod steps;
mod stopped;
mod timeouts;
mod unconfirmed_start;
mod undo;
mod undo_elsewhere;
mod writes;
