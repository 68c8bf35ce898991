//! `examples/from-sqlx`, whose tables sqlx's own migrator creates.

use flamingock_tests::Page;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::program::page;

fn shop() -> Page {
    page("from-sqlx")
}

async fn open(page: &Page) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(page.folder().join("shop.db"));
    let one = SqlitePoolOptions::new().max_connections(1);
    one.connect_with(options).await.unwrap()
}

#[test]
fn page_shows_the_actual_output() {
    shop().check();
}

#[tokio::test]
async fn partial_history_is_adopted_and_the_next_file_runs() {
    let page = shop();
    assert_eq!(page.shell("from-sqlx-before").code, Some(0));
    let pool = open(&page).await;
    // Deployed from a folder with two files.
    let delete = "DELETE FROM _sqlx_migrations WHERE version = 3";
    sqlx::query(delete).execute(&pool).await.unwrap();
    sqlx::query("PRAGMA journal_mode = DELETE")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let applied = page.shell("from-sqlx apply");
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let counts = "shop: 2 newly applied, 2 already applied in ";
    assert!(applied.text.starts_with(counts), "{applied:?}");
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&open(&page).await)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn unfinished_sqlx_migration_is_not_adopted() {
    let page = shop();
    assert_eq!(page.shell("from-sqlx-before").code, Some(0));
    let dirty = "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 3";
    let pool = open(&page).await;
    sqlx::query(dirty).execute(&pool).await.unwrap();
    let refused = page.shell("from-sqlx apply");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.text.contains("3 readers do not wait"),
        "{refused:?}"
    );
    assert_eq!(page.states("names-to-search"), [""; 0]);
}
