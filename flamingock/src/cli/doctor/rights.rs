//! The rights of the database user on the tables.

use super::checked::{Checked, text};
use crate::audit::store_error::StoreErrorKind;
use crate::audit::tables::TableNames;
use crate::cli::view::View;
use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;

/// Tries each right with a statement that affects no row.
pub(super) async fn rights(database: &dyn Database, names: &TableNames, view: &View) -> Checked {
    const CHECK: &str = "rights";
    let mut missing = Vec::new();
    for (right, statement) in statements(database.kind(), names) {
        match database.read(statement).await {
            Ok(_) => {}
            Err(error) if error.kind == StoreErrorKind::Denied => missing.push(right),
            Err(error) => {
                let finding = format!("{right}: {}", text(&error));
                return Checked::problem(CHECK, finding, "connect to a server that takes writes");
            }
        }
    }
    let next = view.program.command(&["schema", "--grants"]);
    if missing.is_empty() {
        Checked::ok(CHECK, "can read and write the audit and the lock")
    } else if missing.iter().any(|right| right.starts_with("SELECT")) {
        Checked::problem(CHECK, format!("missing: {}", missing.join(", ")), next)
    } else {
        let finding = format!(
            "can only read: `apply` and `issue resolve` would fail. Missing: {}",
            missing.join(", ")
        );
        Checked::note(CHECK, finding, next)
    }
}

fn statements(kind: DatabaseKind, names: &TableNames) -> Vec<(String, String)> {
    let quote = match kind {
        DatabaseKind::MySql => '`',
        DatabaseKind::Sqlite | DatabaseKind::Postgres => '"',
    };
    let prefix = names.prefix.as_deref().unwrap_or("flamingock_");
    let schema = names.schema.as_ref();
    let schema = schema.map_or_else(String::new, |name| format!("{quote}{name}{quote}."));
    let mut statements = Vec::new();
    for (table, write) in [("audit", "INSERT"), ("lock", "UPDATE"), ("lease", "UPDATE")] {
        let name = format!("{schema}{quote}{prefix}{table}{quote}");
        let select = format!("SELECT 1 FROM {name} WHERE 1 = 0");
        let write_none = match (write, kind) {
            // A number of the sequence cannot be inserted.
            ("INSERT", DatabaseKind::Postgres) => {
                format!("INSERT INTO {name} (service) SELECT service FROM {name} WHERE 1 = 0")
            }
            ("INSERT", _) => format!("INSERT INTO {name} SELECT * FROM {name} WHERE 1 = 0"),
            _ => format!("UPDATE {name} SET service = service WHERE 1 = 0"),
        };
        statements.push((format!("SELECT on {prefix}{table}"), select));
        statements.push((format!("{write} on {prefix}{table}"), write_none));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_tried_in_the_schema_of_the_tables() {
        let names = TableNames::default().schema("ops").prefix("x_");
        let statements = statements(DatabaseKind::Postgres, &names);
        assert_eq!(statements.len(), 6);
        assert_eq!(
            statements[0].1,
            "SELECT 1 FROM \"ops\".\"x_audit\" WHERE 1 = 0"
        );
        assert_eq!(statements[3].0, "UPDATE on x_lock");
    }
}
