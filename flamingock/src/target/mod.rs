//! Target systems, their databases and readiness, and one call of a function of the user.

#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub(crate) mod database;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub(crate) mod invocation;
pub(crate) mod readiness;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub(crate) mod settings;
pub(crate) mod storage;
pub(crate) mod system;
