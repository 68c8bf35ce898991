//! A deployment that depends on another one: nothing changes before the catalogue, which another
//! team keeps in its own PostgreSQL database, has the schema that this service needs.
//!
//! ```console
//! $ CATALOGUE_URL=postgres://localhost/catalogue cargo run -p deployment-dependencies -- apply
//! ```
//!
//! `WAIT` is the number of seconds to wait for it. The service's own database, which also contains
//! the audit, is the file `deployment-dependencies.db`.

mod catalogue;
mod changes;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use flamingock::{BoxError, Runner, Stage, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::catalogue::Catalogue;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("deployment-dependencies.db")
        .create_if_missing(true);
    let url = env::var("CATALOGUE_URL");
    let url = url.as_deref().unwrap_or("postgres://localhost/catalogue");
    let wait = env::var("WAIT").map_or(Ok(60), |seconds| seconds.parse())?;
    let wait = Duration::from_secs(wait);
    let catalogue = Catalogue::new(url, wait)?;
    let check = catalogue.clone();
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options))
        .service("orders")
        .stage(Stage::new("dependencies"))
        .stage(Stage::new("schema").after("dependencies"))
        .target(
            TargetSystem::new("catalogue")
                .description("the catalogue's database, which is only read")
                .provide(catalogue)
                .ready(move || check.clone().answers(), wait),
        );
    Ok(flamingock::cli::run(runner).await)
}
