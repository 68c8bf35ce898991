//! Mistakes in the keys of changes in the background.

use flamingock::change;

#[change(id = "later", order = "0001", phase = "later")]
async fn later() {}

#[change(
    id = "waits",
    order = "0002",
    phase = "background",
    requires = "later"
)]
async fn waits() {}

#[change(id = "blank", order = "0003", requires = "")]
async fn blank() {}

#[change(id = "bare", order = "0004", phase)]
async fn bare() {}

fn main() {}
