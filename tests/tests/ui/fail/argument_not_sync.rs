//! The second error is the compiler's own view of the same thing: a future that holds the argument.

use std::cell::Cell;

use flamingock::change;

#[change(id = "create-users", order = "0001")]
async fn create_users(_counter: &Cell<u8>) {}

fn main() {}
