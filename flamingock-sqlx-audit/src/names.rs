//! The names of the tables, validated once.

/// The schema of the tables, and the prefix of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    schema: Option<String>,
    prefix: String,
    /// Whether the prefix was set, even if to the default.
    prefix_is_set: bool,
}

/// A schema or a prefix that cannot be part of a table's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {what} `{name}` is not a plain name: use 1 to {limit} ASCII letters, digits and underscores, the first no digit, as in `{example}`"
)]
pub struct InvalidName {
    what: &'static str,
    name: String,
    limit: usize,
    example: &'static str,
}

/// PostgreSQL allows 63 bytes, of which the longest suffix of a table with its index takes 20.
const PREFIX_LIMIT: usize = 40;
const SCHEMA_LIMIT: usize = 63;

impl Default for Names {
    fn default() -> Self {
        Names {
            schema: None,
            prefix: String::from("flamingock_"),
            prefix_is_set: false,
        }
    }
}

impl Names {
    /// Creates names with a schema (on MySQL a database, on SQLite an attached one; `None` for the
    /// connection's own) and a prefix for every table (`None` for `flamingock_`).
    ///
    /// # Errors
    /// A name that is empty, too long, or has anything but ASCII letters, digits and underscores.
    pub fn new(schema: Option<&str>, prefix: Option<&str>) -> Result<Names, InvalidName> {
        if let Some(schema) = schema {
            check("schema", schema, SCHEMA_LIMIT, "operations")?;
        }
        if let Some(prefix) = prefix {
            check("prefix", prefix, PREFIX_LIMIT, "flamingock_")?;
        }
        let prefix_is_set = prefix.is_some();
        let prefix = prefix.map_or_else(|| Names::default().prefix, str::to_owned);
        Ok(Names {
            schema: schema.map(str::to_owned),
            prefix,
            prefix_is_set,
        })
    }

    /// Returns the schema, if one was set.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Returns the prefix of the names.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Reports whether the prefix was set, so that only tables with this prefix count.
    pub(crate) fn prefix_is_set(&self) -> bool {
        self.prefix_is_set
    }

    /// Returns the names of the same tables, in the schema in which the database has found them.
    pub(crate) fn resolved(&self, schema: &str) -> Names {
        Names {
            schema: Some(schema.to_owned()),
            ..self.clone()
        }
    }

    /// Returns the name of a table without schema and quotes: `flamingock_audit` for `audit`.
    pub fn plain(&self, table: &str) -> String {
        format!("{}{table}", self.prefix)
    }

    /// Returns the name for SQL.
    pub(crate) fn quoted(&self, table: &str, quote: char) -> String {
        let name = quoted(&self.plain(table), quote);
        match &self.schema {
            Some(schema) => format!("{}.{name}", quoted(schema, quote)),
            None => name,
        }
    }
}

/// Quotes a name. A schema that the database has reported can contain any character, including the
/// quote.
pub(crate) fn quoted(name: &str, quote: char) -> String {
    let doubled = format!("{quote}{quote}");
    format!("{quote}{}{quote}", name.replace(quote, &doubled))
}

fn check(
    what: &'static str,
    name: &str,
    limit: usize,
    example: &'static str,
) -> Result<(), InvalidName> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let starts_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    if plain && !starts_with_digit && !name.is_empty() && name.len() <= limit {
        Ok(())
    } else {
        Err(InvalidName {
            what,
            name: name.to_owned(),
            limit,
            example,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        let long = "a".repeat(41);
        let cases = [
            ("ops_", true),
            ("_x1", true),
            ("", false),
            ("1a", false),
            ("a-b", false),
            ("a\"; drop", false),
            (&long, false),
        ];
        for (prefix, accepted) in cases {
            assert_eq!(Names::new(None, Some(prefix)).is_ok(), accepted, "{prefix}");
        }
    }

    #[test]
    fn names_are_quoted_with_their_schema() {
        let names = Names::new(Some("ops"), None).unwrap();
        assert_eq!(names.quoted("audit", '"'), "\"ops\".\"flamingock_audit\"");
        assert_eq!(Names::default().quoted("lock", '`'), "`flamingock_lock`");
        assert_eq!(
            names.resolved("we\"ird").quoted("lock", '"'),
            "\"we\"\"ird\".\"flamingock_lock\""
        );
    }
}
