use flamingock::{change, rollback};
use sqlx::{Sqlite, Transaction};

#[change(id = "create-users", order = "0001", transaction = false)]
async fn create_users(_text: &str, _tx: &mut Transaction<'_, Sqlite>) {}

#[rollback(create_users, transaction = false)]
async fn drop_users(_tx: &mut sqlx::Transaction<'_, Sqlite>) {}

fn main() {}
