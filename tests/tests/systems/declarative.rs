//! `examples/declarative`, with Caddy.

use std::io;

use flamingock_tests::systems::Caddy;
use flamingock_tests::{Page, Proxy, System};
use serde_json::Value;

use crate::program::page;

const CONFIGURATION: &str = include_str!("../../../examples/declarative/caddy.json");

const TOKEN: &str = "5a0c3f1e";

/// The gateway, and a proxy to it that holds the answer to the second step.
async fn gateway() -> io::Result<(System<Caddy>, Proxy, Page)> {
    let caddy = System::start(Caddy(CONFIGURATION)).await?;
    let proxy = Proxy::on(caddy.port(1), caddy.port(0))?;
    proxy.hold_after("selection_policy", 1);
    let url = |address: String| format!("http://{address}");
    let page = page("declarative")
        .with("CADDY", "http://127.0.0.1:2019", caddy.admin())
        .with("GATEWAY", "http://127.0.0.1:8080", url(caddy.address(2)))
        .with("FIRST", "127.0.0.1:8081", caddy.address(3))
        .with("SECOND", "127.0.0.1:8082", caddy.address(4))
        .with("BROKEN", "http://127.0.0.1:2018", url(caddy.address(1)))
        .with("GATEWAY_TOKEN", TOKEN, TOKEN);
    Ok((caddy, proxy, page))
}

fn routes(caddy: &System<Caddy>) -> Value {
    let path = "config/apps/http/servers/gateway/routes";
    let url = format!("{}/{path}", caddy.admin());
    flamingock_tests::http::get(&url).unwrap().json()
}

// The page's commands block this thread, and the proxy has work to do meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let (_caddy, _proxy, page) = gateway().await?;
    page.check();
    Ok(())
}

#[tokio::test]
async fn existing_route_is_not_added_again() -> io::Result<()> {
    let (caddy, _proxy, page) = gateway().await?;
    assert_eq!(page.shell("declarative apply").code, Some(0));
    let before = routes(&caddy);
    assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");

    // A run with an empty audit.
    std::fs::remove_file(page.folder().join("declarative.db"))?;
    let again = page.shell("declarative apply --json");
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(
        routes(&caddy)[0]["handle"][0]["upstreams"],
        before[0]["handle"][0]["upstreams"]
    );
    Ok(())
}

#[tokio::test]
async fn check_finds_steps_missing_after_a_crash_and_the_next_run_does_them() -> io::Result<()> {
    let (caddy, proxy, page) = gateway().await?;
    // The request itself does not reach the gateway.
    proxy.hold_after("orders-upstream-1\",\"dial", 1);
    let behind = format!("http://127.0.0.1:{}", proxy.port());
    page.kill_while_held(&proxy, "CADDY", &behind).await?;
    assert_eq!(page.states("orders_balanced"), ["STARTED"]);
    assert_eq!(caddy.id("orders-upstream-1").status, 200);
    assert_eq!(caddy.id("orders-balancing").status, 404);

    let next = page.shell("declarative apply");
    assert_eq!(next.code, Some(0), "{next:?}");
    let upstreams = &routes(&caddy)[0]["handle"][0]["upstreams"];
    assert_eq!(upstreams.as_array().map(Vec::len), Some(2), "{upstreams}");
    assert_eq!(caddy.id("orders-balancing").status, 200);
    Ok(())
}

#[tokio::test]
async fn token_is_neither_printed_nor_stored() -> io::Result<()> {
    let (_caddy, _proxy, page) = gateway().await?;
    let failed = page.shell("BALANCING=fair declarative apply -vv");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let history = page.shell("declarative audit list --history --json");
    assert_eq!(
        page.states("orders_balanced").last().unwrap(),
        "ROLLED_BACK"
    );
    for said in [failed, history] {
        assert!(!said.text.contains(TOKEN), "{said:?}");
    }
    let database = std::fs::read(page.folder().join("declarative.db"))?;
    let token = TOKEN.as_bytes();
    assert!(!database.windows(token.len()).any(|bytes| bytes == token));
    Ok(())
}
