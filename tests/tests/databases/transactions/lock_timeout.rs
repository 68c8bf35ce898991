//! PostgreSQL: a change does not wait for a lock forever, and its error names the session that it
//! waited for.

use std::time::{Duration, Instant};

use flamingock::{ErrorKind, Runner, Stage, TargetSystem, UndoTarget, change, changes, rollback};
use flamingock_tests::{
    Backend as _, Postgres, TestDatabase, audit, done, execute, folder, query, script, strings,
    with_table,
};
use sqlx::{PgConnection, PgPool};

const NOTE: &str = "INSERT INTO done VALUES (current_setting('lock_timeout'))";

#[change(id = "notes", order = "001", register = false)]
async fn notes(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, NOTE).await.map(drop)
}

#[rollback(notes)]
async fn notes_again(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, NOTE).await.map(drop)
}

#[change(id = "own", order = "001", lock_timeout = "7s", register = false)]
async fn own(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, NOTE).await.map(drop)
}

#[change(id = "there", order = "001", target = "other", register = false)]
async fn there(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, NOTE).await.map(drop)
}

#[change(id = "plain", order = "001", transaction = false, register = false)]
async fn plain(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, NOTE).await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(plain)]
async fn not_plain(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, NOTE).await.map(drop)
}

async fn fresh() -> (TestDatabase<Postgres>, PgPool) {
    let database = Postgres::fresh().await;
    let pool = with_table(&database, 2).await;
    (database, pool)
}

#[tokio::test]
async fn shared_change_waits_five_seconds_for_a_lock() {
    let (_database, pool) = fresh().await;
    let runner = || Runner::new(&pool).changes(changes![notes]);
    runner().run().await.unwrap();
    runner().undo(UndoTarget::Last).await.unwrap();
    assert_eq!(done(&pool).await, ["5s", "5s"]);

    let (_database, pool) = fresh().await;
    let file = script(&format!("{NOTE};\n"));
    Runner::new(&pool).files(file).run().await.unwrap();
    assert_eq!(done(&pool).await, ["5s"]);

    let (_database, pool) = fresh().await;
    let text = format!("{NOTE};\n");
    let files = folder(&[("0002__a.sql", &*text), ("0003__b.sql", &*text)]);
    Runner::new(&pool)
        .changes(changes![notes])
        .files(files)
        .stage(Stage::new("default").atomic())
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["5s", "5s", "5s"]);
}

#[tokio::test]
async fn change_at_another_target_waits_five_seconds_for_a_lock() {
    let (_audited, pool) = fresh().await;
    let (_database, other) = fresh().await;
    let text = format!("-- flamingock: target=other\n{NOTE};\n");
    Runner::new(&pool)
        .target(TargetSystem::sqlx("other", &other))
        .changes(changes![there])
        .files(folder(&[("0002__a.sql", &*text)]))
        .run()
        .await
        .unwrap();
    assert_eq!(done(&other).await, ["5s", "5s"]);

    let strict = _database
        .pool_with_hook(2, "SET lock_timeout = '70ms'")
        .await;
    execute(&other, "DELETE FROM done").await;
    let (_audited, pool) = fresh().await;
    Runner::new(&pool)
        .target(TargetSystem::sqlx("other", &strict))
        .changes(changes![there])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&other).await, ["70ms"]);
}

#[tokio::test]
async fn change_without_transaction_keeps_the_lock_timeout_of_its_session() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![plain]);
    runner.run().await.unwrap_err();
    // The rollback has a transaction.
    assert_eq!(done(&pool).await, ["0", "5s"]);
}

#[tokio::test]
async fn only_a_stricter_setting_of_the_session_applies() {
    for (setting, expected) in [
        ("SET lock_timeout = '100ms'", "100ms"),
        ("SET lock_timeout = '4s'", "4s"),
        ("SET lock_timeout = '2min'", "5s"),
        ("SET lock_timeout = '1h'", "5s"),
        ("SET lock_timeout = 0", "5s"),
    ] {
        let (database, _pool) = fresh().await;
        let pool = database.pool_with_hook(2, setting).await;
        Runner::new(&pool)
            .changes(changes![notes])
            .run()
            .await
            .unwrap();
        assert_eq!(done(&pool).await, [expected], "{setting}");
    }
}

