//! MariaDB only: sessions that switch the database, and a counter that repairs itself.

use flamingock::{Runner, change, changes};
use flamingock_tests::{Backend as _, MariaDb, done, execute, query, strings, with_table};
use sqlx::MySqlConnection;

use crate::history::mariadb::places::assert_refused;

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(id = "two", order = "002", transaction = false, register = false)]
async fn two(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[tokio::test]
async fn session_in_another_database_than_its_url_is_refused() {
    let database = MariaDb::fresh().await;
    let other = MariaDb::fresh().await;
    let watch = with_table(&database, 1).await;
    let first = Runner::new(&watch).changes(changes![one]);
    first.run().await.unwrap();
    let name = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    let (home, moved) = (name(&database.url), name(&other.url));
    let pool = database.pool_with_hook(2, &format!("USE {moved}")).await;
    let runner = || Runner::new(&pool).changes(changes![one]);
    assert_refused(runner, &[home.as_str()], "another database").await;
    assert_eq!(done(&watch).await, ["one"]);
}

#[tokio::test]
async fn reset_counter_does_not_lag() {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 2).await;
    let first = Runner::new(&pool).changes(changes![one]);
    first.run().await.unwrap();
    execute(&pool, "ALTER TABLE flamingock_audit AUTO_INCREMENT = 1").await;
    let all = || Runner::new(&pool).changes(changes![one, two]);
    assert_eq!(all().run().await.unwrap().counts().newly_applied, 1);
    let seqs = strings(&pool, "SELECT seq FROM flamingock_audit ORDER BY seq").await;
    assert!(seqs.len() >= 4, "{seqs:?}");
    assert_eq!(done(&pool).await, ["one", "two"]);
}
