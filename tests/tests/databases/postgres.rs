//! PostgreSQL only: behaviour in a change's transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock::report::Note;
use flamingock::{Batch, BoxError, Key, Keyset, Next, Outcome, Runner, change, changes};
use flamingock_tests::{
    Backend as _, Postgres, Proxy, TestDatabase, audit, done, execute, query, strings, until,
    with_table,
};
use sqlx::{PgConnection, PgPool};

async fn fresh() -> (TestDatabase<Postgres>, PgPool) {
    let database = Postgres::fresh().await;
    let pool = with_table(&database, 1).await;
    (database, pool)
}

#[change(id = "loses", order = "001", register = false)]
async fn loses(
    db: &mut PgConnection,
    left: &AtomicUsize,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    query(db, "INSERT INTO done VALUES ('loses')").await?;
    if left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        let raise = "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$";
        query(db, raise).await?;
    }
    Ok(())
}

#[tokio::test]
async fn serialization_failure_is_retried_and_recorded_once() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool)
        .changes(changes![loses])
        .provide(AtomicUsize::new(3));
    let report = runner.run().await.unwrap();
    assert_eq!(
        report.changes().next().unwrap().notes,
        [Note::Retried { times: 3 }]
    );
    assert_eq!(audit(&pool).await, ["loses 1 APPLIED shared"]);
    assert_eq!(done(&pool).await, ["loses"]);
}

#[tokio::test]
async fn repeated_serialization_failure_fails_after_the_third_retry() {
    let (_database, pool) = fresh().await;
    let left = Arc::new(AtomicUsize::new(100));
    let runner = Runner::new(&pool)
        .changes(changes![loses])
        .provide_arc(left.clone());
    let error = runner.run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(
        (change.outcome, &*change.notes),
        (Outcome::RolledBack, &[Note::Retried { times: 3 }][..])
    );
    assert_eq!(left.load(Ordering::Relaxed), 96);
    assert_eq!(
        audit(&pool).await,
        ["loses 1 FAILED shared", "loses 1 ROLLED_BACK shared"]
    );
}

#[change(id = "moves", order = "001", register = false)]
async fn moves(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('moves')").await?;
    query(db, "CREATE SCHEMA elsewhere; SET search_path = elsewhere").await?;
    query(db, "CREATE TABLE flamingock_audit (trap INT)")
        .await
        .map(drop)
}

#[tokio::test]
async fn change_that_sets_the_search_path_is_recorded_in_the_audits_schema() {
    let (database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![moves])
        .run()
        .await
        .unwrap();
    let other = database.pool(1).await;
    assert_eq!(audit(&other).await, ["moves 1 APPLIED shared"]);
    assert!(
        Runner::new(&other)
            .changes(changes![moves])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
}

#[change(id = "other-role", order = "001", register = false)]
async fn other_role(db: &mut PgConnection, role: &String) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('other-role')").await?;
    query(db, &format!("SET ROLE {role}")).await.map(drop)
}

#[tokio::test]
async fn change_that_stays_in_a_role_without_rights_is_rolled_back_and_recorded() {
    let (_database, pool) = fresh().await;
    let role = format!("nobody_{:08x}", rand::random::<u32>());
    execute(&pool, &format!("CREATE ROLE {role}")).await;
    let runner = Runner::new(&pool)
        .changes(changes![other_role])
        .provide(role.clone());
    let error = runner.run().await.unwrap_err();
    execute(&pool, &format!("DROP ROLE {role}")).await;
    assert!(
        format!("{error:#}").contains("permission denied"),
        "{error}"
    );
    assert_eq!(
        audit(&pool).await,
        [
            "other-role 1 FAILED shared",
            "other-role 1 ROLLED_BACK shared"
        ]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
}

#[change(id = "swallows", order = "001", register = false)]
async fn swallows(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('swallows')").await?;
    let _ = query(db, "SELECT * FROM nowhere").await;
    Ok(())
}

#[tokio::test]
async fn swallowed_error_fails_the_change() {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool)
        .changes(changes![swallows])
        .run()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("current transaction is aborted"),
        "{error}"
    );
    assert_eq!(
        audit(&pool).await,
        ["swallows 1 FAILED shared", "swallows 1 ROLLED_BACK shared"]
    );
}

