//! The settings of sessions: those that a change leaves, and those that a pool begins with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock::{Batch, BoxError, Key, Keyset, Next, Runner, change, changes};
use flamingock_tests::{audit, done, execute, query, strings};
use sqlx::PgConnection;

use super::fresh;

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

/// Fails in its second batch as often as `failures` says.
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
        let pool = database.pool_with_hook(2, settings).await;
        let runner = Runner::new(&pool)
            .changes(changes![by_time])
            .provide_arc(Arc::clone(&failures));
        let ended = runner.run().await;
        assert_eq!(ended.is_ok(), settings.contains("MDY"), "{ended:?}");
    }
    let times = "SELECT times, count(*) FROM items GROUP BY times ORDER BY times";
    assert_eq!(strings(&pool, times).await, ["1|1200"]);
}
