//! Routines that commit, in folders of a tool that adds no transaction.

use flamingock::Runner;
use flamingock_tests::{Backend as _, done, folder_of, with_table};

use super::Backend;

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

#[tokio::test]
async fn procedure_that_commits_is_called_outside_a_transaction() {
    let body = "BEGIN INSERT INTO done VALUES ('1'); COMMIT; INSERT INTO done VALUES ('2'); END";
    let create = match NAME {
        "PostgreSQL" => format!("CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ {body} $$;"),
        _ => format!("CREATE PROCEDURE fill() {body};"),
    };
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let files = folder_of(
        "golang-migrate",
        &[("1_a.up.sql", &create), ("2_b.up.sql", "CALL fill();")],
    );
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2"]);
}
