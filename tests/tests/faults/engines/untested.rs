//! Servers on which the guarantees are not proved, or which accept no writes.

use std::time::Duration;

use flamingock::audit::StoreErrorKind;
use flamingock::{Error, LockOptions, Runner, TargetSystem, change, changes};
use flamingock_tests::{
    Backend as _, Galera, Hosted as _, MariaDb, Postgres, Proxy, Server, Sqlite, audit, done,
    execute, folder, query, strings, until, with_table,
};
use sqlx::{MySqlConnection, MySqlPool, PgConnection, SqliteConnection};

#[change(id = "shared", order = "001", register = false)]
async fn shared(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('shared')")
        .await
        .map(drop)
}

#[change(id = "plain", order = "002", transaction = false, register = false)]
async fn plain(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[change(id = "separate", order = "001", target = "orders", register = false)]
async fn separate(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('separate')")
        .await
        .map(drop)
}

fn briefly(wait: Duration) -> LockOptions {
    LockOptions::default().wait(wait)
}

#[track_caller]
fn refused_as(error: &Error, expected: StoreErrorKind) -> String {
    let source = error.store_error().expect("it is the store's");
    assert_eq!(source.kind, expected, "{error:?}");
    format!("{error:?}")
}

async fn tables(pool: &MySqlPool) -> Vec<String> {
    strings(pool, "SHOW TABLES LIKE 'flamingock%'").await
}

#[tokio::test]
async fn galera_is_refused_before_anything_is_written_there() {
    let server = Server::<Galera>::start().await.unwrap();
    let database = server.fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![shared]);
    let untested = |error| {
        let text = refused_as(&error, StoreErrorKind::Untested);
        for word in ["Galera", "wsrep_on", "allow_untested_database"] {
            assert!(text.contains(word), "{text}");
        }
    };
    untested(runner().run().await.unwrap_err());
    untested(
        runner()
            .baseline("shared", "set up by hand")
            .await
            .unwrap_err(),
    );
    assert_eq!(tables(&pool).await, [""; 0]);
    assert_eq!(done(&pool).await, [""; 0]);

    // Only operations that take the lock are refused.
    runner().allow_untested_database().run().await.unwrap();
    assert!(runner().run().await.unwrap().is_up_to_date());
    let error = Runner::new(&pool)
        .changes(changes![shared, plain])
        .run()
        .await;
    untested(error.unwrap_err());
    assert_eq!(done(&pool).await, ["shared"]);
}

#[tokio::test]
async fn galera_target_is_refused_before_its_change_starts() {
    let server = Server::<Galera>::start().await.unwrap();
    let orders = server.fresh().await;
    let orders = with_table(&orders, 2).await;
    let database = Sqlite::fresh().await;
    let pool = database.pool(2).await;
    let runner = || {
        Runner::new(&pool)
            .changes(changes![separate])
            .target(TargetSystem::sqlx("orders", &orders))
    };
    let error = runner().run().await.unwrap_err();
    assert!(format!("{error:?}").contains("Galera"), "{error:?}");
    assert_eq!(audit(&pool).await, [""; 0]);
    assert_eq!(tables(&orders).await, [""; 0]);

    runner().allow_untested_database().run().await.unwrap();
    assert_eq!(done(&orders).await, ["separate"]);
}

