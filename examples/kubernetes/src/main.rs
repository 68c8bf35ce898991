//! The program in a container image: `serve` is the server, and the other commands are Flamingock's.
//!
//! ```console
//! $ kubernetes apply     # a Job, or an init container
//! $ kubernetes serve     # applies what is pending, then listens on `PORT`
//! ```
//!
//! `DATABASE_URL` names the SQLite file, and `WARM_UP_SECONDS` makes the second change take longer.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use flamingock::{Runner, change, changes};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Creates the `orders` table.
#[change(id = "create-orders", order = "0001", register = false)]
async fn create_orders(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
        .execute(db)
        .await?;
    Ok(())
}

/// Fills the cache of another system, which cannot be rolled back.
#[change(id = "warm-up", order = "0002", register = false)]
async fn warm_up(takes: &Duration) {
    tokio::time::sleep(*takes).await;
}

#[tokio::main]
async fn main() -> ExitCode {
    let url = setting("DATABASE_URL", "sqlite://orders.db?mode=rwc");
    let pool = match SqlitePoolOptions::new().connect_lazy(&url) {
        Ok(pool) => pool,
        Err(error) => {
            eprintln!("error: DATABASE_URL: {error}");
            return ExitCode::from(2);
        }
    };
    let takes = setting("WARM_UP_SECONDS", "0").parse().unwrap_or_default();
    let runner = Runner::new(&pool)
        .service("orders")
        .provide(Duration::from_secs(takes))
        .changes(changes![create_orders, warm_up]);
    if std::env::args().nth(1).as_deref() != Some("serve") {
        return flamingock::cli::run(runner).await;
    }
    match serve(&runner).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Applies what is pending, or checks that nothing is, and then serves requests.
async fn serve(runner: &Runner) -> Result<(), Box<dyn Error>> {
    // Both from the beginning, so that a signal during the run ends the server, too.
    let (stop_run, stop_server) = (shutdown()?, shutdown()?);
    println!("{}", runner.run().cancel_on(stop_run).await?);
    let address = format!("0.0.0.0:{}", setting("PORT", "8080"));
    let listener = TcpListener::bind(address).await?;
    let router = Router::new().route("/health", get(async || "ok"));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop_server)
        .await?;
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Completes on Ctrl-C or on SIGTERM, which Kubernetes sends.
fn shutdown() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
