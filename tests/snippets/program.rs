//! `operations.md`: the application as its own command-line program.

use flamingock::{Runner, sqlx::PgPool};
use std::process::ExitCode;

async fn main_of_the_program(pool: PgPool) -> ExitCode {
    let runner = Runner::new(&pool).service("orders");
    flamingock::cli::run(runner).await
}
