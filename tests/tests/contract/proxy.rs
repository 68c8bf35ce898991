//! The proxy works as documented, on both wire protocols.

use std::io;
use std::time::{Duration, Instant};

use flamingock_tests::servers::Hosted;
use flamingock_tests::sql::{PlainSql, once};
use flamingock_tests::{Proxy, TestDatabase, count, execute, scenarios};
use sqlx::Connection;
use sqlx::pool::PoolOptions;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
const A_WHILE: Duration = Duration::from_millis(300);

scenarios!(postgres, mariadb;
    cut_before_commit_leaves_nothing_and_cut_after_leaves_the_row,
    cut_waits_for_the_nth_text,
    refused_and_reset_connections_fail,
    blackhole_holds_everything_back_and_loses_nothing,
    delay_is_paid_once_a_direction,
    round_trips_and_texts_are_counted,
);

/// A database and the proxy in front of it, with a table `t` in it.
async fn behind_proxy<H: Hosted>() -> (TestDatabase<H>, Proxy) {
    let database = H::fresh().await;
    let pool = database.pool(1).await;
    execute(&pool, "CREATE TABLE t (n INT)").await;
    pool.close().await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    (database, proxy)
}

async fn pool_through<H: Hosted>(proxy: &Proxy, database: &TestDatabase<H>) -> sqlx::Pool<H::Db> {
    let options = PoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(3));
    options.connect(&proxy.url(&database.url)).await.unwrap()
}

async fn insert_in_transaction<D: PlainSql>(pool: &sqlx::Pool<D>) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    D::rows(&mut transaction, "INSERT INTO t VALUES (1)").await?;
    transaction.commit().await
}

async fn cut_before_commit_leaves_nothing_and_cut_after_leaves_the_row<H: Hosted>() {
    for (is_after, expected) in [(false, 0), (true, 1)] {
        let (database, proxy) = behind_proxy::<H>().await;
        let pool = pool_through(&proxy, &database).await;
        match is_after {
            false => proxy.cut_before("COMMIT", 1),
            true => proxy.cut_after("COMMIT", 1),
        }
        let error = insert_in_transaction(&pool).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Io(_)), "{error:?}");
        assert!(!proxy.is_armed());
        let direct = database.pool(1).await;
        assert_eq!(count(&direct, "SELECT count(*) FROM t").await, expected);
    }
}

async fn cut_waits_for_the_nth_text<H: Hosted>() {
    let (database, proxy) = behind_proxy::<H>().await;
    let pool = pool_through(&proxy, &database).await;
    proxy.cut_before("commit", 2);
    insert_in_transaction(&pool).await.unwrap();
    assert!(proxy.is_armed());
    insert_in_transaction(&pool).await.unwrap_err();
    insert_in_transaction(&pool).await.unwrap();
    assert_eq!(count(&pool, "SELECT count(*) FROM t").await, 2);
}

async fn refused_and_reset_connections_fail<H: Hosted>() -> Result<(), sqlx::Error> {
    let (database, proxy) = behind_proxy::<H>().await;
    let url = proxy.url(&database.url);
    let mut connection = <H::Db as sqlx::Database>::Connection::connect(&url).await?;

    proxy.refuse().await;
    let refused = once::<H::Db>(&url, "SELECT 1").await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    H::Db::rows(&mut connection, "SELECT 1").await?;

    proxy.pass()?;
    once::<H::Db>(&url, "SELECT 1").await?;
    proxy.reset();
    H::Db::rows(&mut connection, "SELECT 1").await.unwrap_err();
    once::<H::Db>(&url, "SELECT 1").await?;
    Ok(())
}

async fn blackhole_holds_everything_back_and_loses_nothing<H: Hosted>() -> io::Result<()> {
    let (database, proxy) = behind_proxy::<H>().await;
    let pool = pool_through(&proxy, &database).await;
    proxy.blackhole();
    let answer = tokio::spawn(async move { count(&pool, "SELECT 7").await });
    tokio::time::sleep(A_WHILE).await;
    assert!(!answer.is_finished());
    proxy.pass()?;
    assert_eq!(timeout(SOON, answer).await??, 7);
    Ok(())
}

async fn delay_is_paid_once_a_direction<H: Hosted>() -> Result<(), sqlx::Error> {
    let (database, proxy) = behind_proxy::<H>().await;
    let url = proxy.url(&database.url);
    let mut connection = <H::Db as sqlx::Database>::Connection::connect(&url).await?;
    proxy.delay(Duration::from_millis(100));
    let start = Instant::now();
    H::Db::rows(&mut connection, "SELECT 1").await?;
    let taken = start.elapsed();
    assert!(taken >= Duration::from_millis(200), "{taken:?}");
    assert!(taken < Duration::from_millis(2000), "{taken:?}");
    Ok(())
}

async fn round_trips_and_texts_are_counted<H: Hosted>() {
    let (database, proxy) = behind_proxy::<H>().await;
    let url = proxy.url(&database.url);
    let mut connection = <H::Db as sqlx::Database>::Connection::connect(&url)
        .await
        .unwrap();
    proxy.forget();
    H::Db::rows(
        &mut connection,
        "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
    )
    .await
    .unwrap();
    H::Db::rows(&mut connection, "SELECT n FROM t")
        .await
        .unwrap();
    assert_eq!(proxy.round_trips(), 2, "{:?}", proxy.sent());
    assert_eq!(proxy.count("insert into t"), 2);
    assert_eq!(proxy.count("from t"), 1);
}
