//! An adoption: whose history, from where, and how its changes are found here.

use std::sync::Arc;

use super::mapping::Mapping;
use super::past::PastChange;
use super::tool::Tool;
use crate::change::names::DEFAULT;
use crate::report::error::Error;

/// Another tool's history, and how its changes are found among those here.
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
    /// The history that this tool keeps in the audit's database, in its usual table. Its changes
    /// are found by their names: see [the rules](crate::adopt#which-change-is-which).
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

    /// The history that Mongock keeps in MongoDB, as `mongoexport --collection=mongockChangeLog`
    /// writes it: JSON, one document a line or all in one array.
    pub fn mongock(export: impl Into<String>) -> Adoption {
        Adoption {
            export: Some(export.into()),
            ..Adoption::of(Tool::Mongock)
        }
    }

    /// Names the table, where the tool was told to use another than its usual one: `table` or
    /// `schema.table`. A part with other characters than letters, digits, `_`, `$` and `-` stands in double
    /// quotes: `"my.schema"."History"`. Names are taken letter by letter; PostgreSQL's folding to small letters
    /// is known of the tools that do not quote their names.
    ///
    /// A table that is named must be there, unless [`allow_missing`](Adoption::allow_missing) says otherwise.
    pub fn table(mut self, name: impl Into<String>) -> Adoption {
        self.table = Some(name.into());
        self
    }

    /// The target system whose database has the table; "default", the audit's database, if it is not
    /// set.
    pub fn target(mut self, name: impl Into<String>) -> Adoption {
        self.target = name.into();
        self
    }

    /// Says which change here is which of theirs. None: it maps to nothing.
    pub fn map(
        mut self,
        function: impl Fn(&PastChange) -> Option<String> + Send + Sync + 'static,
    ) -> Adoption {
        self.mapping = Mapping::Function(Arc::new(function));
        self
    }

    /// The same as lines of a text, for example of a file: `their-id = our-id`, `their-id = -` for what
    /// has no change here, `#` for comments. What no line names is found by its name.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) with every line that is none of these.
    pub fn mapping(mut self, lines: &str) -> Result<Adoption, Error> {
        self.mapping = Mapping::parse(lines).map_err(super::problem::invalid)?;
        Ok(self)
    }

    /// Allows a history without a single change, or without the tool's usual table: a new environment
    /// has none. It is an error otherwise, since it mostly is the wrong database.
    ///
    /// It stays an error where a table of that name is in another schema or in other letters, and where a
    /// [table](Adoption::table) was named and is not there.
    pub fn allow_empty(mut self) -> Adoption {
        self.allow_empty = true;
        self
    }

    /// Allows the same, and also that the [table](Adoption::table) that was named is not there: for new
    /// environments of an application whose tool has a table of another name. Its schema must be there.
    pub fn allow_missing(mut self) -> Adoption {
        self.allow_empty = true;
        self.allow_missing = true;
        self
    }

    /// With [`Runner::adopt_first`](crate::Runner::adopt_first): what the history has applied may have
    /// no change here. It keeps the run from starting otherwise, since a name that is not found is
    /// a change that would run again.
    pub fn allow_unmapped(mut self) -> Adoption {
        self.allow_unmapped = true;
        self
    }

    pub(super) fn table_name(&self) -> Option<&str> {
        self.table.as_deref().or(self.tool.table())
    }
}

/// The table of a tool that a run was told to adopt from, if it is another one than the usual.
pub(crate) fn table_of(adoptions: &[Adoption], tool: Tool) -> Option<&str> {
    let adoption = adoptions.iter().find(|adoption| adoption.tool == tool)?;
    adoption.table.as_deref()
}

/// Whether a run was told to adopt from a tool.
pub(crate) fn is_adopted(adoptions: &[Adoption], tool: Tool) -> bool {
    adoptions.iter().any(|adoption| adoption.tool == tool)
}
