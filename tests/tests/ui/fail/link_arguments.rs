use flamingock::{change, rollback, verify};

#[change(id = "create-users", order = "0001")]
async fn create_users() {}

#[rollback]
async fn without_path() {}

#[rollback("create-users")]
async fn by_id() {}

#[rollback(transaction = false)]
async fn without_change() {}

#[rollback(create_users, transacton = false)]
async fn misspelled() {}

#[rollback(create_users, timeout = "30s")]
async fn not_a_key() {}

#[verify(create_users, transaction = false)]
async fn no_keys() -> bool {
    true
}

fn main() {}
