//! Writes texts into the tables of the audit, as anyone with write access can.

use flamingock_tests::{Backend, execute, strings, try_execute};
use sqlx::Pool;

use super::texts::HOSTILE;

/// A literal of a statement, whatever the database reads as an escape.
pub(crate) fn literal<B: Backend>(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    match B::NAME {
        "PostgreSQL" => format!("convert_from(decode('{digits}', 'hex'), 'UTF8')"),
        "SQLite" => format!("CAST(x'{digits}' AS TEXT)"),
        _ => format!("CONVERT(x'{digits}' USING utf8mb4)"),
    }
}

/// The columns of a table from the database itself, each with its type.
async fn columns<B: Backend>(pool: &Pool<B::Db>, table: &str) -> Vec<(String, String)> {
    let own = match B::NAME {
        "PostgreSQL" => "current_schema()",
        _ => "database()",
    };
    let listed = match B::NAME {
        "SQLite" => format!("SELECT name, type FROM pragma_table_info('{table}')"),
        _ => format!(
            "SELECT column_name, data_type FROM information_schema.columns \
             WHERE table_name = '{table}' AND table_schema = {own}"
        ),
    };
    let listed = strings(pool, &listed).await;
    let split = |line: &String| {
        let (name, kind) = line.split_once('|').unwrap();
        (name.to_owned(), kind.to_lowercase())
    };
    listed.iter().map(split).collect()
}

async fn text_columns<B: Backend>(pool: &Pool<B::Db>, table: &str) -> Vec<String> {
    let texts = ["text", "character varying", "varchar", "mediumtext"];
    let mut columns = columns::<B>(pool, table).await;
    columns.retain(|(_, kind)| texts.contains(&kind.as_str()));
    let names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
    assert!(
        names.iter().any(|name| name == "service"),
        "{table}: {names:?}"
    );
    names
}

/// Copies every row of a table, with these columns set to these expressions.
pub(crate) async fn copy<B: Backend>(pool: &Pool<B::Db>, table: &str, set: &[(&str, String)]) {
    let columns = columns::<B>(pool, table).await;
    let names: Vec<&str> = columns
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "seq")
        .collect();
    let values: Vec<&str> = names
        .iter()
        .map(|name| match set.iter().find(|(set, _)| set == name) {
            Some((_, value)) => value.as_str(),
            None => *name,
        })
        .collect();
    let insert = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} ORDER BY 1",
        names.join(", "),
        values.join(", ")
    );
    execute(pool, &insert).await;
}

/// Puts the text into every text column of every table.
pub(super) async fn poison<B: Backend>(pool: &Pool<B::Db>) {
    let hostile = literal::<B>(HOSTILE);
    let as_json = literal::<B>(&serde_json::json!([HOSTILE, "second"]).to_string());
    let metadata = serde_json::json!({ "target_description": HOSTILE, HOSTILE: HOSTILE });
    let metadata = literal::<B>(&metadata.to_string());
    // Another service with its own lock.
    for table in ["flamingock_audit", "flamingock_lock", "flamingock_lease"] {
        copy::<B>(pool, table, &[("service", hostile.clone())]).await;
    }
    // A change with that name, and one in an unknown state.
    copy::<B>(pool, "flamingock_audit", &[("change_id", hostile.clone())]).await;
    let unknown = [
        ("change_id", literal::<B>("unknown")),
        ("state", literal::<B>(&HOSTILE[..40])),
    ];
    copy::<B>(pool, "flamingock_audit", &unknown).await;
    for table in ["flamingock_audit", "flamingock_lock", "flamingock_lease"] {
        for column in text_columns::<B>(pool, table).await {
            let keys = ["service", "lane", "change_id", "state", "boot_id"];
            // A text in SQLite's type, which is a time.
            if keys.contains(&column.as_str()) || column.ends_with("_at") {
                continue;
            }
            let value = match column.as_str() {
                "error" => &as_json,
                "metadata" => &metadata,
                _ => &hostile,
            };
            let set = format!("UPDATE {table} SET {column} = {value}");
            if let Err(error) = try_execute(pool, &set).await {
                // The audit's own values have less room.
                let short = literal::<B>("x\u{1b}[31m\nforged\u{202e}");
                let set = format!("UPDATE {table} SET {column} = {short}");
                execute(pool, &set).await;
                assert!(B::NAME != "SQLite", "{column}: {error}");
            }
        }
    }
}
