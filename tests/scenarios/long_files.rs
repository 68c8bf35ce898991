//! Files that are too long for one message of the database, or for one text of its driver.

use flamingock::Runner;
use flamingock_tests::{Backend as _, audit, count, folder, with_table};

use super::Backend;

/// The number of statements, each on its own line. A few hundred of them are sent to SQLite in
/// pieces, and twenty thousand to MariaDB.
fn long(statements: usize) -> String {
    let line = "INSERT INTO done VALUES ('it''s; a row of more than sixty letters, for the sake of length');\n";
    line.repeat(statements)
}

#[tokio::test]
async fn long_file_is_applied_whole() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let text = format!("-- many; rows\n{}", long(20_000));
    let files = folder(&[("0001__many.sql", &text)]);
    let runner = || Runner::new(&pool).files(files);
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
    assert!(runner().run().await.unwrap().is_up_to_date());
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 20_000);
    assert_eq!(audit(&pool).await, ["many 1 APPLIED shared"]);
}

#[tokio::test]
async fn long_file_that_fails_at_its_end_is_rolled_back_and_names_the_line() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let text = format!("-- many; rows\n{}SELECT * FROM nowhere;\n", long(20_000));
    let files = folder(&[("0001__many.sql", &text)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("0001__many.sql:20002: `SELECT * FROM nowhere` failed"),
        "{error}"
    );
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 0);
    assert_eq!(
        audit(&pool).await,
        ["many 1 FAILED shared", "many 1 ROLLED_BACK shared"]
    );
}
