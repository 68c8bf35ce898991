//! The program `flamingock`, which manages the services of a database without their code.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    flamingock::cli::standalone().await
}
