//! Finding the other tool's table. Names are quoted, and tables in other places are reported.

use super::tool::Tool;
use crate::audit::store_error::StoreError;
use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;

/// The name of a table as the application wrote it: `table` or `schema.table`, each part quoted or
/// not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: Option<Part>,
    pub(super) table: Part,
}

/// A part of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    /// Whether the part was quoted, and so is taken literally.
    pub(super) is_quoted: bool,
}

impl Name {
    /// Parses a name.
    pub(super) fn parse(text: &str) -> Result<Name, String> {
        let wrong = || {
            format!(
                "the table {text:?}: use letters, digits, `_`, `$`, `-`, and one dot between a schema and a table. Put a part that has anything else in double quotes"
            )
        };
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, behind) = part(rest).ok_or_else(wrong)?;
            parts.push(part);
            match behind.strip_prefix('.') {
                Some(more) => rest = more,
                None if behind.is_empty() => break,
                None => return Err(wrong()),
            }
        }
        let table = parts.pop().ok_or_else(wrong)?;
        let schema = parts.pop();
        if parts.is_empty() {
            Ok(Name { schema, table })
        } else {
            Err(wrong())
        }
    }
}

/// Splits a name after its first part.
fn part(text: &str) -> Option<(Part, &str)> {
    let quote = text.chars().next().filter(|first| "\"`".contains(*first));
    let Some(quote) = quote else {
        let is_bare = |letter: char| letter.is_alphanumeric() || "_$-".contains(letter);
        let end = text.find(|letter| !is_bare(letter)).unwrap_or(text.len());
        let (bare, behind) = text.split_at(end);
        let part = Part {
            text: bare.to_owned(),
            is_quoted: false,
        };
        return (!bare.is_empty()).then_some((part, behind));
    };
    let mut inner = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            inner.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            inner.push(quote);
            letters.next();
        } else {
            let part = Part {
                text: inner,
                is_quoted: true,
            };
            return (!part.text.is_empty()).then_some((part, &text[at + quote.len_utf8()..]));
        }
    }
    None
}

/// A table of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Table {
    /// Returns the name for SQL.
    pub(super) fn sql(&self, kind: DatabaseKind) -> String {
        format!(
            "{}.{}",
            quoted(kind, &self.schema),
            quoted(kind, &self.name)
        )
    }

    /// Returns the name in the form that [`Name::parse`] accepts.
    pub(super) fn written(&self) -> String {
        format!("{}.{}", written(&self.schema), written(&self.name))
    }
}

fn quoted(kind: DatabaseKind, name: &str) -> String {
    let quote = match kind {
        DatabaseKind::MySql => "`",
        DatabaseKind::Postgres | DatabaseKind::Sqlite => "\"",
    };
    format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
}

/// Quotes a part that would otherwise not be read unchanged.
fn written(name: &str) -> String {
    let is_plain = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_$-".contains(letter)
    };
    if name.chars().all(is_plain) {
        name.to_owned()
    } else {
        quoted(DatabaseKind::Sqlite, name)
    }
}

/// Returns a text as an SQL expression that does not depend on how the session parses quotes.
pub(super) fn literal(kind: DatabaseKind, text: &str) -> String {
    let hex = || -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
    match kind {
        DatabaseKind::Postgres => {
            format!(
                "pg_catalog.convert_from(pg_catalog.decode('{}', 'hex'), 'UTF8')",
                hex()
            )
        }
        DatabaseKind::MySql => format!("CONVERT(X'{}' USING utf8mb4)", hex()),
        // SQLite has no escapes in strings.
        DatabaseKind::Sqlite => format!("'{}'", text.replace('\'', "''")),
    }
}

/// A table of the catalog whose name is similar to the requested one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    table: Table,
    /// Whether the session finds it without naming its schema.
    is_seen: bool,
    /// Whether it is in the session's own database or schema.
    is_near: bool,
    /// Whether row security hides some of its rows from this user.
    is_filtered: bool,
}

