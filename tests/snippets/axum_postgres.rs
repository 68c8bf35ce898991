//! `axum.md`: a web server on PostgreSQL that applies its changes before it listens.

use axum::{Router, routing::get};
use flamingock::Runner;
use sqlx::postgres::PgPoolOptions;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = PgPoolOptions::new()
        .max_connections(10)
        .connect(&std::env::var("DATABASE_URL")?)
        .await?;

    // Both from the beginning, so that a signal during the run ends the server, too.
    let (stop_run, stop_server) = (shutdown()?, shutdown()?);
    let report = Runner::new(&pool)
        .service("orders")
        .app_version(env!("CARGO_PKG_VERSION"))
        .run()
        .cancel_on(stop_run)
        .await?;
    println!("{report}");

    let router = Router::new()
        .route("/health", get(|| async { "ok" }))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
    axum::serve(listener, router)
        .with_graceful_shutdown(stop_server)
        .await?;
    Ok(())
}

/// Completes on Ctrl-C or on SIGTERM, which an orchestrator sends.
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
