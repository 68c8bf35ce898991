//! A route and its upstreams in an API gateway, Caddy, declared in files: the template `http` sends
//! the requests.
//!
//! ```console
//! $ caddy run --config examples/declarative/caddy.json
//! $ GATEWAY_TOKEN=.. cargo run -p declarative -- apply
//! ```
//!
//! `CADDY` is the admin interface, `FIRST` and `SECOND` are the addresses of the service, and
//! `BALANCING` is the policy for balancing requests between them. The audit is in the file
//! `declarative.db`.

use std::process::ExitCode;

use flamingock::{BoxError, Runner, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

flamingock::include_files!("changes");

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("declarative.db")
        .create_if_missing(true);
    let gateway = TargetSystem::new("gateway").description("the routes of the API gateway");
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options)).target(gateway);
    Ok(flamingock::cli::run(runner).await)
}
