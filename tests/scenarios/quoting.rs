//! Texts with quotes, backslashes and the like are stored unchanged, however the server quotes.

use flamingock::{Runner, change, changes};
use flamingock_tests::{Backend as _, query, strings, with_table};

use super::{Backend, Connection};

/// A setting of the connection before its first use.
const MODES: &[&str] = match <Backend as flamingock_tests::Backend>::NAME.as_bytes() {
    b"PostgreSQL" => &[
        "SET standard_conforming_strings = off",
        "SET backslash_quote = on",
    ],
    b"MariaDB" => &[
        "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
        "SET sql_mode = ''",
    ],
    _ => &["SELECT 1"],
};

#[change(id = "it's \"odd\" \\ 🦩", order = "001", register = false)]
async fn odd(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('odd')").await.map(drop)
}

#[tokio::test]
async fn quoting_modes_leave_text_unchanged() {
    for mode in MODES {
        let database = Backend::fresh().await;
        let other = with_table(&database, 1).await;
        let pool = database.pool_with_hook(1, mode).await;
        let runner = || {
            Runner::new(&pool)
                .changes(changes![odd])
                .service("sé'r\\v\"ice")
        };
        runner().run().await.unwrap();
        assert!(runner().run().await.unwrap().is_up_to_date());
        let texts = strings(
            &other,
            "SELECT DISTINCT service, change_id FROM flamingock_audit",
        )
        .await;
        assert_eq!(texts, ["sé'r\\v\"ice|it's \"odd\" \\ 🦩"], "{mode}");
    }
}
