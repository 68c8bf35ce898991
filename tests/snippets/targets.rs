//! `targets.md`: a target system with a client and a readiness check.

use flamingock::{BoxError, MemoryStore, Runner, TargetSystem, change, changes};
use std::time::Duration;

#[derive(Clone)]
struct Broker;

impl Broker {
    async fn ping(&self) -> Result<(), BoxError> {
        Ok(())
    }

    async fn create(&self, _: &str) -> Result<(), BoxError> {
        Ok(())
    }
}

#[change(id = "orders-stream", order = "0001", target = "events")]
async fn orders_stream(broker: &Broker) -> Result<(), BoxError> {
    broker.create("orders").await
}

/// Whether the broker accepts requests.
async fn is_ready(broker: Broker) -> Result<(), BoxError> {
    broker.ping().await
}

#[tokio::test]
async fn target_is_ready() -> Result<(), flamingock::Error> {
    let broker = Broker;
    let events = TargetSystem::new("events")
        .description("the events of the shop's services")
        .provide(broker.clone())
        .ready(move || is_ready(broker.clone()), Duration::from_secs(60));

    let report = Runner::new(MemoryStore::new())
        .changes(changes![orders_stream])
        .target(events)
        .run()
        .await?;
    assert!(report.is_success());
    Ok(())
}