/// The result of looking for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    There {
        table: Table,
        /// Tables with a similar name that were not chosen.
        others: Vec<Table>,
    },
    NoSchema {
        /// The schemas whose names differ only in case.
        alike: Vec<String>,
    },
    Missing {
        others: Vec<Table>,
        /// Tables in other databases of the server, which usually belong to other applications.
        far: Vec<Table>,
    },
    /// Row security would show only some of its rows.
    Filtered(Table),
}

/// Looks for the table of a tool in the whole catalog.
pub(super) async fn find(
    tool: Tool,
    name: &Name,
    database: &dyn Database,
) -> Result<Found, StoreError> {
    let kind = database.kind();
    let mut candidates = candidates(tool, name, database).await?;
    if let Some(schema) = &name.schema {
        let schemas = schemas(database).await?;
        let spelt = spellings(tool, kind, schema);
        let is_it = |known: &String| match kind {
            DatabaseKind::Sqlite => known.eq_ignore_ascii_case(&schema.text),
            DatabaseKind::Postgres | DatabaseKind::MySql => spelt.contains(known),
        };
        if !schemas.iter().any(is_it) {
            let alike = |known: &String| known.to_lowercase() == schema.text.to_lowercase();
            let alike = schemas.into_iter().filter(alike).collect();
            return Ok(Found::NoSchema { alike });
        }
    }
    let own_schema = |candidate: &Candidate| {
        let is_own = tool.own_schema() == Some(candidate.table.schema.as_str());
        is_own && name.schema.is_none() && candidate.table.name == name.table.text
    };
    let place =
        best(tool, kind, name, &candidates).or_else(|| candidates.iter().position(own_schema));
    let Some(place) = place else {
        let is_near = |candidate: &Candidate| kind != DatabaseKind::MySql || candidate.is_near;
        let (near, far): (Vec<Candidate>, _) = candidates.into_iter().partition(is_near);
        let tables = |some: Vec<Candidate>| some.into_iter().map(|other| other.table).collect();
        return Ok(Found::Missing {
            others: tables(near),
            far: tables(far),
        });
    };
    let found = candidates.remove(place);
    if found.is_filtered {
        return Ok(Found::Filtered(found.table));
    }
    if kind == DatabaseKind::MySql {
        candidates.retain(|candidate| candidate.is_near);
    }
    Ok(Found::There {
        table: found.table,
        others: candidates.into_iter().map(|other| other.table).collect(),
    })
}

/// Chooses the candidate that the name refers to.
fn best(tool: Tool, kind: DatabaseKind, name: &Name, candidates: &[Candidate]) -> Option<usize> {
    let fits = |spelt: &str, there: &str| match kind {
        DatabaseKind::Sqlite => there.eq_ignore_ascii_case(spelt),
        DatabaseKind::Postgres | DatabaseKind::MySql => there == spelt,
    };
    for table in spellings(tool, kind, &name.table) {
        let is_there = |candidate: &Candidate| fits(&table, &candidate.table.name);
        let Some(schema) = &name.schema else {
            let seen = |candidate: &Candidate| candidate.is_seen && is_there(candidate);
            match candidates.iter().position(seen) {
                Some(place) => return Some(place),
                None => continue,
            }
        };
        for schema in spellings(tool, kind, schema) {
            let both = |candidate: &Candidate| {
                is_there(candidate) && fits(&schema, &candidate.table.schema)
            };
            if let Some(place) = candidates.iter().position(both) {
                return Some(place);
            }
        }
    }
    None
}

/// Returns the possible spellings in the catalog: PostgreSQL folds names that a tool does not
/// quote.
fn spellings(tool: Tool, kind: DatabaseKind, part: &Part) -> Vec<String> {
    let mut spellings = vec![part.text.clone()];
    let folded = part.text.to_lowercase();
    let folds = kind == DatabaseKind::Postgres && !part.is_quoted && !tool.quotes_names();
    if folds && folded != part.text {
        spellings.push(folded);
    }
    spellings
}

