//! `stages.md`: stages and their dependencies.

use flamingock::{MemoryStore, Runner, Stage, change, changes};

#[change(id = "orders-stream", order = "0001", stage = "messaging")]
async fn orders_stream() {}

#[change(id = "create-orders", order = "0001", stage = "schema")]
async fn create_orders() {}

#[tokio::test]
async fn stages_run_after_those_that_they_depend_on() -> Result<(), flamingock::Error> {
    let report = Runner::new(MemoryStore::new())
        .changes(changes![orders_stream, create_orders])
        .stage(Stage::new("messaging").after("schema"))
        .stage(Stage::new("schema"))
        .run()
        .await?;
    let ids: Vec<&str> = report.changes().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, ["create-orders", "orders-stream"]);
    Ok(())
}
