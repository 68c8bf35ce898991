//! Schedules: two and three runs side by side, on a store whose every answer can be late, lost or
//! repeated, and in processes that stand still or are killed, as a seed says.
//!
//! `tests/simulated.rs` plays them in simulated time, and the test program `time` of `flamingock-tests`
//! on the databases. `FLAMINGOCK_TEST_EXTRA=1` plays more, `FLAMINGOCK_TEST_SEED=7` plays one again.

#![allow(clippy::unwrap_used)] // Nothing here runs outside a test.

mod effects;
mod fates;
mod faulty;
mod play;
mod process;
mod seeds;
mod trace;

pub use effects::{Kind, Site, common};
pub use faulty::Flaw;
pub use play::Schedule;
pub use seeds::{Played, seeds, try_all, try_side_by_side};
pub use trace::Trace;

/// Whether everything is to be tried, and not a share of it.
#[must_use]
pub fn is_extra() -> bool {
    std::env::var_os("FLAMINGOCK_TEST_EXTRA").is_some()
}
