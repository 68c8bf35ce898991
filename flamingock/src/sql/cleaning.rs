//! SQLite in memory: what a change leaves on the one connection that there is.

use flamingock_sqlx_audit::{Conn, Sqlite};
use sqlx::Connection;

use super::driver::send;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// The pragmas of a connection that change what a text means or does.
const PRAGMAS: [&str; 14] = [
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "defer_foreign_keys",
    "foreign_keys",
    "ignore_check_constraints",
    "legacy_alter_table",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "synchronous",
    "trusted_schema",
    "writable_schema",
];

/// What brings the pragmas back to what they are now.
pub(super) async fn found(connection: &mut Conn<Sqlite>) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for name in PRAGMAS {
        let mut answer = send::<Sqlite>(connection, format!("PRAGMA {name}")).await?;
        if let Some(row) = answer.rows.first_mut() {
            texts.push(format!("PRAGMA {name} = {}", row.text(0)));
        }
    }
    // It can't be asked for otherwise.
    let mut like = send::<Sqlite>(connection, "SELECT 'a' LIKE 'A'".to_owned()).await?;
    let is_blind = like.rows.first_mut().is_none_or(|row| row.text(0) == "1");
    texts.push(format!(
        "PRAGMA case_sensitive_like = {}",
        u8::from(!is_blind)
    ));
    Ok(texts)
}

/// Forgets the driver's statements, drops what is temporary, lets go of other databases, and brings the
/// pragmas back.
pub(super) async fn clean(connection: &mut Conn<Sqlite>, found: &[String]) -> Result<()> {
    connection.clear_cached_statements().await?;
    let temporary = "SELECT CASE type WHEN 'view' THEN 'DROP VIEW temp.' ELSE 'DROP TABLE temp.' END || \
                     '\"' || replace(name, '\"', '\"\"') || '\"' FROM temp.sqlite_master \
                     WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let attached = "SELECT 'DETACH \"' || replace(name, '\"', '\"\"') || '\"' FROM pragma_database_list \
                    WHERE name NOT IN ('main', 'temp')";
    let triggers = "SELECT 'DROP TRIGGER temp.\"' || replace(name, '\"', '\"\"') || '\"' \
                    FROM temp.sqlite_master WHERE type = 'trigger'";
    send::<Sqlite>(connection, "PRAGMA foreign_keys = OFF".to_owned()).await?;
    for list in [triggers, temporary, attached] {
        let answer = send::<Sqlite>(connection, list.to_owned()).await?;
        for mut row in answer.rows {
            send::<Sqlite>(connection, row.text(0)).await?;
        }
    }
    for text in found {
        send::<Sqlite>(connection, text.clone()).await?;
    }
    Ok(())
}