async fn candidates(
    tool: Tool,
    name: &Name,
    database: &dyn Database,
) -> Result<Vec<Candidate>, StoreError> {
    let kind = database.kind();
    let mut names = vec![name.table.text.to_lowercase()];
    names.extend(tool.former_tables().iter().map(|name| (*name).to_owned()));
    let names: Vec<String> = names.iter().map(|name| literal(kind, name)).collect();
    let names = names.join(", ");
    let yes = |row: &[Option<String>], column: usize| {
        row.get(column).and_then(Option::as_deref) == Some("1")
    };
    let candidate = |row: Vec<Option<String>>| Candidate {
        is_seen: yes(&row, 2),
        is_near: yes(&row, 3),
        is_filtered: yes(&row, 4),
        table: table(row),
    };
    match kind {
        DatabaseKind::Postgres => {
            let statement = format!(
                "SELECT n.nspname::text, c.relname::text, pg_catalog.pg_table_is_visible(c.oid)::int, \
                   (n.nspname = pg_catalog.current_schema())::int, pg_catalog.row_security_active(c.oid)::int \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.lower(c.relname::text) IN ({names}) \
                   AND (c.relpersistence <> 't' OR n.oid = pg_catalog.pg_my_temp_schema()) \
                 ORDER BY 3 DESC, 1, 2"
            );
            let rows = database.read(statement).await?;
            Ok(rows.into_iter().map(candidate).collect())
        }
        DatabaseKind::MySql => {
            let statement = format!(
                "SELECT CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY), TABLE_SCHEMA = DATABASE(), \
                   TABLE_SCHEMA = DATABASE(), 0, @@lower_case_table_names \
                 FROM information_schema.TABLES WHERE LOWER(TABLE_NAME) IN ({names}) ORDER BY 1, 2"
            );
            let rows = database.read(statement).await?;
            let named = |row: Vec<Option<String>>| {
                let folds = row.get(5).and_then(Option::as_deref) != Some("0");
                let mut candidate = candidate(row);
                // The server treats both names as the same.
                let is_it = candidate.table.name.to_lowercase() == name.table.text.to_lowercase();
                if folds && is_it {
                    candidate.table.name.clone_from(&name.table.text);
                }
                candidate
            };
            Ok(rows.into_iter().map(named).collect())
        }
        DatabaseKind::Sqlite => {
            let mut found: Vec<Candidate> = Vec::new();
            for schema in schemas(database).await? {
                let statement = format!(
                    "SELECT {}, name, 0, {}, 0 FROM {}.sqlite_master \
                     WHERE type IN ('table', 'view') AND lower(name) IN ({names}) ORDER BY 2",
                    literal(kind, &schema),
                    i32::from(schema == "main"),
                    quoted(kind, &schema),
                );
                for row in database.read(statement).await? {
                    let mut candidate = candidate(row);
                    let name = &candidate.table.name;
                    candidate.is_seen = found
                        .iter()
                        .all(|other| !other.table.name.eq_ignore_ascii_case(name));
                    found.push(candidate);
                }
            }
            Ok(found)
        }
    }
}

fn table(row: Vec<Option<String>>) -> Table {
    let mut columns = row.into_iter().map(Option::unwrap_or_default);
    Table {
        schema: columns.next().unwrap_or_default(),
        name: columns.next().unwrap_or_default(),
    }
}

/// Returns the schemas; on SQLite in the order in which it resolves names.
async fn schemas(database: &dyn Database) -> Result<Vec<String>, StoreError> {
    let statement = match database.kind() {
        DatabaseKind::Postgres => "SELECT nspname::text FROM pg_catalog.pg_namespace ORDER BY 1",
        DatabaseKind::MySql => {
            "SELECT CAST(SCHEMA_NAME AS BINARY) FROM information_schema.SCHEMATA ORDER BY 1"
        }
        DatabaseKind::Sqlite => {
            "SELECT name FROM pragma_database_list ORDER BY name <> 'temp', name <> 'main', seq"
        }
    };
    let rows = database.read(statement.to_owned()).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .collect())
}

