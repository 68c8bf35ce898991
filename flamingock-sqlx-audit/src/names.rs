//! The names of the tables, validated once.

/// Where the tables stand and how their names begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    schema: Option<String>,
    prefix: String,
    /// Whether the prefix was set, be it to the usual one.
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

/// PostgreSQL allows 63 bytes, of which the longest table suffix and the index take 20.
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
    /// Checks a schema (on MySQL a database, on SQLite an attached one; `None` is the connection's
    /// own) and the prefix of every table (`None` is `flamingock_`).
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

    /// The schema that was set, if one was.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// What the names begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the prefix was set: then these tables are meant, and no others.
    pub(crate) fn prefix_is_set(&self) -> bool {
        self.prefix_is_set
    }

    /// The same tables, in the schema in which the database found them.
    pub(crate) fn resolved(&self, schema: &str) -> Names {
        Names {
            schema: Some(schema.to_owned()),
            ..self.clone()
        }
    }

    /// The name of a table without schema and quotes: `flamingock_audit` for `audit`.
    pub fn plain(&self, table: &str) -> String {
        format!("{}{table}", self.prefix)
    }

    /// The name as it stands in SQL.
    pub(crate) fn quoted(&self, table: &str, quote: char) -> String {
        let name = quoted(&self.plain(table), quote);
        match &self.schema {
            Some(schema) => format!("{}.{name}", quoted(schema, quote)),
            None => name,
        }
    }
}

/// A schema that the database itself reported may hold any character, the quote included.
fn quoted(name: &str, quote: char) -> String {
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
