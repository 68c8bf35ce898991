//! `examples/api-gateway`, with Caddy.

use std::io;

use flamingock_tests::systems::Caddy;
use flamingock_tests::{Page, System};
use serde_json::Value;

use crate::program::page;

const CONFIGURATION: &str = include_str!("../../../examples/api-gateway/caddy.json");

async fn gateway() -> io::Result<(System<Caddy>, Page)> {
    let caddy = System::start(Caddy(CONFIGURATION)).await?;
    let upstreams = format!("{},{}", caddy.address(2), caddy.address(3));
    let page = page("api-gateway")
        .with("CADDY", "http://127.0.0.1:2019", caddy.admin())
        .with(
            "GATEWAY",
            "http://127.0.0.1:8080",
            format!("http://{}", caddy.address(1)),
        )
        .with("UPSTREAMS", "127.0.0.1:8081,127.0.0.1:8082", upstreams);
    Ok((caddy, page))
}

fn routes(caddy: &System<Caddy>) -> Value {
    let path = "config/apps/http/servers/gateway/routes";
    let url = format!("{}/{path}", caddy.admin());
    flamingock_tests::http::get(&url).unwrap().json()
}

#[tokio::test]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let (_caddy, page) = gateway().await?;
    page.check();
    Ok(())
}

#[tokio::test]
async fn existing_route_is_not_added_again() -> io::Result<()> {
    let (caddy, page) = gateway().await?;
    assert_eq!(page.shell("api-gateway apply").code, Some(0));
    let before = routes(&caddy);
    assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");
    assert_eq!(
        before[0]["handle"][0]["upstreams"][1]["@id"],
        "orders-upstream-1"
    );

    // A run with an empty audit.
    std::fs::remove_file(page.folder().join("api-gateway.db"))?;
    let again = page.shell("api-gateway apply");
    assert!(
        again.text.starts_with("default: 2 newly applied"),
        "{again:?}"
    );
    assert_eq!(routes(&caddy), before);
    Ok(())
}

#[tokio::test]
async fn refused_step_and_earlier_steps_are_rolled_back() -> io::Result<()> {
    let (caddy, page) = gateway().await?;
    let failed = page.shell("BALANCING=fair api-gateway apply");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert_eq!(caddy.id("orders-upstream-1").status, 404);
    assert_eq!(caddy.id("orders-upstream-0").status, 200);

    let gone = page.shell("api-gateway undo --last");
    assert_eq!(
        (gone.code, routes(&caddy)),
        (Some(0), Value::Array(Vec::new()))
    );
    Ok(())
}
