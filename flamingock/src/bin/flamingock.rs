//! The program that looks after the services of a database without their code.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    flamingock::cli::standalone().await
}
