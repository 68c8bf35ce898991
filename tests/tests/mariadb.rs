//! What only MariaDB and MySQL do: DDL commits, and a deadlock ends a transaction that goes on.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flamingock::{Note, Outcome, Runner, change, changes, rollback};
use flamingock_tests::{
    Backend as _, Gate, MariaDb, TestDatabase, audit, count, done, execute, query, script, strings,
    until, with_table,
};
use sqlx::pool::PoolOptions;
use sqlx::{Connection as _, MySqlConnection, MySqlPool};

/// Every entry, witnesses included.
async fn entries(pool: &MySqlPool) -> Vec<String> {
    strings(
        pool,
        "SELECT state, transaction_mode FROM flamingock_audit ORDER BY seq",
    )
    .await
}

async fn fresh() -> (TestDatabase<MariaDb>, MySqlPool) {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 1).await;
    (database, pool)
}

/// The one connection of the pool is as the application expects it.
async fn assert_as_new(pool: &MySqlPool) {
    let state = strings(pool, "SELECT @@autocommit, @@in_transaction").await;
    assert_eq!(state, ["1|0"]);
}

#[change(id = "ddl", order = "001", detached)]
async fn ddl(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "INSERT INTO done VALUES ('after')")
        .await
        .map(drop)
}

#[tokio::test]
async fn a_change_with_ddl_counts_as_one_without_transaction() {
    let (_database, pool) = fresh().await;
    let report = Runner::new(&pool)
        .changes(changes![ddl])
        .run()
        .await
        .unwrap();
    assert_eq!(
        report.changes().next().unwrap().notes,
        [Note::CommittedMidway]
    );
    assert_eq!(entries(&pool).await, ["STARTED|shared", "APPLIED|none"]);
    assert_eq!(done(&pool).await, ["after", "before"]);
    assert_as_new(&pool).await;
    assert!(
        Runner::new(&pool)
            .changes(changes![ddl])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
}

#[change(id = "temporary", order = "001", detached)]
async fn temporary(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "CREATE TEMPORARY TABLE scratch (n INT)").await?;
    query(db, "INSERT INTO scratch VALUES (1)").await?;
    query(db, "DROP TEMPORARY TABLE scratch").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[tokio::test]
async fn a_temporary_table_keeps_the_transaction() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![temporary])
        .run()
        .await
        .unwrap_err();
    assert_eq!(
        entries(&pool).await,
        ["FAILED|shared", "ROLLED_BACK|shared"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[change(id = "fails-after-ddl", order = "001", detached)]
async fn fails_after_ddl(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "INSERT INTO done VALUES ('after')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(fails_after_ddl)]
async fn drop_made(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE made").await.map(drop)
}

#[tokio::test]
async fn a_failure_after_ddl_is_rolled_back_by_the_rollback() {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool)
        .changes(changes![fails_after_ddl])
        .run()
        .await
        .unwrap_err();
    let report = error.report().unwrap();
    assert_eq!(
        report.changes().next().unwrap().outcome,
        Outcome::RolledBack,
        "{error}"
    );
    assert_eq!(
        entries(&pool).await,
        ["STARTED|shared", "FAILED|none", "ROLLED_BACK|none"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let made = "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'made'";
    assert_eq!(count(&pool, made).await, 0);
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_marker").await,
        0
    );
    assert_as_new(&pool).await;
}

#[change(id = "ddl-fails", order = "001", detached)]
async fn ddl_fails(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "CREATE TABLE done (n INT)").await.map(drop)
}

#[rollback(ddl_fails)]
async fn remove_before(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'before'")
        .await
        .map(drop)
}

#[tokio::test]
async fn ddl_that_fails_has_committed_all_the_same() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![ddl_fails])
        .run()
        .await
        .unwrap_err();
    assert_eq!(
        entries(&pool).await,
        ["STARTED|shared", "FAILED|none", "ROLLED_BACK|shared"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[change(id = "deadlocks", order = "001", detached)]
async fn deadlocks(
    db: &mut MySqlConnection,
    gate: &Gate,
    swallow: &bool,
) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "UPDATE pair SET v = 1 WHERE id = 2").await?;
    gate.pass().await;
    match query(db, "UPDATE pair SET v = 1 WHERE id = 1").await {
        Err(error) if !*swallow => return Err(error),
        Err(error) => assert!(error.to_string().contains("1213"), "{error}"),
        Ok(_) => {}
    }
    query(db, "INSERT INTO done VALUES ('after')")
        .await
        .map(drop)
}

/// Runs the change against another transaction, which weighs more, so that the change is the victim.
async fn run_into_a_deadlock(
    database: &TestDatabase<MariaDb>,
    pool: &MySqlPool,
    swallow: bool,
) -> Result<flamingock::Report, flamingock::Error> {
    let setup = "CREATE TABLE pair (id INT PRIMARY KEY, v INT); INSERT INTO pair VALUES (1, 0), (2, 0);
        CREATE TABLE weight (n INT); INSERT INTO weight VALUES (1), (2), (3), (4), (5), (6), (7), (8)";
    execute(pool, setup).await;
    let others = database.pool(2).await;
    let mut other = others.acquire().await.unwrap();
    query(
        &mut *other,
        "BEGIN; UPDATE weight SET n = n + 1; UPDATE pair SET v = 2 WHERE id = 1",
    )
    .await
    .unwrap();
    let gate = Gate::default();
    let runner = Runner::new(pool)
        .changes(changes![deadlocks])
        .provide(gate.clone())
        .provide(swallow);
    let run = tokio::spawn(runner.run());
    gate.reached().await;
    let blocked = tokio::spawn(async move {
        query(&mut *other, "UPDATE pair SET v = 2 WHERE id = 2")
            .await
            .unwrap();
        query(&mut *other, "COMMIT").await.unwrap();
    });
    // The tables about InnoDB's transactions are a copy that frequent readers keep old.
    let waits = "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE()
        AND info = 'UPDATE pair SET v = 2 WHERE id = 2' AND time_ms > 200";
    until("the other one waits for the row", async || {
        count(&others, waits).await > 0
    })
    .await;
    gate.open();
    let result = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .unwrap()
        .unwrap();
    blocked.await.unwrap();
    result
}

#[tokio::test]
async fn a_change_that_swallows_a_deadlock_is_never_applied() {
    let (database, pool) = fresh().await;
    let error = run_into_a_deadlock(&database, &pool, true)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the database rolled the transaction back"),
        "{error}"
    );
    assert_eq!(
        entries(&pool).await,
        ["FAILED|shared", "ROLLED_BACK|shared"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[tokio::test]
async fn a_deadlock_is_tried_again_and_recorded_once() {
    let (database, pool) = fresh().await;
    let report = run_into_a_deadlock(&database, &pool, false).await.unwrap();
    assert_eq!(
        report.changes().next().unwrap().notes,
        [Note::Retried { times: 1 }]
    );
    assert_eq!(entries(&pool).await, ["STARTED|shared", "APPLIED|shared"]);
    assert_eq!(done(&pool).await, ["after", "before"]);
    assert_as_new(&pool).await;
}

#[change(id = "moves", order = "001", detached)]
async fn moves(db: &mut MySqlConnection, calls: &AtomicUsize) -> Result<(), sqlx::Error> {
    calls.fetch_add(1, Ordering::Relaxed);
    query(
        db,
        "INSERT INTO done VALUES ('moves'); USE information_schema",
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn a_change_that_moves_to_another_database_is_recorded_where_it_belongs() {
    let (database, pool) = fresh().await;
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let runner = |pool: &MySqlPool| {
        Runner::new(pool)
            .changes(changes![moves])
            .provide_arc(calls.clone())
    };
    runner(&pool).run().await.unwrap();
    let other = database.pool(1).await;
    assert_eq!(entries(&other).await, ["STARTED|shared", "APPLIED|shared"]);
    assert!(runner(&other).run().await.unwrap().is_up_to_date());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// A pool whose connections are in these modes.
async fn in_mode(database: &TestDatabase<MariaDb>, mode: &'static str) -> MySqlPool {
    let options = PoolOptions::new().max_connections(1);
    let options = options.after_connect(move |connection, _| {
        Box::pin(async move { query(connection, mode).await.map(drop) })
    });
    database.pool_with(options).await
}

/// Another way into the database of the change.
#[derive(Debug)]
struct Aside(MySqlPool);

#[change(id = "robbed", order = "001", detached)]
async fn robbed(db: &mut MySqlConnection, aside: &Aside) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('robbed')").await?;
    execute(
        &aside.0,
        "UPDATE flamingock_lock SET token = token + 1, run_id = 'thief'",
    )
    .await;
    Ok(())
}

/// Where nothing is strict, the server stores 0 for a NULL that it cannot store, if it is let.
#[tokio::test]
async fn a_server_that_is_not_strict_refuses_the_entry_of_a_lost_lease() {
    let (database, other) = fresh().await;
    let pool = in_mode(&database, "SET sql_mode = ''").await;
    let runner = Runner::new(&pool)
        .changes(changes![robbed])
        .provide(Aside(other.clone()));
    let error = runner.run().await.unwrap_err();
    assert!(
        matches!(error, flamingock::Error::LeaseLost { .. }),
        "{error}"
    );
    assert_eq!(entries(&other).await, Vec::<String>::new());
    assert_eq!(done(&other).await, Vec::<String>::new());
}

#[change(id = "it's \"odd\" \\ 🦩", order = "001", detached)]
async fn odd(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('odd')").await.map(drop)
}

#[tokio::test]
async fn quoting_modes_change_no_text() {
    for mode in [
        "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
        "SET sql_mode = ''",
    ] {
        let (database, other) = fresh().await;
        let pool = in_mode(&database, mode).await;
        let runner = || {
            Runner::new(&pool)
                .changes(changes![odd])
                .service("sé'r\\v\"ice")
        };
        runner().run().await.unwrap();
        assert!(runner().run().await.unwrap().is_up_to_date());
        let texts = strings(
            &other,
            "SELECT DISTINCT service, change_id FROM flamingock_audit",
        )
        .await;
        assert_eq!(texts, ["sé'r\\v\"ice|it's \"odd\" \\ 🦩"], "{mode}");
    }
}

#[change(id = "nested-after-ddl", order = "001", detached)]
async fn nested_after_ddl(tx: &mut sqlx::Transaction<'_, sqlx::MySql>) -> Result<(), sqlx::Error> {
    query(&mut **tx, "CREATE TABLE made (n INT)").await?;
    let mut nested = tx.begin().await?;
    query(&mut *nested, "INSERT INTO done VALUES ('nested')").await?;
    nested.commit().await
}

/// There is no transaction any more to nest in, and the driver says so.
#[tokio::test]
async fn a_nested_transaction_after_ddl_is_a_failure_without_transaction() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![nested_after_ddl])
        .run()
        .await
        .unwrap_err();
    assert_eq!(entries(&pool).await, ["STARTED|shared", "FAILED|none"]);
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[change(id = "both-fail", order = "001", detached)]
async fn both_fail(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(both_fail)]
async fn fails_too(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE made").await?;
    query(db, "SELECT * FROM nowhere_else").await.map(drop)
}

#[tokio::test]
async fn a_rollback_that_fails_after_ddl_is_an_issue_and_leaves_no_marker() {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool)
        .changes(changes![both_fail])
        .run()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nowhere_else"), "{error}");
    assert_eq!(
        entries(&pool).await,
        ["STARTED|shared", "FAILED|none", "ROLLBACK_FAILED|none"]
    );
    let error = Runner::new(&pool)
        .changes(changes![both_fail])
        .run()
        .await
        .unwrap_err();
    assert!(matches!(error, flamingock::Error::Issues(_)), "{error}");
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_marker").await,
        0
    );
}

#[change(id = "waits", order = "001", lock_timeout = "1s", detached)]
async fn waits(db: &mut MySqlConnection, calls: &AtomicUsize) -> Result<(), sqlx::Error> {
    calls.fetch_add(1, Ordering::Relaxed);
    query(db, "DELETE FROM done").await.map(drop)
}

#[tokio::test]
async fn a_lock_that_is_not_obtained_in_the_time_given_for_it_is_asked_for_three_times_more() {
    let (database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('held')").await;
    let mut other = database.pool(1).await.acquire().await.unwrap().detach();
    query(&mut other, "BEGIN; DELETE FROM done").await.unwrap();
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let runner = Runner::new(&pool)
        .changes(changes![waits])
        .provide_arc(calls.clone());
    let error = runner.run().await.unwrap_err();
    assert!(error.to_string().contains("Lock wait timeout"), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert_eq!(
        entries(&pool).await,
        ["FAILED|shared", "ROLLED_BACK|shared"]
    );
}

#[change(id = "sleeps", order = "001", statement_timeout = "200ms", detached)]
async fn sleeps(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT SLEEP(60)").await.map(drop)
}

#[tokio::test]
async fn a_statement_that_takes_longer_than_its_limit_fails_the_change_alone() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![sleeps]);
    let error = runner.run().await.unwrap_err();
    assert!(error.to_string().contains("max_statement_time"), "{error}");
    let limit = "SELECT CAST(@@SESSION.max_statement_time AS CHAR)";
    assert_eq!(strings(&pool, limit).await, ["0.000000"]);
}

#[tokio::test]
async fn a_file_of_more_than_the_server_takes_leaves_nothing() {
    let (_database, pool) = fresh().await;
    // Its default is 16 MiB.
    let long = "x".repeat(17 << 20);
    let text = format!("INSERT INTO done VALUES ('1');\nSELECT '{long}';");
    let error = Runner::new(&pool)
        .files(script(&text))
        .run()
        .await
        .unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap().clone();
    assert_eq!(change.outcome, Outcome::RolledBack, "{error}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    // It says so, or it hangs up: then the attempt is on record.
    let entries = audit(&pool).await;
    let failed = ["script 1 FAILED shared", "script 1 ROLLED_BACK shared"];
    assert!(entries.is_empty() || entries == failed, "{entries:?}");
}

/// As dumps do.
#[tokio::test]
async fn a_file_that_commits_with_autocommit_off_is_applied() {
    for (end, kept) in [("COMMIT;", vec!["one"]), ("", Vec::new())] {
        let (_database, pool) = fresh().await;
        let text = format!(
            "-- flamingock: transaction=false\nSET autocommit = 0;\nINSERT INTO done VALUES ('one');\n{end}"
        );
        let ended = Runner::new(&pool).files(script(&text)).run().await;
        assert_eq!(ended.is_ok(), !end.is_empty(), "{ended:?}");
        if let Err(error) = ended {
            assert!(
                error.to_string().contains("left a transaction open"),
                "{error}"
            );
        }
        assert_eq!(done(&pool).await, kept);
    }
}

#[change(id = "halves", order = "001", stage = "first", detached)]
async fn halves(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "INSERT INTO nowhere VALUES (1)").await.map(drop)
}

#[rollback(halves)]
async fn drop_half(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE made").await?;
    query(db, "INSERT INTO done VALUES ('dropped')")
        .await
        .map(drop)
}

#[change(id = "breaks", order = "001", stage = "second", detached)]
async fn breaks(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO nowhere VALUES (1)").await.map(drop)
}

#[change(id = "works", order = "001", stage = "third", detached)]
async fn works(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('works')")
        .await
        .map(drop)
}

/// A pool of one connection has none to keep while a failure is recorded.
#[tokio::test]
async fn a_connection_on_which_a_change_failed_serves_the_next_one() {
    for connections in [1, 2] {
        let database = MariaDb::fresh().await;
        let pool = with_table(&database, connections).await;
        let error = Runner::new(&pool)
            .changes(changes![halves, breaks, works])
            .run()
            .await
            .unwrap_err();
        let outcomes: Vec<_> = error
            .report()
            .unwrap()
            .changes()
            .map(|change| change.outcome)
            .collect();
        let expected = [
            Outcome::RolledBack,
            Outcome::RolledBack,
            Outcome::NewlyApplied,
        ];
        assert_eq!(outcomes, expected, "{error}");
        assert_eq!(done(&pool).await, ["dropped", "works"]);
    }
}
