//! A route and its upstreams in an API gateway, Caddy, through its admin interface.
//!
//! ```console
//! $ caddy run --config examples/api-gateway/caddy.json
//! $ cargo run -p api-gateway -- apply
//! ```
//!
//! `CADDY` is the admin interface, `UPSTREAMS` are the addresses of the service, and `BALANCING` is
//! the policy for balancing requests between them. The audit is in the file `api-gateway.db`.

mod changes;
mod gateway;

use std::env;
use std::process::ExitCode;

use flamingock::{BoxError, Runner, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::gateway::Gateway;

/// The configuration for the changes.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) upstreams: Vec<String>,
    /// A selection policy of Caddy.
    pub(crate) balancing: String,
}

impl Orders {
    fn from_environment() -> Orders {
        let upstreams = variable("UPSTREAMS", "127.0.0.1:8081,127.0.0.1:8082");
        Orders {
            upstreams: upstreams.split(',').map(str::to_owned).collect(),
            balancing: variable("BALANCING", "round_robin"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("api-gateway.db")
        .create_if_missing(true);
    let gateway = Gateway::new(variable("CADDY", "http://127.0.0.1:2019"))?;
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options)).target(
        TargetSystem::new("gateway")
            .provide(gateway)
            .provide(Orders::from_environment()),
    );
    Ok(flamingock::cli::run(runner).await)
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
