//! Operational work that is done once and is not a schema change: key rotation of a column, a
//! notice, a replaced file.
//!
//! ```console
//! $ cargo run -p operational-work -- apply
//! ```
//!
//! `OLD_KEY` and `NEW_KEY` are keys of 64 hexadecimal digits. `RELOAD` is the command that makes
//! the service reload its settings. The database, which also contains the audit, is the file
//! `operational-work.db`; the files are in the current folder.

mod cipher;
mod customers;
mod disk;
mod files;

use std::env;
use std::process::ExitCode;

use flamingock::{BoxError, Runner, Stage, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::cipher::Keys;
use crate::files::Reload;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("operational-work.db")
        .create_if_missing(true);
    let keys = Keys::from_hexadecimal(&variable("OLD_KEY"), &variable("NEW_KEY"))?;
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options))
        .service("customers")
        .stage(Stage::new("customers"))
        .stage(Stage::new("files").after("customers"))
        .provide(keys)
        .target(TargetSystem::new("disk").provide(Reload(variable("RELOAD"))));
    Ok(flamingock::cli::run(runner).await)
}

/// The value of a variable, or an empty text.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
