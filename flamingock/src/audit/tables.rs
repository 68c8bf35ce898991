//! The tables of the audit and the lock.

/// Where the tables stand and how their names begin: `TableNames::default().prefix("app_changes_")`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableNames {
    /// The schema (on MySQL a database, on SQLite an attached one); none is the connection's own.
    /// PostgreSQL creates it where it is not there.
    pub schema: Option<String>,
    /// What the names begin with; none is `flamingock_`.
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