#[change(id = "isolated", order = "001", register = false)]
async fn isolated(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
    query(db, "INSERT INTO done SELECT count(*) FROM flamingock_lease")
        .await
        .map(drop)
}

/// Flamingock's BEGIN must not take the snapshot.
#[tokio::test]
async fn change_can_choose_its_isolation_level() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![isolated])
        .run()
        .await
        .unwrap();
    assert_eq!(audit(&pool).await, ["isolated 1 APPLIED shared"]);
}

#[change(
    id = "waits-for-a-lock",
    order = "001",
    lock_timeout = "100ms",
    register = false
)]
async fn waits_for_a_lock(db: &mut PgConnection, calls: &AtomicUsize) -> Result<(), sqlx::Error> {
    calls.fetch_add(1, Ordering::Relaxed);
    query(db, "LOCK TABLE done").await.map(drop)
}

#[tokio::test]
async fn lock_timeout_is_retried_three_times() {
    let (database, pool) = fresh().await;
    let mut other = database.pool(1).await.acquire().await.unwrap().detach();
    query(&mut other, "BEGIN; LOCK TABLE done").await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let runner = Runner::new(&pool)
        .changes(changes![waits_for_a_lock])
        .provide_arc(calls.clone());
    let error = runner.run().await.unwrap_err();
    assert!(format!("{error:#}").contains("lock timeout"), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[change(
    id = "unique-names",
    order = "001",
    transaction = false,
    register = false
)]
async fn unique_names(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(
        db,
        "CREATE UNIQUE INDEX CONCURRENTLY unique_names ON done (what)",
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn invalid_concurrent_index_is_named_with_its_drop_statement() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let runner = Runner::new(&pool).changes(changes![unique_names]);
    let error = runner.run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("the invalid index unique_names: drop it"),
        "{text}"
    );
    assert!(text.contains("could not create unique index"), "{text}");
}

#[change(
    id = "sleeps-in-a-transaction",
    order = "001",
    statement_timeout = "100ms",
    register = false
)]
async fn sleeps(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT pg_sleep(60)").await.map(drop)
}

#[change(
    id = "sleeps-outside-a-transaction",
    order = "001",
    statement_timeout = "100ms",
    transaction = false,
    register = false
)]
async fn sleeps_outside(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT pg_sleep(60)").await.map(drop)
}

#[tokio::test]
async fn statement_timeout_fails_only_its_change() {
    let (_database, pool) = fresh().await;
    for change in [changes![sleeps], changes![sleeps_outside]] {
        let error = Runner::new(&pool).changes(change).run().await.unwrap_err();
        assert!(
            format!("{error:#}").contains("statement timeout"),
            "{error}"
        );
    }
    let limit = "SELECT current_setting('statement_timeout')";
    assert_eq!(strings(&pool, limit).await, ["0"]);
}

#[change(id = "like-a-dump", order = "001", register = false)]
async fn like_a_dump(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT set_config('search_path', '', false)").await?;
    query(db, "SET statement_timeout = 1234").await.map(drop)
}

#[tokio::test]
async fn session_settings_of_a_change_do_not_reach_the_application() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![like_a_dump]);
    assert!(runner.run().await.unwrap().is_success());
    let settings = "SELECT current_setting('statement_timeout'), current_schema()";
    assert_eq!(strings(&pool, settings).await, ["0|public"]);
}

#[tokio::test]
async fn second_run_waits_while_the_first_creates_the_tables() {
    let (database, pool) = fresh().await;
    // Like the first run, in the transaction that creates them.
    let mut first = pool.begin().await.unwrap();
    query(&mut *first, "SELECT pg_advisory_xact_lock(5208117391)")
        .await
        .unwrap();
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let own = proxy.pool::<sqlx::Postgres>(&database.url, 1).await;
    let second = Runner::new(&own).changes(changes![loses]);
    let second = tokio::spawn(second.provide(AtomicUsize::new(0)).run());
    until("a second look", async || {
        proxy.count("pg_try_advisory_xact_lock") > 1
    })
    .await;
    assert_eq!(proxy.count("CREATE TABLE"), 0, "{:#?}", proxy.sent());
    // The first run has ended without creating any.
    first.rollback().await.unwrap();
    let report = second.await.unwrap().unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert!(proxy.count("CREATE TABLE") > 0);
}

