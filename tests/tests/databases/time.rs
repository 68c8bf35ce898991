//! Rules that hold whatever the timing of answers, on the databases: schedules of two and three
//! concurrent runs, each on a store whose answers are late, lost or repeated, behind a network that
//! is cut, and in processes that are paused or killed. `flamingock-time` plays the same schedules
//! in simulated time.
//!
//! `FLAMINGOCK_TEST_EXTRA=1` plays 10,000 of them, and `FLAMINGOCK_TEST_SEED=7` the one with this
//! seed.

mod mariadb;
mod play;
mod postgres;
mod sqlite;
mod weather;
