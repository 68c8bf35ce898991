//! The program of `coming-from-goose.md`.

use std::env;
use std::process::ExitCode;

use flamingock::adopt::{Adoption, Tool};
use flamingock::{BoxError, Runner};
use sqlx::PgPool;

flamingock::include_files!("migrations");

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let pool = PgPool::connect_lazy(&env::var("DATABASE_URL")?)?;
    // A new environment has no history: all files are applied.
    let adoption = Adoption::of(Tool::Goose).allow_empty();
    let runner = Runner::new(&pool).adopt_first(adoption);
    Ok(flamingock::cli::run(runner).await)
}