/// An error of the application, like many: it repeats the text of its cause.
#[derive(Debug)]
struct Wrapped(sqlx::Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the copy failed: {}", self.0)
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[change(id = "plainly", order = "001", transaction = false, register = false)]
async fn plainly(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[change(id = "wrapped", order = "001", register = false)]
async fn wrapped(db: &mut PgConnection) -> Result<(), Wrapped> {
    let asked = query(db, "SELECT * FROM nowhere").await;
    asked.map(drop).map_err(Wrapped)
}

/// The line of the server's own source is not a line of the file.
#[tokio::test]
async fn error_omits_the_line_of_the_servers_source() {
    let missing = "relation \"nowhere\" does not exist";
    for changes in [changes![plainly], changes![wrapped]] {
        let (_database, pool) = fresh().await;
        let error = Runner::new(&pool).changes(changes).run().await.unwrap_err();
        assert!(format!("{error:#}").contains(missing), "{error}");
        assert!(!format!("{error:?} {error}").contains("at line"), "{error}");
        let recorded = "SELECT error FROM flamingock_audit WHERE error IS NOT NULL";
        let recorded = strings(&pool, recorded).await;
        assert!(recorded[0].contains("does not exist"), "{recorded:?}");
        assert!(!recorded[0].contains("at line"), "{recorded:?}");
    }
    let (_database, pool) = fresh().await;
    let folder =
        flamingock_tests::folder(&[("0001__a.sql", "SELECT 1;\nSELECT * FROM nowhere;\n")]);
    let error = Runner::new(&pool).files(folder).run().await.unwrap_err();
    assert!(format!("{error:#}").contains(missing), "{error}");
    assert!(!format!("{error:?} {error}").contains("at line"), "{error}");
}

#[tokio::test]
async fn new_enum_value_used_at_once_gets_a_hint() {
    let (_database, pool) = fresh().await;
    execute(
        &pool,
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE moods (mood mood)",
    )
    .await;
    let text = "ALTER TYPE mood ADD VALUE 'happy';\nINSERT INTO moods VALUES ('happy');\n";
    let files = flamingock_tests::folder(&[("0001__a.sql", text)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("use it in a change of its own behind this one"),
        "{text}"
    );
    assert_eq!(
        audit(&pool).await,
        ["a 1 FAILED shared", "a 1 ROLLED_BACK shared"]
    );
}

/// Fails in its second batch, as often as it is told to.
#[change(id = "by-time", order = "001", batch, register = false)]
async fn by_time(
    batch: Batch<Key>,
    db: &mut PgConnection,
    failures: &AtomicUsize,
) -> Result<Next<Key>, BoxError> {
    let fails = || {
        failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
    };
    if batch.cursor().is_some() && fails().is_ok() {
        return Err("the second batch fails".into());
    }
    let items = Keyset::table("items").key("at");
    Ok(items
        .execute(
            "UPDATE items SET times = times + 1 WHERE {range}",
            &batch,
            db,
        )
        .await?)
}

/// The cursor of a time is written by one session and read by another one.
#[tokio::test]
async fn cursor_of_a_time_means_the_same_in_a_session_with_another_date_style() {
    let (database, pool) = fresh().await;
    let items = "CREATE TABLE items (at timestamptz PRIMARY KEY, times int NOT NULL);
        INSERT INTO items SELECT '2026-01-01'::timestamptz + n * interval '7 hours', 0
          FROM generate_series(1, 1200) AS n";
    execute(&pool, items).await;
    let failures = Arc::new(AtomicUsize::new(1));
    for settings in [
        "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'",
        "SET DateStyle = 'SQL, MDY'; SET TimeZone = 'America/New_York'",
    ] {
        let options = sqlx::postgres::PgPoolOptions::new().max_connections(2);
        let options = options.after_connect(move |connection, _| {
            Box::pin(async move { query(connection, settings).await.map(drop) })
        });
        let pool = options.connect(&database.url).await.unwrap();
        let runner = Runner::new(&pool)
            .changes(changes![by_time])
            .provide_arc(Arc::clone(&failures));
        let ended = runner.run().await;
        assert_eq!(ended.is_ok(), settings.contains("MDY"), "{ended:?}");
    }
    let times = "SELECT times, count(*) FROM items GROUP BY times ORDER BY times";
    assert_eq!(strings(&pool, times).await, ["1|1200"]);
}
