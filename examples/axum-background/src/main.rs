//! A web server that is ready at once, while a long change fills a column in the background. Start
//! several copies: one works, and another one continues if it is killed.
//!
//! `axum-background [ADDRESS]`, where port 0, the default, is any free one.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use flamingock::{Batch, Key, Keyset, LockOptions, Next, Runner, change};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Creates the users, whose addresses are not in lower case yet.
#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let create = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, lower TEXT, times INTEGER DEFAULT 0)";
    sqlx::query(create).execute(&mut *db).await?;
    let users = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
        INSERT INTO users (id, email) SELECT i * 3, 'User' || i || '@Example.COM' FROM n";
    sqlx::query(users).execute(db).await?;
    Ok(())
}

/// Fills the new column, a few rows at a time.
#[change(id = "lower-emails", order = "0002", phase = "background", batch)]
async fn lower_emails(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
) -> Result<Next<Key>, sqlx::Error> {
    // So that there is time to look at it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let users = Keyset::table("users").key("id").count_rows();
    let update = "UPDATE users SET lower = lower(email), times = times + 1 WHERE {range}";
    users.execute(update, &batch, db).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let options = SqliteConnectOptions::new()
        .filename("users.db")
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;

    let work = Runner::new(&pool)
        .service("users")
        .lock(LockOptions::default().lease(Duration::from_secs(2)))
        .spawn();

    // These routes answer while the changes are applied.
    let router = Router::new()
        .route("/", get(filled))
        .nest("/health", work.health_routes())
        .with_state(pool);
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown()?)
        .await?;

    // Ends after the batch in progress; the next instance continues.
    work.cancel();
    match work.wait().await {
        Ok(report) => println!("{report}"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// Returns how many users have the new column.
async fn filled(State(pool): State<SqlitePool>) -> Result<String, (StatusCode, String)> {
    let count = "SELECT count(*) FROM users WHERE lower IS NOT NULL";
    let filled = sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await;
    let failed = |error: sqlx::Error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    Ok(filled.map_err(failed)?.to_string())
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
