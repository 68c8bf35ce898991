//! Constraints that the database checks only at the commit.

use flamingock::{Outcome, Runner, change, changes};
use flamingock_tests::{Backend as _, audit, done, execute, query, with_table};

use super::{Backend, Connection};

#[change(id = "dangles", order = "001", register = false)]
async fn dangles(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('dangles')").await?;
    query(db, "INSERT INTO child VALUES (7)").await.map(drop)
}

#[tokio::test]
async fn refused_commit_is_a_failed_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let tables = "CREATE TABLE parent (id INT PRIMARY KEY);
        CREATE TABLE child (id INT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)";
    execute(&pool, tables).await;
    for attempt in 1..=2 {
        let error = Runner::new(&pool)
            .changes(changes![dangles])
            .run()
            .await
            .unwrap_err();
        let change = error.report().unwrap().changes().next().unwrap();
        assert_eq!(change.outcome, Outcome::RolledBack, "{error}");
        assert!(
            format!("{error:#}").to_lowercase().contains("foreign key"),
            "{error}"
        );
        let rows = audit(&pool).await;
        let expected = [
            format!("dangles {attempt} FAILED shared"),
            format!("dangles {attempt} ROLLED_BACK shared"),
        ];
        assert_eq!(rows[rows.len() - 2..], expected);
        assert_eq!(rows.len(), 2 * attempt);
        assert_eq!(done(&pool).await, Vec::<String>::new());
    }
}
