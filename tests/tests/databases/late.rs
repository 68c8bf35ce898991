//! A late owner: the effect of its statements once the lock has another owner.

use std::time::Duration;

use flamingock_sqlx_audit::{
    self as leaf, Backend as _, BatchWrite, Conn, Failure, Ledger, LockGrant, MySql, Names,
    NewAuditRow, Postgres, ProgressOwner, Sqlite, Witness,
};
use flamingock_tests::{Backend as _, MariaDb, count, execute, query, until};
use sqlx::{AssertSqlSafe, Executor as _};

const LEASE: Option<Duration> = Some(Duration::from_secs(30));

fn wanted(run_id: &str) -> LockGrant {
    LockGrant {
        service: "default".into(),
        lane: "startup".into(),
        fencing_token: 0,
        run_id: run_id.into(),
    }
}

/// A ledger whose tables exist.
async fn ledger<B: leaf::Backend>(connection: &mut Conn<B>) -> Ledger<B> {
    let ledger = Ledger::<B>::new(Names::default(), Duration::from_secs(5));
    ledger
        .create(connection, "default", "startup")
        .await
        .unwrap();
    ledger
}

/// The grant of a run that acquires the lock, if necessary from the owner with this token.
async fn acquired<B: leaf::Backend>(
    ledger: &Ledger<B>,
    connection: &mut Conn<B>,
    run_id: &str,
    force: Option<i64>,
) -> LockGrant {
    let wanted = wanted(run_id);
    let taken = ledger.acquire(connection, &wanted, run_id, LEASE, force);
    taken.await.unwrap().unwrap().grant
}

/// PostgreSQL re-reads only the row that it updates when it had to wait for it.
#[tokio::test]
async fn renewal_that_waited_for_a_takeover_finds_the_lock_lost() {
    let database = flamingock_tests::Postgres::fresh().await;
    let pool = database.pool(3).await;
    let mut late = pool.acquire().await.unwrap();
    let mut next = pool.acquire().await.unwrap();
    let ledger = ledger::<Postgres>(&mut late).await;
    let first = acquired(&ledger, &mut late, "a", None).await;

    next.execute("BEGIN").await.unwrap();
    acquired(&ledger, &mut next, "b", Some(1)).await;
    let renewal = async { ledger.renew(&mut late, &first, LEASE, None).await.unwrap() };
    let commit = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while count(&pool, waits).await == 0 {
            tokio::task::yield_now().await;
        }
        next.execute("COMMIT").await.unwrap();
    };
    let (renewed, ()) = tokio::join!(renewal, commit);
    assert!(!renewed, "it believes that the lock is its own");
}

/// Its DDL would commit the fencing check, whose row would be later than the next owner's entries.
#[tokio::test]
async fn fencing_check_refuses_a_previous_owner() {
    let database = MariaDb::fresh().await;
    let pool = database.pool(2).await;
    let mut connection = pool.acquire().await.unwrap();
    let ledger = ledger::<MySql>(&mut connection).await;
    let first = acquired(&ledger, &mut connection, "a", None).await;
    let second = acquired(&ledger, &mut connection, "b", Some(1)).await;

    let row = NewAuditRow {
        attempt: 1,
        change_id: "c".into(),
        ..NewAuditRow::default()
    };
    let late = ledger.begin(&first, &Witness::Row(&row), "aaaa").join("; ");
    let error = connection
        .execute(sqlx::raw_sql(AssertSqlSafe(late)))
        .await
        .unwrap_err();
    assert_eq!(MySql::classify(&error), Failure::Refused, "{error}");
    execute(&pool, "CREATE TABLE meanwhile (n INT)").await;
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_audit").await,
        0
    );

    let own = ledger
        .begin(&second, &Witness::Row(&row), "bbbb")
        .join("; ");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(own)))
        .await
        .unwrap();
    connection.execute("COMMIT").await.unwrap();
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_audit").await,
        1
    );
}

