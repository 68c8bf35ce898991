//! SQLite in memory: cleaning the session of the only connection after a change.

use flamingock_sqlx_audit::{Conn, Sqlite};
use sqlx::Connection;

use super::driver::{Result, send};

/// The pragmas of a connection that change the meaning or the effect of statements.
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

/// Returns the statements that restore the current values of the pragmas.
pub(super) async fn restore_statements(connection: &mut Conn<Sqlite>) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for name in PRAGMAS {
        let mut answer = send::<Sqlite>(connection, format!("PRAGMA {name}")).await?;
        if let Some(row) = answer.rows.first_mut() {
            texts.push(format!("PRAGMA {name} = {}", row.text(0)));
        }
    }
    // The value of this pragma cannot be read.
    let mut like = send::<Sqlite>(connection, "SELECT 'a' LIKE 'A'".to_owned()).await?;
    let is_case_insensitive = like.rows.first_mut().is_none_or(|row| row.text(0) == "1");
    texts.push(format!(
        "PRAGMA case_sensitive_like = {}",
        u8::from(!is_case_insensitive)
    ));
    Ok(texts)
}

/// Clears the driver's cached statements, drops temporary objects, detaches other databases, and
/// restores the pragmas.
pub(super) async fn clean(
    connection: &mut Conn<Sqlite>,
    restore_statements: &[String],
) -> Result<()> {
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
    for text in restore_statements {
        send::<Sqlite>(connection, text.clone()).await?;
    }
    Ok(())
}
