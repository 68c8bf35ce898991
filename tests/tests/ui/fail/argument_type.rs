use flamingock::{change, rollback, verify};
use sqlx::SqliteConnection;

#[change(id = "owned", order = "0001")]
async fn owned(_name: String, _db: &mut SqliteConnection) {}

#[change(id = "exclusive", order = "0002")]
async fn exclusive(_names: &mut Vec<String>) {}

#[rollback(owned)]
async fn undo(_limit: Option<u8>) {}

#[verify(owned)]
async fn check(_pool: sqlx::SqlitePool) -> bool {
    true
}

fn main() {}
