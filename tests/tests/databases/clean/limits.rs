//! Servers that allow few connections.

use flamingock::{Runner, change, changes};
use flamingock_tests::{Backend, Postgres, done, execute, folder, query, with_table};
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

#[change(id = "one", order = "0001", register = false)]
async fn one(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(
    id = "plain",
    order = "0002",
    transaction = false,
    timeout = "5s",
    register = false
)]
async fn plain(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[tokio::test]
async fn role_with_one_connection_applies_several_changes() {
    let database = Postgres::fresh().await;
    let admin = with_table(&database, 1).await;
    let role = format!("one_{:x}", rand::random::<u64>());
    execute(
        &admin,
        &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1"),
    )
    .await;
    execute(&admin, &format!("GRANT CREATE ON SCHEMA public TO {role}")).await;
    execute(&admin, &format!("GRANT ALL ON done TO {role}")).await;
    let (_, place) = database.url.rsplit_once('@').unwrap();
    let pool = PgPoolOptions::new().max_connections(1);
    let url = format!("postgres://{role}:secret@{place}");
    let pool = pool.connect(&url).await.unwrap();
    let insert = "INSERT INTO done VALUES ('file')";
    let files = folder(&[("0003__three.sql", insert), ("0004__four.sql", insert)]);
    let runner = Runner::new(&pool).changes(changes![one, plain]);
    runner.files(files).run().await.unwrap();
    pool.close().await;
    assert_eq!(done(&admin).await, ["file", "file", "one", "plain"]);
    execute(&admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