/// The lock names its previous owner, its own run acquires it again, and a forced release ends only
/// one owner.
async fn lock_answers<B: leaf::Backend>(connection: &mut Conn<B>) {
    let ledger = ledger::<B>(connection).await;
    let short = Some(Duration::from_millis(1));
    let mut acquire = async |run_id: &str, lease, force| {
        let taken = ledger
            .acquire(connection, &wanted(run_id), run_id, lease, force)
            .await;
        let taken = taken.unwrap()?;
        assert_eq!(taken.grant.run_id, run_id);
        Some((taken.grant.fencing_token, taken.previous_run))
    };
    let from = |run_id: &str| Some(run_id.to_owned());
    assert_eq!(acquire("a", LEASE, None).await, Some((1, None)));
    assert_eq!(acquire("b", LEASE, None).await, None);
    // The answer may have been lost.
    assert_eq!(acquire("a", LEASE, None).await, Some((1, from("a"))));
    assert_eq!(acquire("b", LEASE, Some(2)).await, None);
    assert_eq!(acquire("b", LEASE, Some(1)).await, Some((2, from("a"))));
    assert_eq!(acquire("b", LEASE, Some(1)).await, Some((2, from("b"))));
    assert_eq!(acquire("a", LEASE, None).await, None);
    // Expired, and not released. A forced release names an owner, even then.
    assert_eq!(acquire("b", short, None).await, Some((2, from("b"))));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(acquire("c", LEASE, Some(1)).await, None);
    assert_eq!(acquire("c", LEASE, None).await, Some((3, from("b"))));
    let grant = LockGrant {
        fencing_token: 3,
        ..wanted("c")
    };
    for _ in 0..2 {
        // As if the answer was lost; and a late renewal has no effect.
        let released = ledger.release(connection, &grant, Some("digest"));
        released.await.unwrap();
        let renewed = ledger.renew(connection, &grant, LEASE, None);
        assert!(!renewed.await.unwrap());
    }
    let mut acquire = async |run_id: &str, force| {
        let taken = ledger
            .acquire(connection, &wanted(run_id), run_id, LEASE, force)
            .await;
        let taken = taken.unwrap()?;
        Some((taken.grant.fencing_token, taken.previous_run))
    };
    assert_eq!(acquire("d", Some(3)).await, None);
    assert_eq!(acquire("d", None).await, Some((4, None)));
    assert_eq!(acquire("e", None).await, None);
    let late = ledger.release(connection, &grant, Some("digest"));
    late.await.unwrap();
    let (wanted, asked) = (wanted("e"), LEASE);
    let taken = ledger.acquire(connection, &wanted, "e", asked, None);
    assert_eq!(taken.await.unwrap(), None);
}

#[tokio::test]
async fn postgres_lock_names_its_previous_owner_and_is_reacquired_by_its_run() {
    let database = flamingock_tests::Postgres::fresh().await;
    let mut connection = database.pool(1).await.acquire().await.unwrap().detach();
    lock_answers::<Postgres>(&mut connection).await;
}

#[tokio::test]
async fn mariadb_lock_names_its_previous_owner_and_is_reacquired_by_its_run() {
    let database = MariaDb::fresh().await;
    let mut connection = database.pool(1).await.acquire().await.unwrap().detach();
    lock_answers::<MySql>(&mut connection).await;
}

#[tokio::test]
async fn sqlite_lock_names_its_previous_owner_and_is_reacquired_by_its_run() {
    let database = flamingock_tests::Sqlite::fresh().await;
    let mut connection = database.pool(1).await.acquire().await.unwrap().detach();
    lock_answers::<Sqlite>(&mut connection).await;
}

