//! `examples/message-broker`, with NATS and RabbitMQ.

use std::io;

use flamingock_tests::systems::{Nats, RabbitMq};
use flamingock_tests::{Page, Proxy, System};
use serde_json::json;

use crate::program::page;

struct Brokers {
    nats: System<Nats>,
    rabbit: System<RabbitMq>,
    page: Page,
}

/// Takes some seconds, because of RabbitMQ.
async fn brokers() -> io::Result<Brokers> {
    let (nats, rabbit) = tokio::try_join!(System::start(Nats), System::start(RabbitMq))?;
    let management = format!("http://guest:guest@{}/api", rabbit.address(1));
    let page = page("message-broker")
        .with("NATS_URL", "nats://127.0.0.1:4222", nats.url())
        .with(
            "AMQP_URL",
            "amqp://guest:guest@127.0.0.1:5672/%2f",
            rabbit.url(),
        )
        .with(
            "RABBITMQ",
            "http://guest:guest@127.0.0.1:15672/api",
            management,
        );
    Ok(Brokers { nats, rabbit, page })
}

fn apply(page: &Page) {
    let said = page.shell("message-broker apply");
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let Brokers { nats, rabbit, page } = brokers().await?;
    page.check();
    assert!(nats.streams().is_empty(), "the page ends with an undo");

    // The same brokers, because starting others takes long.
    undo_deletes_no_messages(&rabbit, &page);
    Ok(())
}

fn undo_deletes_no_messages(rabbit: &System<RabbitMq>, page: &Page) {
    apply(page);
    let invoice = json!({
        "properties": {},
        "routing_key": "invoices.made",
        "payload": "one",
        "payload_encoding": "string",
    });
    let path = "exchanges/%2F/invoices/publish";
    let published = rabbit.manage("POST", path, &invoice.to_string());
    assert_eq!(published.json()["routed"], true);
    let refused = page.shell("message-broker undo print-queue");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.text.contains("PRECONDITION_FAILED"), "{refused:?}");
    assert_eq!(
        rabbit
            .read("queues/%2F/invoices.print/bindings")
            .as_array()
            .map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn killed_run_is_resolved_by_the_next_run() -> io::Result<()> {
    let Brokers { nats, rabbit, page } = brokers().await?;

    // The queue exists and the exchange does not: the change runs again, finds the queue and
    // creates the exchange.
    let proxy = Proxy::start(rabbit.port(0))?;
    proxy.hold_after("invoices.print", 1);
    let behind = format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port());
    page.kill_while_held(&proxy, "AMQP_URL", &behind).await?;
    assert_eq!(
        rabbit.manage("GET", "queues/%2F/invoices.print", "").status,
        200
    );
    assert_eq!(
        rabbit.manage("GET", "exchanges/%2F/invoices", "").status,
        404
    );
    apply(&page);
    let bound = "bindings/%2F/e/invoices/q/invoices.print";
    assert_eq!(rabbit.read(bound)[0]["routing_key"], "invoices.made");
    let on_record = page.states("print-queue");
    assert_eq!(on_record, ["STARTED", "STARTED", "APPLIED"]);

    // The stream exists, which is not recorded: the next run checks, and does not create it again.
    let undone = page.shell("message-broker undo --count 3");
    assert_eq!(undone.code, Some(0), "{undone:?}");
    let proxy = Proxy::start(nats.port(0))?;
    proxy.hold_after("STREAM.CREATE.ORDERS", 1);
    let behind = format!("nats://127.0.0.1:{}", proxy.port());
    page.kill_while_held(&proxy, "NATS_URL", &behind).await?;
    assert_eq!(nats.streams()[0]["config"]["subjects"], json!(["orders.>"]));
    apply(&page);
    let on_record = page.states("orders-stream");
    assert!(on_record.ends_with(&["STARTED".to_owned(), "APPLIED".to_owned()]));
    assert_eq!(
        on_record.iter().filter(|state| *state == "STARTED").count(),
        3,
        "{on_record:?}"
    );

    existing_topology_is_left_unchanged(&nats, &page)
}

fn existing_topology_is_left_unchanged(nats: &System<Nats>, page: &Page) -> io::Result<()> {
    let before = nats.streams();
    std::fs::remove_file(page.folder().join("message-broker.db"))?;
    let again = page.shell("message-broker apply");
    assert!(
        again.text.starts_with("orders: 3 newly applied"),
        "{again:?}"
    );
    assert_eq!(nats.streams(), before);
    assert_eq!(before[0]["consumer_detail"][0]["name"], "billing");
    Ok(())
}
