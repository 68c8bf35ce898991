//! A whole system in one pipeline: a database, a stream, a gateway's route and a feature flag.
//!
//! ```console
//! $ cargo run -p shop -- apply
//! $ cargo run -p shop -- apply --fail    # the upstream is wrong, and the broker's answer is lost
//! ```
//!
//! `NATS_URL`, `CADDY`, `GATEWAY`, `UPSTREAM` and `REDIS_URL` are the systems. The database, which
//! also contains the audit, is the file `shop.db`.

mod announcement;
mod flag;
mod nats;
mod route;
mod schema;
mod stream;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use flamingock::{BoxError, Runner, Stage, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::nats::Nats;
use crate::route::Gateway;

/// The time that a starting system may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The changes of the shop.
#[derive(Debug, clap::Parser)]
struct Arguments {
    /// Fail in the middle, to show the recovery
    #[arg(long, global = true)]
    fail: bool,
    #[command(subcommand)]
    command: flamingock::cli::Command,
}

/// Whether changes are to fail in the middle.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) bool);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = Arguments::parse();
    let options = SqliteConnectOptions::new()
        .filename("shop.db")
        .create_if_missing(true);
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options))
        .service("shop")
        .stage(Stage::new("schema"))
        .stage(Stage::new("events").after("schema"))
        .stage(Stage::new("announcement").after("events"))
        .stage(Stage::new("traffic").after("events"))
        .stage(Stage::new("release").after("announcement").after("traffic"))
        .provide(Trouble(arguments.fail))
        .target(broker())
        .target(gateway()?)
        .target(flags()?);
    Ok(arguments.command.execute(runner).await)
}

fn broker() -> TargetSystem {
    let nats = Nats::at(variable("NATS_URL", "nats://127.0.0.1:4222"));
    let check = nats.clone();
    TargetSystem::new("nats")
        .description("the broker of the orders")
        .provide(nats)
        .ready(move || check.clone().answers(), PATIENCE)
}

fn gateway() -> Result<TargetSystem, BoxError> {
    let gateway = Gateway::new(
        variable("CADDY", "http://127.0.0.1:2019"),
        variable("GATEWAY", "http://127.0.0.1:8080"),
        variable("UPSTREAM", "127.0.0.1:8081"),
    )?;
    let check = gateway.clone();
    Ok(TargetSystem::new("gateway")
        .description("Caddy, the entry point for customers")
        .provide(gateway)
        .ready(move || check.clone().answers(), PATIENCE))
}

fn flags() -> Result<TargetSystem, BoxError> {
    let redis = redis::Client::open(variable("REDIS_URL", "redis://127.0.0.1:6379"))?;
    let check = redis.clone();
    Ok(TargetSystem::new("flags")
        .description("the Redis with the feature flags of all instances")
        .provide(redis)
        .ready(move || flag::answers(check.clone()), PATIENCE))
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
