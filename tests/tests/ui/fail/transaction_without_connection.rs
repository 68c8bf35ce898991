use flamingock::{change, rollback};

#[change(id = "create-users", order = "0001", transaction = true)]
async fn create_users(_pool: &sqlx::SqlitePool) {}

#[rollback(create_users, transaction = true)]
async fn drop_users() {}

fn main() {}
