//! Schedules: two and three concurrent runs, on a store whose answers can be late, lost or
//! repeated, and in processes that are paused or killed, as a seed decides.
//!
//! `tests/simulated.rs` plays them in simulated time, and the test program `time` of
//! `flamingock-tests` on the databases. `FLAMINGOCK_TEST_EXTRA=1` plays more, and
//! `FLAMINGOCK_TEST_SEED=7` replays one.

#![allow(clippy::unwrap_used)] // Nothing here runs outside a test.

mod effects;
mod fates;
mod faulty;
mod play;
mod process;
mod seeds;
mod stall;
mod trace;

pub use effects::{Kind, Site, common};
pub use faulty::Flaw;
pub use play::Schedule;
pub use seeds::{Played, seeds, try_all, try_side_by_side};
pub use trace::Trace;

/// Whether to try everything, and not only a share of it.
#[must_use]
pub fn is_extra() -> bool {
    std::env::var_os("FLAMINGOCK_TEST_EXTRA").is_some()
}
