//! `examples/shop`: a database, a stream, a route and a flag in one pipeline.

use std::io;
use std::time::Duration;

use flamingock_tests::systems::{Caddy, Nats, Redis};
use flamingock_tests::{Driver, Page, Proxy, System, until};

use crate::program::page;

const SOON: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = include_str!("../../../examples/shop/caddy.json");

pub(crate) struct Shop {
    nats: System<Nats>,
    caddy: System<Caddy>,
    redis: System<Redis>,
    pub(crate) page: Page,
}

pub(crate) async fn shop() -> io::Result<Shop> {
    let (nats, caddy, redis) = tokio::try_join!(
        System::start(Nats),
        System::start(Caddy(CONFIGURATION)),
        System::start(Redis)
    )?;
    let http = |address: String| format!("http://{address}");
    let page = page("shop")
        .with("NATS_URL", "nats://127.0.0.1:4222", nats.url())
        .with("MONITOR", "http://127.0.0.1:8222", http(nats.address(1)))
        .with("CADDY", "http://127.0.0.1:2019", caddy.admin())
        .with("GATEWAY", "http://127.0.0.1:8080", http(caddy.address(1)))
        .with("UPSTREAM", "127.0.0.1:8081", caddy.address(2))
        .with("REDIS_URL", "redis://127.0.0.1:6379", redis.url());
    Ok(Shop {
        nats,
        caddy,
        redis,
        page,
    })
}

#[tokio::test]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let shop = shop().await?;
    shop.page.check();
    assert_eq!(shop.nats.streams()[0]["state"]["messages"], 1);
    Ok(())
}

#[tokio::test]
async fn run_killed_in_the_middle_is_resolved_by_the_next_run() -> io::Result<()> {
    let Shop {
        nats,
        caddy,
        redis,
        page,
    } = shop().await?;

    // The stream exists, which is not recorded; then the announcement; then the flag.
    for after in ["STREAM.CREATE.SHOP", "shop.opened"] {
        let proxy = Proxy::start(nats.port(0))?;
        proxy.hold_after(after, 1);
        let behind = format!("nats://127.0.0.1:{}", proxy.port());
        page.kill_while_held(&proxy, "NATS_URL", &behind).await?;
    }
    let proxy = Proxy::start(redis.port(0))?;
    proxy.hold_after("HSETNX", 1);
    let behind = format!("redis://127.0.0.1:{}", proxy.port());
    page.kill_while_held(&proxy, "REDIS_URL", &behind).await?;
    assert_eq!(redis.ask("HGET flags checkout-v2"), "$2\r\non");
    assert_eq!(page.states("checkout-flag"), ["STARTED"]);

    let next = page.shell("shop apply");
    assert_eq!(next.code, Some(0), "{next:?}");
    for change in ["shop-stream", "announce-opening", "checkout-flag"] {
        assert_eq!(page.states(change), ["STARTED", "APPLIED"], "{change}");
    }
    assert_eq!(nats.streams()[0]["state"]["messages"], 1);
    assert_eq!(caddy.id("products-route").status, 200);
    Ok(())
}

#[tokio::test]
async fn undo_reverses_everything_except_consumed_messages() -> io::Result<()> {
    let Shop {
        nats,
        caddy,
        redis,
        page,
    } = shop().await?;
    assert_eq!(page.shell("shop apply").code, Some(0));
    assert_eq!(redis.ask("HGET flags checkout-v2"), "$2\r\non");
    let undone = page.shell("shop undo --count 2");
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(redis.ask("EXISTS flags"), ":0");
    assert_eq!(caddy.id("products-route").status, 404);
    assert_ne!(page.shell("shop undo --last").code, Some(0));
    assert_eq!(nats.streams()[0]["state"]["messages"], 1);
    Ok(())
}

#[tokio::test]
async fn run_waits_for_a_broker_that_starts_late() -> io::Result<()> {
    let Shop {
        mut nats,
        page,
        caddy: _caddy,
        redis: _redis,
    } = shop().await?;
    nats.kill()?;
    let mut starting = Driver::spawn(page.command("exec shop apply").into())?;
    until("the tables are there", async || {
        page.states("first-products") == ["APPLIED"]
    })
    .await;
    assert_eq!(page.states("shop-stream"), [""; 0]);
    nats.restart().await?;
    starting.line("6 newly applied", SOON).await?;
    Ok(())
}
