//! SQLite only: attached files, temporary tables, views with the same name, its own sequence.

use flamingock::{Runner, TableNames, change, changes};
use flamingock_tests::{Backend as _, Sqlite, done, execute, query, with_table};
use sqlx::{SqliteConnection, SqlitePool};

use crate::history::sqlite::places::assert_refused;

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(id = "two", order = "002", transaction = false, register = false)]
async fn two(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

fn runner(pool: &SqlitePool) -> Runner {
    Runner::new(pool).changes(changes![one])
}

#[tokio::test]
async fn tables_in_an_attached_file_are_refused_with_its_name() {
    let database = Sqlite::fresh().await;
    let watch = with_table(&database, 1).await;
    let file = database.folder().unwrap().join("ops.db");
    let attach = format!("ATTACH '{}' AS ops", file.display());
    let pool = database.pool_with_hook(2, &attach).await;
    let own = || runner(&pool).tables(TableNames::default().schema("ops"));
    own().run().await.unwrap();
    assert_refused(|| runner(&pool), &["\"ops\""], "attached").await;
    assert_eq!(done(&watch).await, ["one"]);
    assert!(own().run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn temporary_table_or_view_of_the_same_name_hides_nothing() {
    let database = Sqlite::fresh().await;
    let watch = with_table(&database, 1).await;
    runner(&watch).run().await.unwrap();
    for kind in ["audit", "lock", "lease"] {
        let text = format!(
            "CREATE TEMP VIEW flamingock_{kind} AS SELECT * FROM main.flamingock_{kind} WHERE 0"
        );
        let pool = database.pool_with_hook(2, &text).await;
        assert!(runner(&pool).run().await.unwrap().is_up_to_date(), "{kind}");
        let plan = runner(&pool).plan().await.unwrap();
        assert_eq!(plan.counts().already_applied, 1, "{kind}");
        let other = Runner::new(&pool).changes(changes![one]).service(kind);
        other.independent_service().run().await.unwrap();
        pool.close().await;
    }
}

#[tokio::test]
async fn reset_sequence_does_not_lag() {
    for text in [
        "DELETE FROM sqlite_sequence",
        "UPDATE sqlite_sequence SET seq = 0",
    ] {
        let database = Sqlite::fresh().await;
        let pool = with_table(&database, 2).await;
        runner(&pool).run().await.unwrap();
        execute(&pool, text).await;
        let all = || Runner::new(&pool).changes(changes![one, two]);
        assert_eq!(all().run().await.unwrap().counts().newly_applied, 1);
        assert!(all().run().await.unwrap().is_up_to_date());
        assert_eq!(done(&pool).await, ["one", "two"]);
    }
}