#[tokio::test]
async fn entries_on_galera_write_the_lock_row() {
    let server = Server::<Galera>::start().await.unwrap();
    let database = server.fresh().await;
    let direct = with_table(&database, 2).await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool: MySqlPool = proxy.pool(&database.url, 2).await;
    let writes = "`flamingock_lock` SET pipeline_digest = CONCAT";
    let report = Runner::new(&pool)
        .changes(changes![shared, plain])
        .allow_untested_database()
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    // APPLIED of the first change, STARTED and APPLIED of the second.
    assert_eq!(proxy.count(writes), 3, "{:#?}", proxy.sent());
    let entries = [
        "shared 1 APPLIED shared",
        "plain 1 STARTED none",
        "plain 1 APPLIED none",
    ];
    assert_eq!(audit(&direct).await, entries);
    let changes = Runner::new(&pool).changes(changes![shared, plain]);
    assert!(changes.run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn many_files_are_applied_on_galera() {
    let server = Server::<Galera>::start().await.unwrap();
    let database = server.fresh().await;
    let pool = with_table(&database, 2).await;
    let names = (0..20).map(|number| &*format!("{number:04}__file_{number}.sql").leak());
    let texts = (0..20).map(|number| &*format!("INSERT INTO done VALUES ('{number:02}')").leak());
    let files: Vec<(&str, &str)> = names.zip(texts).collect();
    let runner = || {
        let runner = Runner::new(&pool).allow_untested_database();
        runner.files(folder(&files))
    };
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 20);
    let expected: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
    assert_eq!(done(&pool).await, expected);
    assert!(runner().run().await.unwrap().is_up_to_date());
}

/// A takeover on one node, while the owner on the other node has written its entry and is about to
/// commit.
#[tokio::test]
async fn takeover_on_another_galera_node_keeps_a_late_owner_from_committing() {
    let first = Server::<Galera>::start().await.unwrap();
    let second = first.join().await.unwrap();
    let database = first.fresh().await;
    let pool = with_table(&database, 2).await;
    let valve = crate::holding_proxy::HoldingProxy::at(
        "=COMMIT",
        crate::holding_proxy::Where::BeforeServer,
    );
    let slow = valve.url(&database.url).await;
    let slow: MySqlPool = MySqlPool::connect(&slow).await.unwrap();
    let late = Runner::new(&slow)
        .changes(changes![shared])
        .allow_untested_database()
        .lock(briefly(Duration::from_secs(3)).lease(Duration::from_secs(2)));
    let late = tokio::spawn(late.run());
    valve.closed().await;
    let name = database.url.rsplit('/').next().unwrap();
    let other = MySqlPool::connect(&second.url(name)).await.unwrap();
    until("the other node has seen the owner", async || {
        strings(&other, "SELECT fencing_token FROM flamingock_lock").await == ["1"]
    })
    .await;
    // Like a takeover, but at once: the lease of a live owner is renewed.
    execute(
        &other,
        "UPDATE flamingock_lease e JOIN flamingock_lock k ON k.service = e.service \
         SET k.fencing_token = k.fencing_token + 1, k.run_id = 'other', e.run_id = 'other'",
    )
    .await;
    valve.open();
    let ended = late.await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(done(&pool).await, [""; 0]);
    let applied = "SELECT change_id FROM flamingock_audit WHERE state = 'APPLIED'";
    assert_eq!(strings(&other, applied).await, [""; 0]);
}

#[change(id = "sqlite", order = "001", register = false)]
async fn sqlite(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('sqlite')")
        .await
        .map(drop)
}

#[change(id = "postgres", order = "001", register = false)]
async fn postgres(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('postgres')")
        .await
        .map(drop)
}

#[tokio::test]
async fn sqlite_that_only_queries_is_refused_at_once() {
    let database = Sqlite::fresh().await;
    let owner = with_table(&database, 1).await;
    let options = (*owner.connect_options()).clone();
    let options = options.pragma("query_only", "ON");
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let error = Runner::new(&pool)
        .changes(changes![sqlite])
        .run()
        .await
        .unwrap_err();
    let text = refused_as(&error, StoreErrorKind::Other);
    assert!(text.contains("query_only is on"), "{text}");
    assert_eq!(done(&owner).await, [""; 0]);
}

/// A user who can write nevertheless, as the user of an application often can.
#[tokio::test]
async fn mariadb_that_is_read_only_is_refused_when_the_wait_ends() {
    let server = MariaDb::start().await.unwrap();
    let database = server.fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "SET GLOBAL read_only = 1").await;
    let runner = || {
        Runner::new(&pool)
            .changes(changes![shared])
            .lock(briefly(Duration::from_millis(500)))
    };
    let error = runner().run().await.unwrap_err();
    let text = refused_as(&error, StoreErrorKind::ReadOnly);
    assert!(text.contains("`read_only` is on"), "{text}");
    let error = runner()
        .baseline("shared", "set up by hand")
        .await
        .unwrap_err();
    refused_as(&error, StoreErrorKind::ReadOnly);
    assert_eq!(tables(&pool).await, [""; 0]);
    runner().allow_untested_database().run().await.unwrap();
    assert_eq!(done(&pool).await, ["shared"]);
}

#[tokio::test]
async fn postgres_role_whose_sessions_are_read_only_is_refused_at_once() {
    let database = Postgres::fresh().await;
    let owner = with_table(&database, 1).await;
    let name = format!("reads_{:08x}", rand::random::<u32>());
    execute(
        &owner,
        &format!("CREATE ROLE {name} LOGIN SUPERUSER; ALTER ROLE {name} SET default_transaction_read_only = on"),
    )
    .await;
    let options = (*owner.connect_options()).clone().username(&name);
    let pool = sqlx::PgPool::connect_with(options).await.unwrap();
    let error = Runner::new(&pool)
        .changes(changes![postgres])
        .run()
        .await
        .unwrap_err();
    let text = refused_as(&error, StoreErrorKind::Other);
    assert!(text.contains("default_transaction_read_only"), "{text}");
    pool.close().await;
    execute(&owner, &format!("DROP ROLE {name}")).await;
}