/// Two statements that lock the rows in opposite orders deadlock each other.
#[tokio::test]
async fn mariadb_statements_take_the_lock_row_before_the_lease_row() {
    let database = MariaDb::fresh().await;
    let pool = database.pool(4).await;
    let mut connection = pool.acquire().await.unwrap();
    let ledger = ledger::<MySql>(&mut connection).await;
    let owner = acquired(&ledger, &mut connection, "a", None).await;
    let held = async |table: &str| {
        let mut other = pool.acquire().await.unwrap().detach();
        let text = format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE NOWAIT");
        query(&mut other, &text).await.is_err()
    };
    for releases in [false, true] {
        let mut reader = pool.acquire().await.unwrap().detach();
        query(
            &mut reader,
            "BEGIN; SELECT 1 FROM flamingock_lease FOR UPDATE",
        )
        .await
        .unwrap();
        let work = async {
            if releases {
                ledger.release(&mut connection, &owner, None).await.unwrap();
            } else {
                let renewed = ledger.renew(&mut connection, &owner, LEASE, None).await;
                assert!(renewed.unwrap());
            }
        };
        let look = async {
            let waits = "SELECT count(*) FROM information_schema.processlist
                WHERE db = DATABASE() AND info LIKE 'UPDATE%' AND time_ms > 100";
            until("it waits for the lease", async || {
                count(&pool, waits).await == 1
            })
            .await;
            assert!(held("flamingock_lock").await, "releases: {releases}");
            query(&mut reader, "ROLLBACK").await.unwrap();
        };
        tokio::join!(work, look);
    }
}

/// A claim whose answer was late is sent again: the first statement may arrive after batches.
async fn late_claim<B: leaf::Backend>(connection: &mut Conn<B>) {
    let ledger = Ledger::<B>::new(Names::default(), Duration::from_secs(5));
    ledger
        .create(connection, "default", "startup")
        .await
        .unwrap();
    let grant = ledger
        .acquire(connection, &wanted("a"), "a", LEASE, None)
        .await;
    let grant = grant.unwrap().unwrap().grant;
    let owner = ProgressOwner {
        grant: &grant,
        change_id: "fill",
        attempt: 1,
        digest: "v1:ab",
        app_version: None,
        holds_lock: true,
    };
    let batch = BatchWrite {
        number: 0,
        cursor: Some("7"),
        bound: None,
        done_rows: 20,
        total_rows: Some(100),
        size: 20,
        state: "running",
        failed_items: None,
    };
    let claimed = ledger
        .take_progress(connection, &owner, true, "running")
        .await;
    assert_eq!(claimed.unwrap().unwrap().batches, 0);
    assert!(ledger.save_batch(connection, &owner, &batch).await.unwrap());
    let late = ledger
        .take_progress(connection, &owner, true, "running")
        .await;
    let late = late.unwrap().unwrap();
    assert_eq!((late.batches, late.done_rows), (1, 20));
    assert_eq!(
        (late.cursor.as_deref(), late.total_rows),
        (Some("7"), Some(100))
    );

    let next = ledger
        .acquire(connection, &wanted("b"), "b", LEASE, Some(1))
        .await;
    let next = next.unwrap().unwrap().grant;
    let next = ProgressOwner {
        grant: &next,
        ..owner
    };
    let anew = ledger
        .take_progress(connection, &next, true, "running")
        .await;
    let anew = anew.unwrap().unwrap();
    assert_eq!(
        (anew.batches, anew.cursor, anew.total_rows),
        (0, None, None)
    );
    // That of the run before changes nothing.
    let late = ledger
        .take_progress(connection, &owner, true, "running")
        .await;
    assert_eq!(late.unwrap().unwrap().run_id, "b");
}

#[tokio::test]
async fn late_claim_of_progress_resets_nothing() {
    let database = flamingock_tests::Postgres::fresh().await;
    let pool = database.pool(1).await;
    late_claim::<Postgres>(&mut pool.acquire().await.unwrap()).await;
    let database = MariaDb::fresh().await;
    let pool = database.pool(1).await;
    late_claim::<MySql>(&mut pool.acquire().await.unwrap()).await;
    let database = flamingock_tests::Sqlite::fresh().await;
    let pool = database.pool(1).await;
    late_claim::<Sqlite>(&mut pool.acquire().await.unwrap()).await;
}
