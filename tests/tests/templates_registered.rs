//! Templates and the files that name them, as in an application: all of them in the registry.

#![allow(clippy::unwrap_used)]

use flamingock::template;
use flamingock_tests::{Backend as _, Sqlite, done, query, with_table};
use sqlx::SqliteConnection;

flamingock::include_files!("fixtures/folders/declared", static);

#[template("registered-note")]
async fn note(what: String, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, &format!("INSERT INTO done VALUES ('{what}')"))
        .await
        .map(drop)
}

#[tokio::test]
async fn registered_template_is_found_by_the_files_of_a_registered_folder() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 1).await;
    let report = flamingock::run(&pool).await.unwrap();
    let places: Vec<String> = report
        .changes()
        .map(|change| change.location.to_string())
        .collect();
    assert_eq!(
        places,
        [
            "fixtures/folders/declared/0001__first.yaml:2",
            "fixtures/folders/declared/0002__second.toml:1"
        ]
    );
    assert_eq!(done(&pool).await, ["first", "second", "third"]);
    assert!(flamingock::run(&pool).await.unwrap().is_up_to_date());
}
