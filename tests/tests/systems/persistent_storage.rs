//! `examples/persistent-storage`, with Redis, on every database.

use std::io;

use flamingock_tests::systems::Redis;
use flamingock_tests::{Backend, Page, Proxy, System, count, scenarios};

use crate::program::page;

async fn carts() -> io::Result<(System<Redis>, Page)> {
    let redis = System::start(Redis).await?;
    let page = page("persistent-storage").with("REDIS_URL", "redis://127.0.0.1:6379", redis.url());
    Ok((redis, page))
}

#[tokio::test]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let (_redis, page) = carts().await?;
    page.check();
    Ok(())
}

#[tokio::test]
async fn key_keeps_its_time_to_live() -> io::Result<()> {
    let (redis, page) = carts().await?;
    assert_eq!(redis.ask("SET cart:7 milk EX 1000"), "+OK");
    assert_eq!(redis.ask("SET cart:8 eggs"), "+OK");
    assert_eq!(page.shell("persistent-storage apply").code, Some(0));
    let left: u32 = number(&redis.ask("TTL basket:7"));
    assert!((900..=1000).contains(&left), "{left}");
    assert_eq!(redis.ask("TTL basket:8"), ":-1");
    Ok(())
}

fn number(answer: &str) -> u32 {
    answer.trim().trim_start_matches(':').parse().unwrap()
}

#[tokio::test]
async fn run_killed_between_two_keys_is_completed_by_the_next_run() -> io::Result<()> {
    let (redis, page) = carts().await?;
    for cart in ["cart:7", "cart:8"] {
        assert_eq!(redis.ask(&format!("SET {cart} milk,bread")), "+OK");
    }
    let proxy = Proxy::start(redis.port(0))?;
    proxy.hold_after("EXEC", 1);
    let behind = format!("redis://127.0.0.1:{}", proxy.port());
    page.kill_while_held(&proxy, "REDIS_URL", &behind).await?;
    assert_eq!(redis.ask("EXISTS cart:7 basket:7 cart:8"), ":2");

    let next = page.shell("persistent-storage apply --verbose");
    assert_eq!(next.code, Some(0), "{next:?}");
    assert_eq!(redis.ask("EXISTS basket:7 basket:8"), ":2");
    assert_eq!(redis.ask("EXISTS cart:7 cart:8"), ":0");
    let history = page.states("baskets-for-carts");
    assert_eq!(history, ["STARTED", "STARTED", "APPLIED"]);
    Ok(())
}

scenarios!(sqlite, postgres, mariadb; tables_and_keys_are_one_pipeline);

async fn tables_and_keys_are_one_pipeline<B: Backend>() -> io::Result<()> {
    let (redis, page) = carts().await?;
    assert_eq!(redis.ask("SET cart:7 milk,bread"), "+OK");
    let database = B::fresh().await;
    let page = page.with("DATABASE_URL", "the database", &database.url);
    assert_eq!(page.shell("persistent-storage apply").code, Some(0));
    let pool = database.pool(1).await;
    assert_eq!(count(&pool, "SELECT COUNT(*) FROM customers").await, 2);
    assert_eq!(
        redis.ask("LRANGE basket:7 0 -1"),
        "*2\r\n$4\r\nmilk\r\n$5\r\nbread"
    );

    assert_eq!(
        page.shell("persistent-storage undo --count 3").code,
        Some(0)
    );
    assert_eq!(redis.ask("GET cart:7"), "$10\r\nmilk,bread");
    Ok(())
}
