//! Deadlocks, and lock and statement timeouts.

use super::*;

#[change(id = "deadlocks", order = "001", register = false)]
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
        Err(error) => assert!(format!("{error:#}").contains("1213"), "{error}"),
        Ok(_) => {}
    }
    query(db, "INSERT INTO done VALUES ('after')")
        .await
        .map(drop)
}

/// Runs the change against a heavier transaction, so that the change is the victim.
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
    // The tables about InnoDB's transactions are a copy, which frequent reads prevent from being
    // refreshed.
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
async fn change_that_swallows_a_deadlock_is_never_applied() {
    let (database, pool) = fresh().await;
    let error = run_into_a_deadlock(&database, &pool, true)
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("the database rolled the transaction back"),
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
async fn deadlock_is_retried_and_recorded_once() {
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

#[change(id = "waits", order = "001", lock_timeout = "1s", register = false)]
async fn waits(db: &mut MySqlConnection, calls: &AtomicUsize) -> Result<(), sqlx::Error> {
    calls.fetch_add(1, Ordering::Relaxed);
    query(db, "DELETE FROM done").await.map(drop)
}

#[tokio::test]
async fn lock_timeout_is_retried_three_times() {
    let (database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('held')").await;
    let mut other = database.pool(1).await.acquire().await.unwrap().detach();
    query(&mut other, "BEGIN; DELETE FROM done").await.unwrap();
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let runner = Runner::new(&pool)
        .changes(changes![waits])
        .provide_arc(calls.clone());
    let error = runner.run().await.unwrap_err();
    assert!(
        format!("{error:#}").contains("Lock wait timeout"),
        "{error}"
    );
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert_eq!(
        entries(&pool).await,
        ["FAILED|shared", "ROLLED_BACK|shared"]
    );
}

#[change(
    id = "sleeps",
    order = "001",
    statement_timeout = "200ms",
    register = false
)]
async fn sleeps(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT SLEEP(60)").await.map(drop)
}

#[tokio::test]
async fn statement_timeout_fails_only_its_change() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![sleeps]);
    let error = runner.run().await.unwrap_err();
    assert!(
        format!("{error:#}").contains("max_statement_time"),
        "{error}"
    );
    let limit = "SELECT CAST(@@SESSION.max_statement_time AS CHAR)";
    assert_eq!(strings(&pool, limit).await, ["0.000000"]);
}

#[change(
    id = "left",
    order = "001",
    transaction = false,
    stage = "left",
    register = false
)]
async fn left(_db: &mut MySqlConnection) -> Result<(), &'static str> {
    Err("fails")
}

#[rollback(left)]
async fn no_left(db: &mut MySqlConnection, gates: &[Gate; 2]) -> Result<(), sqlx::Error> {
    gates[0].pass().await;
    query(db, "CREATE TABLE no_left (a INT)").await.map(drop)
}

#[change(
    id = "right",
    order = "001",
    transaction = false,
    stage = "right",
    register = false
)]
async fn right(_db: &mut MySqlConnection) -> Result<(), &'static str> {
    Err("fails")
}

#[rollback(right)]
async fn no_right(db: &mut MySqlConnection, gates: &[Gate; 2]) -> Result<(), sqlx::Error> {
    gates[1].pass().await;
    query(db, "CREATE TABLE no_right (a INT)").await.map(drop)
}

/// Only one of the two sessions has the mark of the run. Afterwards none has it, because the next
/// owner of the lock would end it.
#[tokio::test]
async fn rollbacks_side_by_side_leave_no_mark() {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 4).await;
    let gates = [Gate::default(), Gate::default()];
    let runner = Runner::new(&pool)
        .stage(Stage::new("left"))
        .stage(Stage::new("right"))
        .parallel_stages(2)
        .changes(changes![left, right])
        .provide(gates.clone());
    let run = tokio::spawn(runner.run());
    for gate in &gates {
        gate.reached().await;
    }
    let marked = "SELECT count(*) FROM (SELECT DISTINCT run_id FROM flamingock_audit) AS runs
        WHERE IS_USED_LOCK(CONCAT('flamingock ', run_id)) IS NOT NULL";
    assert_eq!(count(&pool, marked).await, 1);
    for gate in &gates {
        gate.open();
    }
    let error = run.await.unwrap().unwrap_err();
    let report = error.report().unwrap();
    assert!(
        report
            .changes()
            .all(|change| change.outcome == Outcome::RolledBack),
        "{report}"
    );
    until("no session has the mark", async || {
        count(&pool, marked).await == 0
    })
    .await;
}
