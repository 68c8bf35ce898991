//! A statement that the database refuses inside a transaction gets a hint in the terms of the
//! file's format.

use flamingock::{Runner, change, changes};
use flamingock_tests::{
    Backend as _, atlas_sum, audit, execute, files::folder_of, query, with_table,
};

use super::{Backend, Connection};

/// The file name of each format, the header before its text, and the format's term for it.
const FORMATS: [(&str, &str, &str, &str); 7] = [
    (
        "own",
        "0001__a.sql",
        "",
        "`-- flamingock: transaction=false`",
    ),
    ("sqlx", "1_a.sql", "", "`-- no-transaction`"),
    (
        "goose",
        "1_a.sql",
        "-- +goose Up\n",
        "`-- +goose NO TRANSACTION`",
    ),
    (
        "dbmate",
        "1_a.sql",
        "-- migrate:up\n",
        "`transaction:false`",
    ),
    ("atlas", "1_a.sql", "", "`-- atlas:txmode none`"),
    (
        "diesel",
        "2024-01-01-000000_a/up.sql",
        "",
        "`run_in_transaction = false`",
    ),
    (
        "refinery",
        "V1__a.sql",
        "",
        "`-- flamingock: transaction=false`",
    ),
];

#[change(id = "vacuums", order = "001", register = false)]
async fn vacuums(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "VACUUM").await.map(drop)
}

#[tokio::test]
async fn statement_that_no_transaction_can_hold_gets_a_hint() {
    for (format, name, before, words) in FORMATS {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let behind = if format == "dbmate" {
            "-- migrate:down\n"
        } else {
            ""
        };
        let text = format!("{before}INSERT INTO done VALUES ('a');\nVACUUM;\n{behind}");
        let sum = atlas_sum(&[(name, &text)]);
        let files = match format {
            "atlas" => folder_of(format, &[(name, &text), ("atlas.sum", &sum)]),
            _ => folder_of(format, &[(name, &text)]),
        };
        let error = Runner::new(&pool).files(files).run().await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains(words), "{format}: {text}");
        assert!(text.contains("`VACUUM` failed, and "), "{format}: {text}");
        let entries = audit(&pool).await;
        assert!(entries[1].ends_with("1 ROLLED_BACK shared"), "{entries:?}");
    }
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let run = Runner::new(&pool).changes(changes![vacuums]).run().await;
    let text = format!("{:#}", run.unwrap_err());
    assert!(
        text.contains("write `transaction = false` in its attribute"),
        "{text}"
    );
}

/// The hint names the statement, and the change is recorded like any other.
#[tokio::test]
async fn other_errors_get_no_hint() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    execute(&pool, "INSERT INTO done VALUES ('there')").await;
    let files = folder_of("own", &[("0001__a.sql", "SELECT * FROM nowhere;")]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("nowhere") && !text.contains("failed, and"),
        "{text}"
    );
}
