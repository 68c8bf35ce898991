use flamingock::change;

#[change(
    id = 7,
    order = "x1",
    auther = "ada",
    target = "",
    run_always,
    transaction = "yes",
    recovery = "sometimes",
    tags = ["dev", demo],
    timeout = "soon",
    lock_timeout = "0s",
    statement_timeout = 60,
    register = 1,
    stage = " a",
    stage = "b",
    "0002",
)]
async fn create_users() {}

fn main() {}
