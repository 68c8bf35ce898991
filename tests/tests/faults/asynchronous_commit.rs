//! A target system that commits asynchronously is killed: the changes that the audit records as
//! applied must exist.

use flamingock_tests::sql::once;
use flamingock_tests::{Postgres, Server};

use super::ground::{Ground, Kind};
use super::oracle::{SEPARATE, Scene};
use super::start::Start;

/// The log is written every ten seconds, and whenever its writer is woken up.
const LAZY: [&str; 6] = [
    "CREATE TABLE done (what VARCHAR(200))",
    "ALTER SYSTEM SET synchronous_commit = off",
    "ALTER SYSTEM SET wal_writer_delay = '10s'",
    "SELECT pg_reload_conf()",
    "CHECKPOINT",
    "INSERT INTO done VALUES ('wakes the writer')",
];

#[tokio::test]
async fn postgres_target_with_asynchronous_commit_loses_no_recorded_change() {
    let mut server = Server::<Postgres>::start().await.unwrap();
    for audit in [Kind::Sqlite, Kind::Postgres] {
        let target = server.fresh().await;
        for text in LAZY {
            once::<sqlx::Postgres>(&target.url, text).await.unwrap();
        }
        let ground = Ground::empty(audit).await;
        let start = Start::of("separate", ground.url()).with("--target", &target.url);
        start.run().await.expect("ok");
        server.kill().unwrap();
        server.restart().await.unwrap();
        let again = start.run().await;
        let scene = Scene::of(ground.url(), &target.url);
        let found = SEPARATE.look(&scene).await;
        SEPARATE.judge(&found, &again, &format!("{audit:?}, after a crash"));
    }
}
