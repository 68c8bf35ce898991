//! The cloud resources of an application: a bucket whose files expire, and a queue, through the API of AWS.
//!
//! ```console
//! $ export AWS_ENDPOINT_URL=http://127.0.0.1:5000    # a local emulator; without it, the cloud
//! $ cargo run -- apply
//! ```
//!
//! Region and credentials are those of the AWS clients' default configuration. `BUCKET` is the
//! bucket's name, and `DAYS` the number of days that it keeps a file. The audit is in the file
//! `cloud-resources.db`.

mod bucket;
mod queue;

use std::env;
use std::process::ExitCode;

use flamingock::{BoxError, Runner, TargetSystem};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::bucket::Exports;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let options = SqliteConnectOptions::new()
        .filename("cloud-resources.db")
        .create_if_missing(true);
    let aws = aws_config::load_from_env().await;
    let exports = Exports {
        bucket: env::var("BUCKET").unwrap_or_else(|_| "orders-exports".to_owned()),
        days: env::var("DAYS").map_or(Ok(30), |days| days.parse())?,
    };
    let runner = Runner::new(&SqlitePool::connect_lazy_with(options))
        .service("orders")
        .target(
            TargetSystem::new("aws")
                .provide(aws_sdk_s3::Client::new(&aws))
                .provide(aws_sdk_sqs::Client::new(&aws))
                .provide(exports),
        );
    Ok(flamingock::cli::run(runner).await)
}
