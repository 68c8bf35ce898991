//! What a change is: its definition, functions, arguments, order, steps and secrets.

pub(crate) mod argument;
pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod context;
pub(crate) mod definition;
pub(crate) mod failed_row;
pub(crate) mod link;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod problem;
pub(crate) mod script;
#[cfg_attr(
    not(feature = "templates"),
    expect(dead_code, reason = "what only templates use")
)]
pub(crate) mod secret;
pub(crate) mod step;
