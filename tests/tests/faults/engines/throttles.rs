//! Throttles of changes in batches that ask a server whether it has time.

use std::time::Duration;

use flamingock::throttle::{
    MariaDbReplicaLag, MariaDbThreadsRunning, PostgresAutovacuum, PostgresReplicaLag, Throttle,
};
use flamingock_tests::sql::{execute, once};
use flamingock_tests::{MariaDb, Postgres, Server, until};
use sqlx::{MySqlPool, PgPool};

use super::pair::{Follows, tell};

/// The reason to wait, or the error.
async fn answer(throttle: &impl Throttle) -> String {
    match throttle.reason_to_wait().await {
        Ok(None) => String::new(),
        Ok(Some(reason)) => reason,
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn postgres_replica_that_lags_lets_the_next_batch_wait() {
    let (writer, mut follower) = Postgres::two().await;
    // Otherwise each commit would wait for the replica.
    tell(&writer, "ALTER SYSTEM SET synchronous_standby_names = ''").await;
    tell(&writer, "SELECT pg_reload_conf()::text").await;
    let pool = PgPool::connect(writer.admin_url()).await.unwrap();
    execute(&pool, "CREATE TABLE work (a INT)").await;
    let lag = PostgresReplicaLag::new(&pool, Duration::from_millis(500));
    until("the replica has everything", async || {
        answer(&lag).await.is_empty()
    })
    .await;
    // A replica that does not answer reports no lag by itself.
    follower.pause().unwrap();
    until("the replica lags", async || {
        execute(&pool, "INSERT INTO work VALUES (1)").await;
        let reason = answer(&lag).await;
        reason.starts_with("a replica lags ") && reason.ends_with(" s behind")
    })
    .await;
    follower.resume().unwrap();
    until("the replica has caught up", async || {
        answer(&lag).await.is_empty()
    })
    .await;
    // Without the rights, it must not say that there is no lag.
    tell(&writer, "CREATE USER app").await;
    let url = writer.admin_url().replace("postgres@", "app@");
    let pool = PgPool::connect(&url).await.unwrap();
    let lag = PostgresReplicaLag::new(&pool, Duration::from_millis(500));
    let refused = answer(&lag).await;
    assert!(refused.contains("GRANT pg_monitor"), "{refused}");
}

#[tokio::test]
async fn postgres_autovacuum_on_the_table_lets_the_next_batch_wait() {
    let server =
        Server::<Postgres>::start_with(&["-c", "autovacuum=on", "-c", "autovacuum_naptime=1s"]);
    let server = server.await.unwrap();
    let pool = PgPool::connect(server.admin_url()).await.unwrap();
    // Slow enough to be seen: a page costs more than the limit, after which it sleeps.
    let table = "CREATE TABLE work (a INT) WITH (autovacuum_vacuum_threshold = 1,
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100,
        autovacuum_vacuum_cost_limit = 1)";
    execute(&pool, table).await;
    execute(&pool, "CREATE TABLE other (a INT)").await;
    let work = PostgresAutovacuum::new(&pool, "work");
    let other = PostgresAutovacuum::new(&pool, "public.other");
    assert_eq!(answer(&work).await, "");
    execute(&pool, "INSERT INTO work SELECT generate_series(1, 50000)").await;
    execute(&pool, "DELETE FROM work").await;
    until("autovacuum works on the table", async || {
        answer(&work).await == "autovacuum works on work"
    })
    .await;
    assert_eq!(answer(&other).await, "");
    let missing = PostgresAutovacuum::new(&pool, "nowhere");
    assert_eq!(answer(&missing).await, "error: there is no table nowhere");
    once::<sqlx::Postgres>(server.admin_url(), "CREATE USER app")
        .await
        .unwrap();
    let url = server.admin_url().replace("postgres@", "app@");
    let pool = PgPool::connect(&url).await.unwrap();
    let refused = answer(&PostgresAutovacuum::new(&pool, "work")).await;
    assert!(refused.contains("GRANT pg_monitor"), "{refused}");
}

#[tokio::test]
async fn mariadb_replica_that_lags_lets_the_next_batch_wait() {
    let (writer, follower) = MariaDb::two().await;
    let database = writer.fresh().await;
    let pool = MySqlPool::connect(&database.url).await.unwrap();
    execute(&pool, "CREATE TABLE work (a INT)").await;
    let replica = MySqlPool::connect(follower.admin_url()).await.unwrap();
    let lag = MariaDbReplicaLag::new(&replica, Duration::ZERO);
    MariaDb::catch_up(&writer, &follower).await;
    until("the replica has everything", async || {
        answer(&lag).await.is_empty()
    })
    .await;
    let mut holder = replica.acquire().await.unwrap();
    sqlx::raw_sql("FLUSH TABLES WITH READ LOCK")
        .execute(&mut *holder)
        .await
        .unwrap();
    execute(&pool, "INSERT INTO work VALUES (1)").await;
    until("the replica lags", async || {
        let reason = answer(&lag).await;
        reason.starts_with("the replica lags ") && reason.ends_with(" s behind")
    })
    .await;
    sqlx::raw_sql("UNLOCK TABLES")
        .execute(&mut *holder)
        .await
        .unwrap();
    until("the replica has caught up", async || {
        answer(&lag).await.is_empty()
    })
    .await;
    tell(&follower, "STOP SLAVE").await;
    assert_eq!(answer(&lag).await, "the replication does not run");
    let no_replica = MariaDbReplicaLag::new(&pool, Duration::ZERO);
    assert_eq!(
        answer(&no_replica).await,
        "error: this server is no replica"
    );
    // A user without the rights.
    tell(
        &follower,
        "CREATE USER app@'%'; GRANT SELECT ON mysql.* TO app@'%'",
    )
    .await;
    let url = follower.admin_url().replace("root@", "app@");
    let pool = MySqlPool::connect(&url).await.unwrap();
    let refused = answer(&MariaDbReplicaLag::new(&pool, Duration::ZERO)).await;
    assert!(refused.starts_with("error: "), "{refused}");
}

#[tokio::test]
async fn mariadb_server_that_is_busy_lets_the_next_batch_wait() {
    let database = <MariaDb as flamingock_tests::Backend>::fresh().await;
    let pool = MySqlPool::connect(&database.url).await.unwrap();
    let busy = MariaDbThreadsRunning::new(&pool, 0);
    let reason = answer(&busy).await;
    assert!(reason.ends_with(" threads run"), "{reason}");
    let idle = MariaDbThreadsRunning::new(&pool, 1_000);
    assert_eq!(answer(&idle).await, "");
}
