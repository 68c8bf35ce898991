//! Several services in one database, and tables with configured names.

use flamingock::{ErrorKind, Runner, TableNames, change, changes};
use flamingock_tests::{Backend as _, audit, count, done, query, strings, try_execute, with_table};

use super::{Backend, Connection};

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(id = "two", order = "002", register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[tokio::test]
async fn each_service_has_its_own_history_and_lock() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for service in ["orders", "billing", "Orders"] {
        let runner = || Runner::new(&pool).service(service).changes(changes![one]);
        assert_eq!(
            runner().run().await.unwrap().counts().newly_applied,
            1,
            "{service}"
        );
        assert!(runner().run().await.unwrap().is_up_to_date(), "{service}");
    }
    assert_eq!(done(&pool).await, ["one", "one", "one"]);
    let services = "SELECT DISTINCT service, fencing_token FROM flamingock_audit ORDER BY service";
    assert_eq!(
        strings(&pool, services).await,
        ["Orders|1", "billing|1", "orders|1"]
    );
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_lock").await,
        3
    );
}

#[tokio::test]
async fn service_that_is_named_later_is_refused_until_it_adopts_the_history() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    Runner::new(&pool)
        .changes(changes![one])
        .run()
        .await
        .unwrap();
    let named = || {
        Runner::new(&pool)
            .service("orders")
            .changes(changes![one, two])
    };
    let error = named().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let text = format!("{error:#}");
    assert!(text.contains("has applied 1 of these changes"), "{text}");
    assert!(text.contains("adopt_from_service(\"default\")"), "{text}");
    assert!(text.contains("`adopt --from-service default`"), "{text}");
    assert!(text.contains(".independent_service()"), "{text}");
    assert_eq!(audit(&pool).await.len(), 1);

    assert_eq!(
        named()
            .independent_service()
            .run()
            .await
            .unwrap()
            .counts()
            .newly_applied,
        2
    );
    // The service has a history now.
    assert!(named().run().await.unwrap().is_up_to_date());
    // Other changes were never applied.
    let other = Runner::new(&pool).service("billing").changes(changes![two]);
    assert_eq!(other.run().await.unwrap().counts().newly_applied, 1);
}

#[tokio::test]
async fn tables_are_created_in_the_configured_schema() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let name = <Backend as flamingock_tests::Backend>::NAME;
    let schema = match name {
        "SQLite" => None,
        // MariaDB's schemas are databases, and the tests' server may only drop those with its
        // prefix.
        "MariaDB" => Some(format!("{}_ops", database.url.rsplit('/').next().unwrap())),
        _ => Some("ops".to_owned()),
    };
    if let (Some(schema), "MariaDB") = (&schema, name) {
        flamingock_tests::execute(&pool, &format!("CREATE DATABASE {schema}")).await;
    }
    let tables = || {
        let mut tables = TableNames::default().prefix("coc_");
        tables.schema.clone_from(&schema);
        tables
    };
    let runner = |changes: Vec<_>| Runner::new(&pool).tables(tables()).changes(changes);
    let [first, second] = changes![one, two];
    assert_eq!(
        runner(vec![first])
            .run()
            .await
            .unwrap()
            .counts()
            .newly_applied,
        1
    );
    assert!(runner(vec![first]).run().await.unwrap().is_up_to_date());
    // With another list than the last one, the entries themselves are read.
    let report = runner(vec![first, second]).run().await.unwrap();
    assert_eq!(
        (
            report.counts().already_applied,
            report.counts().newly_applied
        ),
        (1, 1)
    );
    let place = schema
        .as_ref()
        .map_or(String::new(), |schema| format!("{schema}."));
    assert_eq!(
        count(
            &pool,
            &format!("SELECT count(*) FROM {place}coc_audit WHERE state = 'APPLIED'")
        )
        .await,
        2
    );
    assert!(
        try_execute(&pool, "SELECT 1 FROM flamingock_audit")
            .await
            .is_err()
    );
    if let (Some(schema), "MariaDB") = (&schema, name) {
        flamingock_tests::execute(&pool, &format!("DROP DATABASE {schema}")).await;
    }
}

#[tokio::test]
async fn name_that_is_not_an_identifier_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    let tables = TableNames::default().prefix("x; DROP");
    let error = Runner::new(&pool)
        .tables(tables)
        .changes(changes![one])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(
        format!("{error:#}").contains("`x; DROP` is not a plain name"),
        "{error}"
    );
}

#[tokio::test]
async fn without_the_right_to_create_tables_the_missing_one_is_named() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || {
        Runner::new(&pool)
            .create_tables(false)
            .changes(changes![one])
    };
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    assert!(
        format!("{error:#}").contains("create_tables(false)"),
        "{error}"
    );
    Runner::new(&pool).changes(changes![]).run().await.unwrap();
    runner().run().await.unwrap_err();
    Runner::new(&pool)
        .service("other")
        .changes(changes![two])
        .run()
        .await
        .unwrap();
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
}

#[tokio::test]
async fn services_that_start_together_on_an_empty_database_do_not_conflict() {
    for _ in 0..3 {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let mut runs = Vec::new();
        for service in 0..8 {
            let own = database.pool(1).await;
            let runner = Runner::new(&own).service(format!("service {service}"));
            runs.push(tokio::spawn(runner.changes(changes![one, two]).run()));
        }
        for run in runs {
            assert_eq!(run.await.unwrap().unwrap().counts().newly_applied, 2);
        }
        assert_eq!(done(&pool).await.len(), 16);
        assert_eq!(audit(&pool).await.len(), 16);
    }
}
