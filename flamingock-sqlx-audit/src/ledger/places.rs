//! Finding the tables: existing tables that the session does not see would lead to a second
//! history.

use std::collections::BTreeMap;

use super::base::{Ledger, Result};
use crate::backend::{Backend, Conn};
use crate::failure::Failure;
use crate::names::Names;

/// The tables without which there is no history, in the order of their creation.
const TABLES: [&str; 3] = ["audit", "lock", "lease"];

/// Why the tables must not be created, although the session does not see any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// They are in another schema than the one in which they would be created.
    #[error(
        "the table {table} is in \"{schema}\", where this session does not look: it would create its tables in {own}"
    )]
    Elsewhere {
        /// The schema that has them.
        schema: String,
        /// The name of the table.
        table: String,
        /// The place where they would be created, for people.
        own: String,
        /// Whether the user may use the schema that has them.
        usable: bool,
    },
    /// Some of them exist, and others do not.
    #[error("in \"{schema}\" there is {there}, and {missing} is missing")]
    Partial {
        /// The schema that has them.
        schema: String,
        /// The existing tables, for people.
        there: String,
        /// The missing tables, for people.
        missing: String,
    },
    /// There are tables with another prefix.
    #[error("in \"{schema}\" there are {table} and those beside it, whose prefix is \"{prefix}\"")]
    OtherPrefix {
        /// The schema that has them.
        schema: String,
        /// The name of the audit table.
        table: String,
        /// The prefix of its name.
        prefix: String,
    },
}

/// The tables of one schema in the catalog, by prefix.
#[derive(Debug, Default)]
struct Schema {
    usable: bool,
    sets: BTreeMap<String, Vec<&'static str>>,
}

/// The schemas with tables that look like those of the audit.
#[derive(Debug, Default)]
struct Catalogue {
    /// The schema in which tables would be created, if the session has one.
    own: Option<String>,
    schemas: BTreeMap<String, Schema>,
}

impl Catalogue {
    fn add(&mut self, schema: &str, name: &str, usable: bool) {
        let Some((prefix, table)) = TABLES
            .iter()
            .find_map(|table| Some((name.strip_suffix(table)?, *table)))
        else {
            return;
        };
        let found = self.schemas.entry(schema.to_owned()).or_default();
        found.usable = usable;
        found.sets.entry(prefix.to_owned()).or_default().push(table);
    }

    fn tables(&self, schema: &str, prefix: &str) -> &[&'static str] {
        let schema = self.schemas.get(schema);
        schema
            .and_then(|schema| schema.sets.get(prefix))
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the other schemas that have the audit table.
    fn others<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Schema)> {
        let own = self.own.as_deref();
        self.schemas
            .iter()
            .map(|(name, schema)| (name.as_str(), schema))
            .filter(move |(name, _)| Some(*name) != own)
            .filter(move |(name, _)| self.tables(name, prefix).contains(&"audit"))
    }

    /// Returns why tables that the session does not see must not be created.
    fn misplaced(&self, names: &Names) -> Option<Misplaced> {
        let prefix = names.prefix();
        let own = self.own.as_deref().unwrap_or_default();
        let there = self.tables(own, prefix);
        if there.is_empty()
            && names.schema().is_none()
            && let Some((schema, found)) = self.others(prefix).next()
        {
            return Some(self.elsewhere(names, schema, found.usable));
        }
        // An audit without entries was left by a first run that did not finish.
        if !there.is_empty() && there.len() < TABLES.len() {
            return Some(partial(names, own, there));
        }
        let is_set = names.prefix_is_set() || !there.is_empty();
        let mut sets = self.schemas.iter().flat_map(|(name, schema)| {
            let sets = schema.sets.iter();
            sets.map(move |(prefix, tables)| (name, prefix, tables))
        });
        let other = sets.find(|(schema, other, tables)| {
            let counts = names.schema().is_none_or(|_| schema.as_str() == own);
            counts && !other.is_empty() && *other != prefix && tables.len() == TABLES.len()
        });
        let (schema, other, _) = other.filter(|_| !is_set)?;
        Some(Misplaced::OtherPrefix {
            schema: schema.clone(),
            table: format!("{other}audit"),
            prefix: other.clone(),
        })
    }

    fn elsewhere(&self, names: &Names, schema: &str, usable: bool) -> Misplaced {
        let own = self.own.as_deref();
        Misplaced::Elsewhere {
            schema: schema.to_owned(),
            table: names.plain("audit"),
            own: own.map_or_else(|| "no schema".to_owned(), |own| format!("\"{own}\"")),
            usable,
        }
    }
}

fn partial(names: &Names, schema: &str, there: &[&str]) -> Misplaced {
    let listed = |is_there: bool| {
        let tables = TABLES
            .iter()
            .filter(|table| there.contains(table) == is_there);
        let tables: Vec<String> = tables.map(|table| names.plain(table)).collect();
        tables.join(", ")
    };
    Misplaced::Partial {
        schema: schema.to_owned(),
        there: listed(true),
        missing: listed(false),
    }
}

