//! The cost of a run with nothing to do: one statement, and no right except to read.

use flamingock::{ErrorKind, Runner, change, changes};
use flamingock_tests::{Backend as _, Proxy, audit, query, strings, until_idle, with_table};

use super::{Backend, Connection, Db, Reader};

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(id = "two", order = "002", register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[tokio::test]
async fn run_with_nothing_to_do_is_one_statement_whatever_ran_last() {
    let database = Backend::fresh().await;
    let direct = with_table(&database, 1).await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool = proxy.pool::<Db>(&database.url, 1).await;
    Runner::new(&pool)
        .changes(changes![one, two])
        .run()
        .await
        .unwrap();
    let token = strings(&direct, "SELECT fencing_token FROM flamingock_lock").await;
    // First with the stored digest, then with another one, for which the entries are read.
    let if_different = match <Backend as flamingock_tests::Backend>::NAME {
        "PostgreSQL" => 2,
        _ => 1,
    };
    for (changes, expected) in [(&changes![one, two][..], 1), (&changes![one], if_different)] {
        until_idle(&pool).await;
        proxy.forget();
        let report = Runner::new(&pool)
            .changes(changes.iter().copied())
            .run()
            .await
            .unwrap();
        assert!(report.is_up_to_date());
        let sent = proxy.sent();
        let statements: Vec<_> = sent
            .iter()
            .filter(|text| text.contains("flamingock"))
            .collect();
        assert_eq!(statements.len(), expected, "{sent:#?}");
        assert!(
            sent[0].contains("flamingock"),
            "nothing comes before it: {sent:#?}"
        );
        for word in ["INSERT", "UPDATE", "CREATE", "BEGIN", "FOR SHARE"] {
            assert_eq!(proxy.count(word), 0, "{word}: {sent:#?}");
        }
    }
    assert_eq!(audit(&direct).await.len(), 2);
    assert_eq!(
        strings(&direct, "SELECT fencing_token FROM flamingock_lock").await,
        token
    );
}

#[tokio::test]
async fn read_only_role_can_run_up_to_date_changes() {
    let database = Backend::fresh().await;
    let owner = with_table(&database, 1).await;
    let reader = Reader::new(&database, &owner).await;
    // No table exists yet, and none can be created.
    let error = Runner::new(&reader.pool)
        .changes(changes![one])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error}");

    Runner::new(&owner)
        .changes(changes![one])
        .run()
        .await
        .unwrap();
    reader.may_read(&owner).await;
    assert!(
        Runner::new(&reader.pool)
            .changes(changes![one])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
    let error = Runner::new(&reader.pool)
        .changes(changes![one, two])
        .run()
        .await
        .unwrap_err();
    let source = error.store_error().expect("it is the store's");
    assert_eq!(
        source.kind,
        flamingock::audit::StoreErrorKind::Denied,
        "{error}"
    );
    assert_eq!(audit(&owner).await.len(), 1);
    Runner::new(&owner)
        .changes(changes![one, two])
        .run()
        .await
        .unwrap();
    // The stored digest belongs to another list.
    assert!(
        Runner::new(&reader.pool)
            .changes(changes![one])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
    reader.leave(&owner).await;
}

#[tokio::test]
async fn shared_change_costs_begin_its_statements_one_entry_and_commit() {
    let mut sent = Vec::new();
    for changes in [&changes![one][..], &changes![one, two]] {
        let database = Backend::fresh().await;
        let direct = with_table(&database, 1).await;
        let proxy = Proxy::in_front_of(&database.url).unwrap();
        let pool = proxy.pool::<Db>(&database.url, 2).await;
        proxy.forget();
        let report = Runner::new(&pool)
            .changes(changes.iter().copied())
            .run()
            .await
            .unwrap();
        assert_eq!(report.counts().newly_applied, changes.len());
        assert_eq!(
            strings(&direct, "SELECT what FROM done").await.len(),
            changes.len()
        );
        let texts = proxy.sent();
        let (opening, statements): (Vec<_>, Vec<_>) = texts
            .iter()
            // The driver's pings are shorter than any statement.
            .filter(|text| text.len() > 10)
            .partition(|text| opens_a_connection(text));
        let logins = opening.iter().filter(|text| !text.contains("SET "));
        sent.push([logins.count(), statements.len()]);
    }
    // Each change has its own connection.
    assert_eq!(sent[1][0] - sent[0][0], 1, "{sent:?}");
    assert_eq!(sent[1][1] - sent[0][1], 4, "{sent:?}");
}

/// The driver's login, and the settings that it sends after a login.
fn opens_a_connection(text: &str) -> bool {
    [
        "extra_float_digits",
        "mysql_native_password",
        "SET sql_mode=(SELECT CONCAT(@@sql_mode",
    ]
    .iter()
    .any(|part| text.contains(part))
}
