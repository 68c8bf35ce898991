//! The names of the tables of the audit and the lock.

/// Sets the schema and the name prefix of the tables:
/// `TableNames::default().prefix("app_changes_")`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableNames {
    /// The schema (on MySQL a database, on SQLite an attached database). `None` uses the default of
    /// the connection. PostgreSQL creates a missing schema.
    pub schema: Option<String>,
    /// The prefix of the table names; `flamingock_` if it is `None`.
    pub prefix: Option<String>,
}

impl TableNames {
    /// Sets [`schema`](Self::schema).
    #[must_use]
    pub fn schema(self, schema: impl Into<String>) -> TableNames {
        TableNames {
            schema: Some(schema.into()),
            ..self
        }
    }

    /// Sets [`prefix`](Self::prefix).
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> TableNames {
        TableNames {
            prefix: Some(prefix.into()),
            ..self
        }
    }
}
