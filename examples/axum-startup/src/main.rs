//! A web server that brings its database up to date before it listens. Start several copies at
//! once: one applies the changes, the others wait for it, and then all of them serve.
//!
//! `axum-startup [ADDRESS]`, where port 0, the default, is any free one.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use flamingock::{Runner, change};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Creates the table of greetings for visitors.
#[change(id = "create-greetings", order = "0001")]
async fn create_greetings(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE greetings (words TEXT NOT NULL)")
        .execute(db)
        .await?;
    Ok(())
}

/// Adds the first greeting. Takes a second, so that copies that start together overlap.
#[change(id = "first-greeting", order = "0002", timeout = "30s")]
async fn first_greeting(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    sqlx::query("INSERT INTO greetings VALUES ('Hello!')")
        .execute(db)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let options = SqliteConnectOptions::new()
        .filename("greetings.db")
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;

    // Both from the beginning, so that a signal during the run ends the server, too.
    let (stop_run, stop_server) = (shutdown()?, shutdown()?);
    let report = Runner::new(&pool)
        .service("greetings")
        .run()
        .cancel_on(stop_run)
        .await?;
    println!("{report}");

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = Router::new().route("/", get(greet)).with_state(pool);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop_server)
        .await?;
    println!("stopped");
    Ok(())
}

async fn greet(State(pool): State<SqlitePool>) -> Result<String, (StatusCode, String)> {
    let words = sqlx::query_scalar("SELECT words FROM greetings")
        .fetch_one(&pool)
        .await;
    words.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
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
