use flamingock::{change, rollback, verify};
use sqlx::SqliteConnection;

struct Failure;

#[change(id = "number", order = "0001")]
async fn number(_db: &mut SqliteConnection) -> u64 {
    1
}

#[change(id = "rows", order = "0002")]
async fn rows() -> Result<u64, sqlx::Error> {
    Ok(1)
}

#[change(id = "not-an-error", order = "0003")]
async fn not_an_error() -> Result<(), Failure> {
    Err(Failure)
}

#[rollback(rows)]
async fn undo() -> Option<()> {
    None
}

#[verify(rows)]
async fn check() {}

#[verify(number)]
async fn other_check() -> Result<(), sqlx::Error> {
    Ok(())
}

fn main() {}
