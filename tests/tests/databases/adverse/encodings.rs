//! Databases and connections whose encoding is not UTF-8, so that they cannot store every text of
//! Flamingock.

use flamingock::{BoxError, ErrorKind, Runner, change, changes};
use flamingock_tests::sql::once;
use flamingock_tests::{
    Backend, MariaDb, Postgres, TestDatabase, audit, done, execute, query, with_table,
};
use sqlx::{MySqlConnection, MySqlPool, PgConnection, PgPool};

/// Written in 漢字, which no Latin encoding has.
#[change(id = "shared", order = "001", register = false)]
async fn shared(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('shared')")
        .await
        .map(drop)
}

/// The error has characters that the database cannot store.
#[change(id = "plain", order = "001", transaction = false, register = false)]
async fn plain(db: &mut PgConnection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('plain')").await?;
    Err("漢字 are refused".into())
}

/// A database of this encoding, next to the test's own.
async fn encoded(database: &TestDatabase<Postgres>, encoding: &str) -> (String, PgPool) {
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let name = format!("{name}_{encoding}");
    let create = format!(
        "CREATE DATABASE \"{name}\" ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    once::<sqlx::Postgres>(&database.url, &create)
        .await
        .unwrap();
    let pool = PgPool::connect(&format!("{server}/{name}")).await.unwrap();
    execute(&pool, "CREATE TABLE done (what TEXT)").await;
    (name, pool)
}

/// What is not recorded did not happen, or is reported as an issue.
#[tokio::test]
async fn text_that_postgres_cannot_store_is_never_lost_silently() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = Postgres::fresh().await;
        let (name, pool) = encoded(&database, encoding).await;
        let error = Runner::new(&pool).changes(changes![shared]).run().await;
        let error = error.unwrap_err();
        assert!(format!("{error:#}").contains(encoding), "{error}");
        assert_eq!(audit(&pool).await, Vec::<String>::new());
        assert_eq!(done(&pool).await, Vec::<String>::new());
        let error = Runner::new(&pool).changes(changes![plain]).run().await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
        assert_eq!(audit(&pool).await, ["plain 1 STARTED none"]);
        let error = Runner::new(&pool).changes(changes![plain]).run().await;
        assert!(matches!(&error, Err(error) if error.kind() == ErrorKind::Issues));
        pool.close().await;
        once::<sqlx::Postgres>(&database.url, &format!("DROP DATABASE \"{name}\""))
            .await
            .unwrap();
    }
}

#[change(id = "漢字", order = "001", register = false)]
async fn kanji(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('kanji')")
        .await
        .map(drop)
}

#[change(id = "second", order = "002", register = false)]
async fn second(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('second')")
        .await
        .map(drop)
}

/// A connection that receives Latin-1 must not read other ids than were written.
#[tokio::test]
async fn changes_are_recognised_on_a_connection_of_another_character_set() {
    let database = MariaDb::fresh().await;
    let watch = with_table(&database, 1).await;
    execute(&watch, "ALTER DATABASE CHARACTER SET latin1").await;
    let pool = MySqlPool::connect(&format!("{}?charset=latin1", database.url))
        .await
        .unwrap();
    let report = Runner::new(&pool)
        .changes(changes![kanji])
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    let report = Runner::new(&pool)
        .changes(changes![kanji, second])
        .run()
        .await;
    let told = format!("{report:?}");
    assert_eq!(done(&watch).await, ["kanji", "second"], "{told}");
    assert_eq!(
        audit(&watch).await,
        ["漢字 1 APPLIED shared", "second 1 APPLIED shared"]
    );
}