impl<B: Backend> Ledger<B> {
    async fn catalogue(&self, connection: &mut Conn<B>, home: Option<&str>) -> Result<Catalogue> {
        let params = [
            ("schema", self.names.schema().into()),
            ("home", home.into()),
        ];
        let mut catalogue = Catalogue {
            own: self.names.schema().map(str::to_owned),
            ..Catalogue::default()
        };
        for mut row in self.fetch(connection, B::DIALECT.places, &params).await? {
            let (schema, name) = (row.text(0), row.text(1));
            if catalogue.own.is_none() {
                catalogue.own = row.optional(2);
            }
            catalogue.add(&schema, &name, row.int(3)? == Some(1));
        }
        Ok(catalogue)
    }

    /// Looks in the whole catalog for tables that the session does not see. `home` is the database
    /// that the application has named, if the session may be in another one. Returns `None` if the
    /// tables can be created.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn misplaced(
        &self,
        connection: &mut Conn<B>,
        home: Option<&str>,
    ) -> Result<Option<Misplaced>> {
        let catalogue = self.catalogue(connection, home).await?;
        let misplaced = catalogue.misplaced(&self.names);
        if let Some(Misplaced::Partial { schema, .. }) = &misplaced {
            let there = catalogue.tables(schema, self.names.prefix());
            let began =
                there.contains(&"audit") && !self.has_entries(connection, schema, None).await?;
            return Ok(misplaced.filter(|_| !began));
        }
        Ok(misplaced)
    }

    /// Looks for the history of a service that has none in the tables that the session sees, but
    /// has one in those of another schema. Returns `None` if the schema was named explicitly.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn hidden(
        &self,
        connection: &mut Conn<B>,
        home: Option<&str>,
        service: &str,
    ) -> Result<Option<Misplaced>> {
        if self.names.schema().is_some() {
            return Ok(None);
        }
        let mut catalogue = self.catalogue(connection, home).await?;
        // The session may see tables in another schema than the one in which it would create them.
        if let Some(seen) = self.names().schema() {
            catalogue.own = Some(seen.to_owned());
        }
        for (schema, found) in catalogue.others(self.names.prefix()) {
            let theirs = self.has_entries(connection, schema, Some(service)).await;
            match theirs {
                Ok(true) => {
                    return Ok(Some(catalogue.elsewhere(&self.names, schema, found.usable)));
                }
                Ok(false) => {}
                // These tables belong to another application.
                Err(error) if matches!(B::classify(&error), Failure::Denied | Failure::Other) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Reports whether the audit of a schema has an entry, of this service or of any.
    async fn has_entries(
        &self,
        connection: &mut Conn<B>,
        schema: &str,
        service: Option<&str>,
    ) -> Result<bool> {
        let there = Ledger::<B>::new(self.names.resolved(schema), self.patience);
        let (condition, params) = match service {
            Some(service) => (
                " WHERE service = $service",
                vec![("service", service.into())],
            ),
            None => ("", Vec::new()),
        };
        let text = format!("SELECT 1 FROM {{audit}}{condition} LIMIT 1");
        Ok(!there.fetch(connection, &text, &params).await?.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: [&str; 3] = ["flamingock_audit", "flamingock_lock", "flamingock_lease"];

    fn catalogue(own: Option<&str>, schemas: &[(&str, &[&str])]) -> Catalogue {
        let mut catalogue = Catalogue {
            own: own.map(str::to_owned),
            ..Catalogue::default()
        };
        for (schema, tables) in schemas {
            for table in *tables {
                catalogue.add(schema, table, true);
            }
        }
        catalogue
    }

    #[test]
    fn tables_are_created_only_where_none_are_hidden() {
        let usual = Names::default();
        let schema = Names::new(Some("ops"), None).unwrap();
        let prefix = Names::new(None, Some("flamingock_")).unwrap();
        let other = ["coc_audit", "coc_lock", "coc_lease"];
        let cases: &[(&Names, Catalogue, &str)] = &[
            (&usual, catalogue(Some("public"), &[]), ""),
            (
                &usual,
                catalogue(Some("app"), &[("public", &FULL)]),
                "in \"public\"",
            ),
            (
                &usual,
                catalogue(None, &[("public", &FULL)]),
                "in no schema",
            ),
            (&schema, catalogue(Some("ops"), &[("public", &FULL)]), ""),
            (&usual, catalogue(Some("a"), &[("b", &FULL[1..])]), ""),
            (
                &usual,
                catalogue(Some("a"), &[("a", &FULL[1..])]),
                "flamingock_audit is missing",
            ),
            (
                &schema,
                catalogue(Some("ops"), &[("ops", &FULL[..2])]),
                "flamingock_lease is missing",
            ),
            (
                &usual,
                catalogue(Some("a"), &[("a", &other)]),
                "prefix is \"coc_\"",
            ),
            (
                &usual,
                catalogue(Some("a"), &[("b", &other)]),
                "prefix is \"coc_\"",
            ),
            (&prefix, catalogue(Some("a"), &[("a", &other)]), ""),
            (&schema, catalogue(Some("ops"), &[("b", &other)]), ""),
            (&usual, catalogue(Some("a"), &[("a", &other[..2])]), ""),
            (
                &usual,
                catalogue(Some("a"), &[("a", &["audit", "lock", "lease"])]),
                "",
            ),
        ];
        for (names, catalogue, expected) in cases {
            let found = catalogue.misplaced(names);
            let text = found.map_or_else(String::new, |found| found.to_string());
            assert_eq!(
                text.is_empty(),
                expected.is_empty(),
                "{catalogue:?}: {text}"
            );
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
