//! The text of a new change. It fails when it runs until it has been written: a change that
//! does nothing would be recorded as applied.

use std::fmt::Write;

use crate::change::names::DEFAULT;
use crate::util::database_kind::DatabaseKind;

/// Everything that the text of a change contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewChange {
    /// The title, as it was passed to the command.
    pub(super) title: String,
    /// The words of the title, in lower case.
    pub(super) words: Vec<String>,
    pub(super) id: String,
    pub(super) order: String,
    pub(super) stage: Option<String>,
    pub(super) target: Option<String>,
    /// The database whose connection it takes.
    pub(super) database: Option<DatabaseKind>,
}

/// Words of Rust that no function can be named by. `crate`, `self` and `super` cannot even be
/// written as raw identifiers.
const KEYWORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while",
];

impl NewChange {
    /// Returns the name of its module: `_0003_create_orders`.
    pub(super) fn module(&self) -> String {
        let order: String = self
            .order
            .to_ascii_lowercase()
            .chars()
            .map(|one| {
                if one.is_ascii_alphanumeric() {
                    one
                } else {
                    '_'
                }
            })
            .collect();
        // Two of them in a row would not be snake case.
        let order: Vec<&str> = order.split('_').filter(|part| !part.is_empty()).collect();
        format!("_{}_{}", order.join("_"), self.words.join("_"))
    }

    /// Returns the name of its function.
    pub(super) fn function(&self) -> String {
        let name = self.words.join("_");
        let is_name = name.starts_with(|one: char| one.is_ascii_alphabetic());
        if is_name && !KEYWORDS.contains(&name.as_str()) {
            name
        } else {
            format!("change_{name}")
        }
    }

    /// Returns the title as the first sentence of a description.
    fn sentence(&self) -> String {
        let mut letters = self.title.chars();
        let first = letters.next().map(char::to_uppercase);
        let sentence: String = first.into_iter().flatten().chain(letters).collect();
        if sentence.ends_with(['.', '!', '?']) {
            sentence
        } else {
            format!("{sentence}.")
        }
    }

    /// Returns the text of its SQL file.
    pub(super) fn sql(&self) -> String {
        let keys = [("stage", &self.stage), ("target", &self.target)];
        let keys: Vec<String> = keys
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)))
            .collect();
        let mut text = String::new();
        if !keys.is_empty() {
            let _ = writeln!(text, "-- flamingock: {}", keys.join(", "));
        }
        let _ = write!(
            text,
            "-- {}\n\nREPLACE THIS LINE BY THE STATEMENTS OF THE CHANGE;\n",
            self.sentence()
        );
        text
    }

    /// Returns the text of its rollback as an SQL file.
    pub(super) fn sql_rollback() -> String {
        "REPLACE THIS LINE BY THE STATEMENTS THAT REVERSE THE CHANGE, OR DELETE THE FILE;\n"
            .to_owned()
    }

    /// Returns the text of its module.
    pub(super) fn rust(&self) -> String {
        let function = self.function();
        let keys = [
            ("id", Some(&self.id)),
            ("order", Some(&self.order)),
            ("stage", self.stage.as_ref()),
            ("target", self.target.as_ref()),
        ];
        let keys = keys
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key} = {:?}", value?)));
        let keys: Vec<String> = keys.collect();
        let one_line = format!("#[change({})]", keys.join(", "));
        // The width of rustfmt.
        let attribute = if one_line.len() <= 100 && keys.len() < 4 {
            one_line
        } else {
            format!("#[change(\n    {}\n)]", keys.join(",\n    "))
        };
        let (uses, argument, error) = match self.database {
            Some(kind) => (
                format!(
                    "use flamingock::{{change, rollback}};\nuse sqlx::{};\n",
                    connection(kind)
                ),
                format!("db: &mut {}", connection(kind)),
                "sqlx::Error",
            ),
            None => (
                "use flamingock::{BoxError, Context, change, rollback};\n".to_owned(),
                "cx: &Context".to_owned(),
                "BoxError",
            ),
        };
        let target = self.target.as_deref().filter(|name| *name != DEFAULT);
        let place = target.map_or_else(String::new, |name| format!(" at the target {name:?}"));
        let sentence = self.sentence();
        format!(
            "{uses}
/// {sentence}
{attribute}
async fn {function}({argument}) -> Result<(), {error}> {{
    todo!(\"write the change{place}\")
}}

#[rollback({function})]
async fn undo_{function}({argument}) -> Result<(), {error}> {{
    todo!(\"reverse the change, or delete this function\")
}}
",
            place = place.escape_default(),
        )
    }

    /// Returns its line of the manifest. Its digest is known once it is compiled.
    pub(super) fn manifest_line(&self, stage: &str, is_sql: bool) -> String {
        let transaction = if is_sql || self.database.is_some() {
            "transaction"
        } else {
            "no-transaction"
        };
        let target = self.target.as_deref().unwrap_or(DEFAULT);
        format!(
            "{stage} {} {:?} target={target} {transaction} v1:new",
            self.order, self.id
        )
    }
}

fn connection(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Sqlite => "SqliteConnection",
        DatabaseKind::Postgres => "PgConnection",
        DatabaseKind::MySql => "MySqlConnection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(title: &str, order: &str) -> NewChange {
        NewChange {
            title: title.to_owned(),
            words: title.to_lowercase().split(' ').map(str::to_owned).collect(),
            id: title.to_lowercase().replace(' ', "-"),
            order: order.to_owned(),
            stage: None,
            target: None,
            database: Some(DatabaseKind::Postgres),
        }
    }

    #[test]
    fn names_are_valid_in_rust() {
        for (title, order, module, function) in [
            (
                "create orders",
                "0003",
                "_0003_create_orders",
                "create_orders",
            ),
            ("type", "V1.9", "_v1_9_type", "change_type"),
            (
                "2nd index",
                "2026-01--31",
                "_2026_01_31_2nd_index",
                "change_2nd_index",
            ),
        ] {
            let change = change(title, order);
            assert_eq!(change.module(), module);
            assert_eq!(change.function(), function);
        }
    }

    #[test]
    fn keys_of_a_file_are_at_its_head() {
        let change = NewChange {
            stage: Some("views".to_owned()),
            target: Some("billing".to_owned()),
            ..change("orders view", "0003")
        };
        assert!(
            change
                .sql()
                .starts_with("-- flamingock: stage=views, target=billing\n-- Orders view.\n\n")
        );
    }
}
