//! A feature flag with its rollout at a vendor, Unleash, through the vendor's admin API.
//!
//! ```console
//! $ export UNLEASH_URL=http://127.0.0.1:4242 UNLEASH_TOKEN=...
//! $ cargo run -p feature-flag -- apply
//! ```
//!
//! `UNLEASH_ENVIRONMENT` is the environment in which the flag is turned on. The audit is in the
//! file `feature-flag.db`.

mod changes;
mod unleash;

use std::env;
use std::process::ExitCode;

use flamingock::{BoxError, Runner, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::unleash::Unleash;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("feature-flag.db")
        .create_if_missing(true);
    let url = env::var("UNLEASH_URL").unwrap_or_else(|_| "http://127.0.0.1:4242".to_owned());
    let token = env::var("UNLEASH_TOKEN").unwrap_or_default();
    let environment = env::var("UNLEASH_ENVIRONMENT");
    let environment = environment.unwrap_or_else(|_| "development".to_owned());
    let flags = Unleash::new(&url, token, environment)?;
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options))
        .service("shop")
        .target(TargetSystem::new("unleash").provide(flags));
    Ok(flamingock::cli::run(runner).await)
}
