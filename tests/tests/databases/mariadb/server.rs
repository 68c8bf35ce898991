//! The effect of the server and its modes on texts.

use super::*;

#[change(id = "moves", order = "001", register = false)]
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
async fn change_that_switches_the_database_is_recorded_in_the_audits_database() {
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

/// Another connection to the database of the change.
#[derive(Debug)]
struct Aside(MySqlPool);

#[change(id = "robbed", order = "001", register = false)]
async fn robbed(db: &mut MySqlConnection, aside: &Aside) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('robbed')").await?;
    execute(
        &aside.0,
        "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief'",
    )
    .await;
    Ok(())
}

/// Without strict mode, the server stores 0 for a NULL that it cannot store, if allowed.
#[tokio::test]
async fn server_that_is_not_strict_refuses_the_entry_of_a_lost_lease() {
    let (database, other) = fresh().await;
    let pool = database.pool_with_hook(1, "SET sql_mode = ''").await;
    let runner = Runner::new(&pool)
        .changes(changes![robbed])
        .provide(Aside(other.clone()));
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), flamingock::ErrorKind::LeaseLost, "{error}");
    assert_eq!(entries(&other).await, Vec::<String>::new());
    assert_eq!(done(&other).await, Vec::<String>::new());
}

#[tokio::test]
async fn file_longer_than_the_servers_limit_leaves_nothing() {
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
    // The server reports the limit, or closes the connection: then the attempt is recorded.
    let entries = audit(&pool).await;
    let failed = ["script 1 FAILED shared", "script 1 ROLLED_BACK shared"];
    assert!(entries.is_empty() || entries == failed, "{entries:?}");
}

/// Like dumps.
#[tokio::test]
async fn file_that_commits_with_autocommit_off_is_applied() {
    for (end, kept) in [("COMMIT;", vec!["one"]), ("", Vec::new())] {
        let (_database, pool) = fresh().await;
        let text = format!(
            "-- flamingock: transaction=false\nSET autocommit = 0;\nINSERT INTO done VALUES ('one');\n{end}"
        );
        let ended = Runner::new(&pool).files(script(&text)).run().await;
        assert_eq!(ended.is_ok(), !end.is_empty(), "{ended:?}");
        if let Err(error) = ended {
            assert!(
                format!("{error:#}").contains("left a transaction open"),
                "{error}"
            );
        }
        assert_eq!(done(&pool).await, kept);
    }
}

#[change(id = "inserted", order = "001")]
async fn inserted(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done SELECT LAST_INSERT_ID()")
        .await
        .map(drop)
}

/// The row that distinguishes a committed transaction from a rolled-back one has its own number.
#[tokio::test]
async fn change_starts_with_last_insert_id_zero() {
    let text = "INSERT INTO done SELECT LAST_INSERT_ID();\n";
    let without = format!("-- flamingock: transaction=false\n{text}");
    let (own, atomic) = (Stage::new("default"), Stage::new("default").atomic());
    for (text, stage) in [(text, own.clone()), (text, atomic), (&*without, own)] {
        let files = folder(&[("0001__a.sql", text), ("0002__b.sql", text)]);
        let (_database, pool) = fresh().await;
        let runner = Runner::new(&pool).files(files).stage(stage);
        runner.run().await.unwrap();
        assert_eq!(done(&pool).await, ["0", "0"], "{text}");
    }
    let (_database, pool) = fresh().await;
    let changes = changes![inserted];
    Runner::new(&pool).changes(changes).run().await.unwrap();
    assert_eq!(done(&pool).await, ["0"]);
}
