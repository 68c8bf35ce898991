//! A change may be a documented, public item.

#![deny(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    private_interfaces,
    warnings
)]

/// A change that other crates may list.
#[flamingock::change(id = "public", order = "0001")]
pub async fn public() {}

/// Its rollback.
#[flamingock::rollback(public)]
pub async fn undo() {}

fn main() {}
