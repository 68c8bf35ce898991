//! An owner that comes late: what its statements do once another possession is there.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use flamingock_sqlx_audit::{
    Backend as _, Failure, Ledger, MySql, Names, NewAuditRow, Possession, Postgres, Witness,
};
use flamingock_tests::{Backend as _, MariaDb, count, execute};
use sqlx::{AssertSqlSafe, Executor as _};

const LEASE: Option<Duration> = Some(Duration::from_secs(30));

fn wanted(run_id: &str) -> Possession {
    Possession {
        service: "default".into(),
        lane: "startup".into(),
        token: 0,
        run_id: run_id.into(),
    }
}

/// PostgreSQL looks again only at the row that it updates when it had to wait for it.
#[tokio::test]
async fn a_renewal_that_waited_for_a_takeover_finds_the_lock_gone() {
    let database = flamingock_tests::Postgres::fresh().await;
    let pool = database.pool(3).await;
    let ledger = Ledger::<Postgres>::new(Names::default(), Duration::from_secs(5));
    let mut late = pool.acquire().await.unwrap();
    let mut next = pool.acquire().await.unwrap();
    ledger
        .create(&mut late, "default", "startup")
        .await
        .unwrap();
    let first = ledger
        .acquire(&mut late, &wanted("a"), "a", LEASE, false)
        .await;
    let first = first.unwrap().unwrap();

    next.execute("BEGIN").await.unwrap();
    let taken = ledger
        .acquire(&mut next, &wanted("b"), "b", LEASE, true)
        .await;
    assert!(taken.unwrap().is_some());
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

/// Its DDL would commit the witness, and the witness would be newer than the next owner's entries.
#[tokio::test]
async fn a_witness_of_a_possession_that_is_over_is_refused() {
    let database = MariaDb::fresh().await;
    let pool = database.pool(2).await;
    let ledger = Ledger::<MySql>::new(Names::default(), Duration::from_secs(5));
    let mut connection = pool.acquire().await.unwrap();
    ledger
        .create(&mut connection, "default", "startup")
        .await
        .unwrap();
    let first = ledger
        .acquire(&mut connection, &wanted("a"), "a", LEASE, false)
        .await;
    let first = first.unwrap().unwrap();
    let second = ledger
        .acquire(&mut connection, &wanted("b"), "b", LEASE, true)
        .await;
    let second = second.unwrap().unwrap();

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