/// Returns the tables of a schema that have these two columns, in any case.
pub(super) async fn with_columns(
    database: &dyn Database,
    schema: &str,
    columns: [&str; 2],
) -> Result<Vec<Table>, StoreError> {
    let kind = database.kind();
    let within = literal(kind, schema);
    let [one, other] = columns.map(|column| literal(kind, &column.to_lowercase()));
    let statement = match kind {
        DatabaseKind::Postgres => format!(
            "SELECT n.nspname::text, c.relname::text \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = {within} \
               AND pg_catalog.lower(a.attname::text) IN ({one}, {other}) \
             GROUP BY 1, 2 HAVING pg_catalog.count(*) = 2 ORDER BY 1, 2"
        ),
        DatabaseKind::MySql => format!(
            "SELECT CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY) FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = {within} AND LOWER(COLUMN_NAME) IN ({one}, {other}) \
             GROUP BY TABLE_SCHEMA, TABLE_NAME HAVING COUNT(*) = 2 ORDER BY 1, 2"
        ),
        DatabaseKind::Sqlite => format!(
            "SELECT {within}, m.name FROM {}.sqlite_master m WHERE m.type IN ('table', 'view') AND \
             (SELECT count(*) FROM pragma_table_info(m.name, {within}) WHERE lower(name) IN ({one}, {other})) = 2 \
             ORDER BY 2",
            quoted(kind, schema)
        ),
    };
    let rows = database.read(statement).await?;
    Ok(rows.into_iter().map(table).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_quotes() {
        let part = |text: &str, is_quoted| Part {
            text: text.to_owned(),
            is_quoted,
        };
        for (text, schema, table) in [
            ("_sqlx_migrations", None, part("_sqlx_migrations", false)),
            (
                "app.history",
                Some(part("app", false)),
                part("history", false),
            ),
            (
                "my-app.a$1",
                Some(part("my-app", false)),
                part("a$1", false),
            ),
            (
                "\"my.app\".\"Flyway \"\"History\"",
                Some(part("my.app", true)),
                part("Flyway \"History", true),
            ),
            ("`a b`", None, part("a b", true)),
        ] {
            assert_eq!(Name::parse(text), Ok(Name { schema, table }), "{text}");
        }
        for text in [
            "", ".", "a.", "a.b.c", "a b", "a;", "a\"", "a'", "\"a", "\"\"", "\"a\"b",
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (schema, name) in [
            ("app", "history"),
            ("my-app", "FlywayHistory"),
            ("a.b", "c\"d"),
        ] {
            let table = Table {
                schema: schema.to_owned(),
                name: name.to_owned(),
            };
            let read = Name::parse(&table.written()).unwrap();
            assert_eq!(read.schema.unwrap().text, schema);
            assert_eq!(read.table.text, name);
        }
    }

    #[test]
    fn only_names_that_the_tool_does_not_quote_are_folded() {
        let part = |is_quoted| Part {
            text: "MyLog".to_owned(),
            is_quoted,
        };
        let postgres = DatabaseKind::Postgres;
        assert_eq!(
            spellings(Tool::Liquibase, postgres, &part(false)),
            ["MyLog", "mylog"]
        );
        assert_eq!(spellings(Tool::Liquibase, postgres, &part(true)), ["MyLog"]);
        assert_eq!(spellings(Tool::Flyway, postgres, &part(false)), ["MyLog"]);
        assert_eq!(
            spellings(Tool::Liquibase, DatabaseKind::MySql, &part(false)),
            ["MyLog"]
        );
    }
}
