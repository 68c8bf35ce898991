use flamingock::change;

#[change(
    id = "create-users",
    order = "0001",
    lock_timeout = "3s",
    statement_timeout = "1m"
)]
async fn create_users(_pool: &sqlx::SqlitePool) {}

fn main() {}
