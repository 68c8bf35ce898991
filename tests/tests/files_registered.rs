//! A folder that is registered, as an application has it: the macro as an item, and `flamingock::run`.

#![allow(clippy::unwrap_used)]

use flamingock_tests::{Backend as _, Sqlite, done, with_table};

flamingock::include_files!(
    "fixtures/folders/own",
    static,
    stage = "schema",
    tags = ["files"]
);

#[tokio::test]
async fn folder_is_registered_along_with_code() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 1).await;
    let report = flamingock::run(&pool).await.unwrap();
    // The options of the macro apply to the files: without the tag they are filtered out.
    assert_eq!(report.counts().filtered, 2);
    let runner = || flamingock::Runner::new(&pool).tags(["files"]);
    let report = runner().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    assert_eq!(report.stages[0].name, "schema");
    assert_eq!(done(&pool).await, ["0001 file", "0003 file"]);
    let manifest = runner().manifest().unwrap();
    assert!(
        manifest.contains("schema 0001 \"create_orders\" target=default transaction v1:"),
        "{manifest}"
    );
}
