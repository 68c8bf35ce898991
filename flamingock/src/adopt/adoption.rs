//! The settings of an adoption: the tool, the place of its history, and the mapping to changes.

use std::sync::Arc;

use super::mapping::Mapping;
use super::past::PastChange;
use super::tool::Tool;
use crate::change::names::DEFAULT;
use crate::report::error::Error;

/// Configures the adoption of another tool's history.
///
/// ```
/// use flamingock::adopt::{Adoption, Tool};
///
/// let of_sqlx = Adoption::of(Tool::Sqlx);
/// let of_flyway = Adoption::of(Tool::Flyway)
///     .table("app.schema_history")
///     .target("billing")
///     .map(|past| past.id.strip_prefix("2024.").map(str::to_owned))
///     .allow_empty();
/// # drop((of_sqlx, of_flyway));
/// ```
#[derive(Clone, Debug)]
#[must_use = "an adoption does nothing until it is given to a runner"]
pub struct Adoption {
    pub(super) tool: Tool,
    pub(super) export: Option<String>,
    pub(super) table: Option<String>,
    pub(crate) target: String,
    pub(super) mapping: Mapping,
    pub(super) allow_empty: bool,
    pub(super) allow_missing: bool,
    pub(super) allow_unmapped: bool,
}

impl Adoption {
    /// Adopts the history that this tool keeps in the database of the audit, in its usual table.
    /// Migrations correspond to changes by their names: see [the
    /// rules](crate::adopt#which-change-is-which).
    pub fn of(tool: Tool) -> Adoption {
        Adoption {
            tool,
            export: None,
            table: None,
            target: DEFAULT.to_owned(),
            mapping: Mapping::default(),
            allow_empty: false,
            allow_missing: false,
            allow_unmapped: false,
        }
    }

    /// Adopts the history that Mongock keeps in MongoDB, in the form that
    /// `mongoexport --collection=mongockChangeLog` writes: JSON, one document in each line or all
    /// in one array.
    pub fn mongock(export: impl Into<String>) -> Adoption {
        Adoption {
            export: Some(export.into()),
            ..Adoption::of(Tool::Mongock)
        }
    }

    /// Sets the name of the table, if the tool does not use its usual one: `table` or
    /// `schema.table`. A part with characters other than letters, digits, `_`, `$` and `-` must be
    /// in double quotes: `"my.schema"."History"`. Spell the name exactly as the database does; only
    /// on PostgreSQL, a name is also found in lower case if the tool does not quote its names.
    ///
    /// A table with this setting must exist, unless [`allow_missing`](Adoption::allow_missing) is
    /// set.
    pub fn table(mut self, name: impl Into<String>) -> Adoption {
        self.table = Some(name.into());
        self
    }

    /// Sets the target system whose database has the table; `"default"`, the database of the audit,
    /// unless set.
    pub fn target(mut self, name: impl Into<String>) -> Adoption {
        self.target = name.into();
        self
    }

    /// Sets a function that returns the id of the corresponding change; `None` for a migration that
    /// maps to no change.
    pub fn map(
        mut self,
        function: impl Fn(&PastChange) -> Option<String> + Send + Sync + 'static,
    ) -> Adoption {
        self.mapping = Mapping::Function(Arc::new(function));
        self
    }

    /// Sets the mapping as text, for example from a file. Each line is `their-id = our-id`, or
    /// `their-id = -` for a migration without a change, or a comment that begins with `#`.
    /// Migrations that no line names are found by their names.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) with every other line.
    pub fn mapping(mut self, lines: &str) -> Result<Adoption, Error> {
        self.mapping = Mapping::parse(lines).map_err(super::problem::invalid)?;
        Ok(self)
    }

    /// Allows a history without a single migration, or a missing table, because a new environment
    /// has none. Otherwise either of them is an error, because it usually means the wrong database.
    ///
    /// A missing table is still an error if another schema has a table with that name, if there is
    /// one whose name differs in case, or if the [table](Adoption::table) was set.
    pub fn allow_empty(mut self) -> Adoption {
        self.allow_empty = true;
        self
    }

    /// Allows the same as [`allow_empty`](Adoption::allow_empty), and also that the table that
    /// [`table`](Adoption::table) names is missing, for new environments of an application whose
    /// tool does not use its usual table. The schema must exist.
    pub fn allow_missing(mut self) -> Adoption {
        self.allow_empty = true;
        self.allow_missing = true;
        self
    }

    /// Allows, with [`Runner::adopt_first`](crate::Runner::adopt_first), migrations of the history
    /// that map to no change of this application. Otherwise the run fails before its first change,
    /// because a migration whose name was not found may be a change that would run again.
    pub fn allow_unmapped(mut self) -> Adoption {
        self.allow_unmapped = true;
        self
    }

    pub(super) fn table_name(&self) -> Option<&str> {
        self.table.as_deref().or(self.tool.table())
    }
}

/// Returns the table that a run adopts a tool's history from, if it is not the usual one.
pub(crate) fn table_of(adoptions: &[Adoption], tool: Tool) -> Option<&str> {
    let adoption = adoptions.iter().find(|adoption| adoption.tool == tool)?;
    adoption.table.as_deref()
}

/// Reports whether a run adopts the history of a tool.
pub(crate) fn is_adopted(adoptions: &[Adoption], tool: Tool) -> bool {
    adoptions.iter().any(|adoption| adoption.tool == tool)
}
