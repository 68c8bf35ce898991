//! A service without an SQL database: its changes are made to Redis, and so is their audit.
//!
//! ```console
//! $ redis-server --appendonly yes --appendfsync always
//! $ cargo run -p redis-store -- apply
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use flamingock::{Runner, change, changes, rollback};
use redis::{AsyncCommands as _, Client, RedisResult};
use redis_store::RedisStore;

/// Creates the limits that the gateways read.
#[change(id = "rate-limits", order = "0001", register = false)]
async fn rate_limits(redis: &Client) -> RedisResult<()> {
    let mut redis = redis.get_multiplexed_async_connection().await?;
    let limits = [("anonymous", 10), ("customer", 100)];
    redis.hset_multiple("limits", &limits).await
}

#[rollback(rate_limits)]
async fn no_rate_limits(redis: &Client) -> RedisResult<()> {
    let mut redis = redis.get_multiplexed_async_connection().await?;
    redis.del("limits").await
}

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::var("REDIS_URL");
    let url = url.as_deref().unwrap_or("redis://127.0.0.1:6379");
    match (RedisStore::new(url), Client::open(url)) {
        (Ok(store), Ok(client)) => {
            let runner = Runner::new(Arc::new(store))
                .service("gateway")
                .provide(client)
                .changes(changes![rate_limits]);
            flamingock::cli::run(runner).await
        }
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("error: REDIS_URL: {error}");
            ExitCode::from(2)
        }
    }
}