#[tokio::test]
async fn lock_timeout_of_a_change_overrides_the_runners_and_the_default() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![own])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["7s"]);

    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![own]).lock_timeout(None);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["7s"]);

    for (limit, expected) in [
        (None, "0"),
        (Some(Duration::from_millis(1500)), "1500ms"),
        (Some(Duration::from_secs(90)), "90s"),
    ] {
        let (_database, pool) = fresh().await;
        let runner = Runner::new(&pool).changes(changes![notes]);
        runner.lock_timeout(limit).run().await.unwrap();
        assert_eq!(done(&pool).await, [expected]);
    }
}

#[change(id = "isolated", order = "001", register = false)]
async fn isolated(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
    query(
        db,
        "INSERT INTO done VALUES (current_setting('transaction_isolation'))",
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn change_with_a_lock_timeout_can_choose_its_isolation_level() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![isolated])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["serializable"]);
}

#[change(id = "alters", order = "001", lock_timeout = "300ms", register = false)]
async fn alters(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "ALTER TABLE done ADD COLUMN more INT")
        .await
        .map(drop)
}

#[tokio::test]
async fn lock_timeout_names_the_blocking_session() {
    for is_file in [false, true] {
        let (database, pool) = fresh().await;
        let blocking = database
            .pool_with_hook(2, "SET application_name = 'the shop'")
            .await;
        let mut holds = blocking.begin().await.unwrap();
        query(&mut *holds, "SELECT 'reads the table' FROM done")
            .await
            .unwrap();
        let pid = query(&mut *holds, "SELECT pg_backend_pid(), count(*) FROM done")
            .await
            .unwrap()
            .remove(0);
        let pid = pid.split('|').next().unwrap().to_owned();
        let file =
            script("-- flamingock: lock_timeout=300ms\nALTER TABLE done ADD COLUMN more INT;\n");
        let runner = Runner::new(&pool);
        let runner = if is_file {
            runner.files(file)
        } else {
            runner.changes(changes![alters])
        };
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        for said in [&*format!("session {pid}"), "the shop", "count(*) FROM done"] {
            assert!(format!("{error:#}").contains(said), "{said}: {error}");
        }
        let recorded = strings(
            &pool,
            "SELECT error FROM flamingock_audit WHERE state = 'FAILED'",
        );
        assert!(recorded.await[0].contains("the shop"));
        assert_eq!(audit(&pool).await.len(), 2);
        holds.rollback().await.unwrap();
        let again = if is_file {
            Runner::new(&pool).files(file)
        } else {
            Runner::new(&pool).changes(changes![alters])
        };
        again.run().await.unwrap();
    }
}

#[change(id = "waits", order = "001", register = false)]
async fn waits(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "ALTER TABLE done ADD COLUMN more INT")
        .await
        .map(drop)
}

/// A reader of the table waits behind the change, but not for long.
#[tokio::test]
async fn change_that_waits_for_a_table_does_not_block_the_application() {
    let (database, pool) = fresh().await;
    let application = database.pool(2).await;
    let mut holds = application.begin().await.unwrap();
    query(&mut *holds, "SELECT * FROM done").await.unwrap();
    let run = tokio::spawn(
        Runner::new(&pool)
            .changes(changes![waits])
            .lock_timeout(Duration::from_millis(500))
            .run(),
    );
    let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'";
    flamingock_tests::until("the change waits", async || {
        !strings(&application, waiting).await.is_empty()
    })
    .await;
    let began = Instant::now();
    strings(&application, "SELECT * FROM done").await;
    assert!(began.elapsed() < Duration::from_secs(3));
    holds.rollback().await.unwrap();
    run.await.unwrap().unwrap();
}
