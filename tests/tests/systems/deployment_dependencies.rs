//! `examples/deployment-dependencies`, with a catalogue on PostgreSQL.

use std::io;
use std::time::Duration;

use flamingock_tests::{Backend as _, Driver, Page, Postgres, TestDatabase, execute, until};

use crate::program::page;

const SOON: Duration = Duration::from_secs(20);

async fn catalogue() -> (TestDatabase<Postgres>, Page) {
    let database = Postgres::fresh().await;
    let url = database.url.clone();
    let page = page("deployment-dependencies").with(
        "CATALOGUE_URL",
        "postgres://localhost/catalogue",
        url,
    );
    (database, page)
}

#[tokio::test]
async fn page_shows_the_actual_output() {
    let (_database, page) = catalogue().await;
    page.check();
}

#[tokio::test]
async fn version_that_appears_during_the_wait_is_accepted() -> io::Result<()> {
    let (database, page) = catalogue().await;
    let pool = database.pool(1).await;
    let old = "CREATE TABLE schema_version AS SELECT 3 AS version";
    execute(&pool, old).await;
    let command = page.command("WAIT=20 exec deployment-dependencies apply");
    let waiting = Driver::spawn(command.into())?;
    until("it waits", async || {
        page.states("catalogue-schema-4") == ["STARTED"]
    })
    .await;
    execute(&pool, "UPDATE schema_version SET version = 4").await;
    let done = waiting.finish(SOON).await?;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(page.states("create-order-lines"), ["APPLIED"]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_recorded_while_no_server_responds() {
    let (_database, page) = catalogue().await;
    let unreachable = "CATALOGUE_URL=postgres://127.0.0.1:1/catalogue WAIT=1";
    let refused = page.shell(&format!("{unreachable} deployment-dependencies apply"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.text.contains("not ready"), "{refused:?}");
    assert_eq!(page.states("catalogue-schema-4"), [""; 0]);
    assert_eq!(page.states("create-order-lines"), [""; 0]);
}
