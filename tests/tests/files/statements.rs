//! A script split into statements has the same effect as with its database's own client.
//!
//! The scripts are random, from a grammar of each database with everything that a semicolon can
//! hide in, and the same in every run. `FLAMINGOCK_TEST_SCRIPTS` makes more of them.

mod grammar;
mod mariadb;
mod postgres;
mod sqlite;

use flamingock::__private::DatabaseKind;
use flamingock::__private::statements::{Blocks, split};
use flamingock_tests::{Backend, MariaDb, Postgres, Sqlite, execute, query, strings};
use sqlx::Connection as _;

use flamingock_tests::clients::{Client, WholeText};
use grammar::{Grammar, Script};

/// The table in which every statement of a script leaves a trace.
const LOG: &str =
    "CREATE TABLE log (id INT PRIMARY KEY, note VARCHAR(1000), \"begin\" INT, \"end\" INT)";

fn scripts() -> u64 {
    std::env::var("FLAMINGOCK_TEST_SCRIPTS").map_or(40, |number| number.parse().unwrap())
}

/// The result of a script: its rows, and whether it failed.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    rows: Vec<String>,
    failed: bool,
}

/// Runs random scripts by the client in one database and statement by statement in another.
async fn compare<B: Backend + Client, G: Grammar>(kind: DatabaseKind) {
    let (by_client, by_pieces) = (B::fresh().await, B::fresh().await);
    let (client_pool, pieces_pool) = (by_client.pool(1).await, by_pieces.pool(1).await);
    let log = match kind {
        DatabaseKind::MySql => LOG.replace('"', "`"),
        DatabaseKind::Postgres | DatabaseKind::Sqlite => LOG.to_owned(),
    };
    execute(&client_pool, &log).await;
    execute(&pieces_pool, &log).await;
    let rows = "SELECT id, note FROM log ORDER BY id";
    let (mut statements, mut failures) = (0, 0);
    for seed in 0..scripts() {
        let script = Script::random::<G>(seed).text;
        execute(&client_pool, "DELETE FROM log").await;
        execute(&pieces_pool, "DELETE FROM log").await;

        let ran = B::run(&by_client, &client_pool, &script).await;
        let failed = ran.is_err();
        let expected = Left {
            rows: strings(&client_pool, rows).await,
            failed,
        };

        let pieces = split(kind, &script, Blocks::None)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{script}"));
        let mut connection =
            <<B as Backend>::Db as sqlx::Database>::Connection::connect(&by_pieces.url)
                .await
                .unwrap();
        let mut error = None;
        for piece in &pieces {
            error = query(&mut connection, piece.text).await.err();
            if error.is_some() {
                break;
            }
            statements += 1;
        }
        connection.close().await.unwrap();
        let found = Left {
            rows: strings(&pieces_pool, rows).await,
            failed: error.is_some(),
        };
        // A failure undoes the whole text on a server that makes one transaction of it.
        let comparable = !failed || !B::FAILS_AS_A_WHOLE;
        let same = found.failed == failed && (!comparable || found == expected);
        assert!(
            same,
            "seed {seed}: {found:#?}\n{expected:#?}\nclient: {ran:?}\npieces: {error:?}\n{script}"
        );
        failures += u64::from(failed);
    }
    // A grammar whose scripts all fail would prove nothing.
    assert!(
        failures * 4 < scripts(),
        "{failures} of {} scripts failed",
        scripts()
    );
    assert!(statements > 5 * scripts(), "{statements} statements");
}

#[tokio::test]
async fn pieces_match_psql() {
    compare::<Postgres, postgres::ForPsql>(DatabaseKind::Postgres).await;
}

#[tokio::test]
async fn pieces_match_postgres_with_the_whole_text() {
    compare::<WholeText<Postgres>, postgres::ForServer>(DatabaseKind::Postgres).await;
}

#[tokio::test]
async fn pieces_match_the_mariadb_client() {
    compare::<MariaDb, mariadb::WithDelimiters>(DatabaseKind::MySql).await;
}

/// The client cannot run routines without a `DELIMITER`.
#[tokio::test]
async fn pieces_match_mariadb_with_the_whole_text() {
    compare::<WholeText<MariaDb>, mariadb::WithoutDelimiters>(DatabaseKind::MySql).await;
}

#[tokio::test]
async fn pieces_match_sqlite3() {
    compare::<Sqlite, sqlite::Sqlite>(DatabaseKind::Sqlite).await;
}
