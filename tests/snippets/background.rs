//! `background.md`: a change that runs while the application serves requests.

use std::time::Duration;

use axum::Router;
use flamingock::{
    Batch, BoxError, Key, Keyset, Next, Pace, RunHandle, Runner, WorkState, change, changes,
    throttle,
};
use sqlx::{SqliteConnection, SqlitePool};

/// Fills the new column.
#[change(
    id = "fill-currency",
    order = "0002",
    phase = "background",
    batch,
    register = false
)]
async fn fill_currency(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
) -> Result<Next<Key>, sqlx::Error> {
    let orders = Keyset::table("orders").key("id").count_rows();
    let update = "UPDATE orders SET currency = 'EUR' WHERE {range} AND currency IS NULL";
    orders.execute(update, &batch, db).await
}

/// The column is filled now.
#[change(
    id = "require-currency",
    order = "0003",
    requires = "fill-currency",
    register = false
)]
async fn require_currency(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE INDEX orders_currency ON orders (currency)")
        .execute(db)
        .await?;
    Ok(())
}

async fn serve() {}

async fn background(runner: &Runner) -> Result<(), BoxError> {
    let work = runner.spawn();
    if let WorkState::StartFailed(error) = work.started().await {
        return Err(error.into());
    }
    // Serve requests from here on.
    serve().await;
    // At the end: the batch in progress is completed, and the next start continues.
    work.cancel();
    work.wait().await?;
    Ok(())
}

fn health(work: &RunHandle) -> axum::routing::IntoMakeService<Router> {
    let router: Router = Router::new().nest("/health", work.health_routes());
    router.into_make_service()
}

fn paced(pool: &SqlitePool) -> Runner {
    let pace = Pace::default()
        .batch(Duration::from_millis(200))
        .sizes(1..=5_000)
        .pause(Duration::from_millis(50))
        .throttle(throttle::TimeWindow::utc((22, 0), (5, 30)));
    Runner::new(pool).pace(pace)
}

#[tokio::test]
async fn page_works_as_it_says() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, currency TEXT);
         INSERT INTO orders (id) VALUES (1), (5)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let runner = Runner::new(&pool).changes(changes![fill_currency, require_currency]);
    let error = runner.run().await.unwrap_err();
    let text = "\"require-currency\" did not run: it requires the change \"fill-currency\" in the background";
    assert!(error.to_string().starts_with(text), "{error}");
    drop(health(&runner.spawn()));
    // Everything was applied before it was cancelled, or the next one continues.
    drop(background(&runner).await);
    drop(paced(&pool));
    runner.spawn().wait().await.unwrap();
    assert!(runner.run().await.unwrap().is_up_to_date());
}
