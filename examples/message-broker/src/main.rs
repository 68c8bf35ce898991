//! The streams and queues that an application needs: a stream and a consumer in NATS JetStream, and in
//! RabbitMQ a queue, an exchange and the binding between them.
//!
//! ```console
//! $ nats-server -js
//! $ rabbitmq-server
//! $ cargo run -p message-broker -- apply
//! ```
//!
//! `NATS_URL` and `AMQP_URL` are the brokers. The audit is in the file `message-broker.db`.

mod queues;
mod rabbit;
mod streams;

use std::env;
use std::process::ExitCode;

use flamingock::{BoxError, Runner, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::rabbit::Rabbit;
use crate::streams::Nats;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("message-broker.db")
        .create_if_missing(true);
    // Both connect when a change needs them, so commands that only read the audit need no broker.
    let nats = Nats::at(variable("NATS_URL", "nats://127.0.0.1:4222"));
    let rabbit = Rabbit::at(variable(
        "AMQP_URL",
        "amqp://guest:guest@127.0.0.1:5672/%2f",
    ));
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options))
        .service("orders")
        .target(TargetSystem::new("nats").provide(nats))
        .target(TargetSystem::new("rabbitmq").provide(rabbit));
    Ok(flamingock::cli::run(runner).await)
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
