//! The history of another tool, as its rows record it. Pure: the rows are read elsewhere.

use super::adopted::PassedOver;
use super::past::PastChange;
use super::tool::Tool;

/// A row, with every column as text.
pub(super) type Columns = Vec<Option<String>>;

/// The history of a tool: its applied migrations, and the reasons not to adopt it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    pub(super) applied: Vec<PastChange>,
    /// Attempts that failed or did not finish.
    pub(super) unresolved: Vec<String>,
    /// Rows that cannot be interpreted.
    pub(super) unknown: Vec<String>,
    /// The version up to which everything counts as applied, with or without a row.
    pub(super) up_to: Option<UpTo>,
    /// Rows that do not record a migration as applied, with the reasons.
    pub(super) passed_over: Vec<PassedOver>,
}

/// A version up to which everything counts as applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpTo {
    pub(super) version: String,
    /// The name of a change that the version covers.
    pub(super) name: String,
    pub(super) applied_at: Option<String>,
    /// Whether the tool itself refuses to continue if no file has this version.
    pub(super) must_be_here: bool,
}

/// Returns the queries that read a tool's table; the first one that the database accepts is used.
/// `{table}` stands for the table.
pub(super) fn queries(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Sqlx => {
            &["SELECT version, description, success, installed_on FROM {table} ORDER BY version"]
        }
        Tool::Refinery => &["SELECT version, name, applied_on FROM {table} ORDER BY version"],
        Tool::SeaOrm => &["SELECT version, applied_at FROM {table} ORDER BY version"],
        Tool::Diesel => &["SELECT version, run_on FROM {table} ORDER BY version"],
        Tool::Goose => &["SELECT version_id, is_applied, tstamp FROM {table} ORDER BY id"],
        Tool::Flyway => &[
            "SELECT version, type, script, success, installed_on, description FROM {table} \
               ORDER BY installed_rank",
        ],
        Tool::Dbmate => &["SELECT version FROM {table} ORDER BY version"],
        Tool::GolangMigrate => &["SELECT version, dirty FROM {table}"],
        Tool::Atlas => &[
            "SELECT version, description, type, applied, total, error, executed_at FROM {table} \
               ORDER BY version",
        ],
        Tool::Liquibase => &[
            "SELECT ID, AUTHOR, FILENAME, EXECTYPE, DATEEXECUTED FROM {table} \
               ORDER BY ORDEREXECUTED",
        ],
        // Flamingock for Java 1.0 renamed the column.
        Tool::FlamingockJava => &[
            "SELECT change_id, state, system_change, created_at FROM {table} ORDER BY id",
            "SELECT task_id, state, system_change, created_at FROM {table} ORDER BY id",
        ],
        Tool::Mongock => &[],
    }
}

impl History {
    /// Reports whether the history records nothing as applied.
    pub(super) fn is_empty(&self) -> bool {
        self.applied.is_empty()
            && self.unresolved.is_empty()
            && self.unknown.is_empty()
            && self.up_to.is_none()
    }

    pub(super) fn add(&mut self, id: String, name: String, applied_at: Option<String>) {
        self.applied.push(PastChange::new(id, name, applied_at));
    }

    /// Records a row that does not record a migration as applied.
    pub(super) fn pass_over(&mut self, name: String, why: &str) {
        self.passed_over.push(PassedOver {
            name,
            why: why.to_owned(),
        });
    }

    /// Removes migrations that a later row reverses.
    pub(super) fn forget_where(&mut self, is_it: impl Fn(&PastChange) -> bool, why: &str) {
        let (gone, kept) = std::mem::take(&mut self.applied)
            .into_iter()
            .partition(|past| is_it(past));
        self.applied = kept;
        for past in gone {
            let past: PastChange = past;
            self.pass_over(past.name, why);
        }
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.applied.retain(|past| past.id != id);
        self.unresolved.retain(|name| {
            let named = name.split(" (").next().unwrap_or(name);
            named != id
        });
    }

    /// Interprets a state. A later entry of the same change replaces an earlier one.
    pub(super) fn state(&mut self, id: &str, state: &str, at: Option<String>) {
        match state {
            "APPLIED" | "EXECUTED" | "MANUAL_MARKED_AS_APPLIED" | "MANUAL_MARKED_AS_EXECUTED" => {
                self.forget(id);
                self.add(id.to_owned(), id.to_owned(), at);
            }
            "ROLLED_BACK" | "MANUAL_MARKED_AS_ROLLED_BACK" => {
                self.forget(id);
                self.pass_over(id.to_owned(), "rolled back");
            }
            // The change was seen again, and skipped.
            "IGNORED" => {}
            state => {
                self.forget(id);
                self.unresolved.push(format!("{id} ({state})"));
            }
        }
    }
}

pub(super) fn text(column: Option<String>) -> String {
    column.unwrap_or_default()
}

/// PostgreSQL returns "t", MariaDB 1 or, for a BIT, the byte 1.
pub(super) fn is_true(column: Option<&str>) -> bool {
    matches!(column, Some("1" | "t" | "true" | "TRUE" | "\u{1}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adopt::interpret::history;

    fn read(tool: Tool, rows: &[&[&str]]) -> (Vec<String>, Vec<String>) {
        let rows = rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|column| (*column != "NULL").then(|| (*column).to_owned()))
                    .collect()
            })
            .collect();
        let history = history(tool, rows);
        let names = history.applied.into_iter().map(|past| past.name).collect();
        (names, history.unresolved)
    }

    type Case = (
        Tool,
        &'static [&'static [&'static str]],
        &'static [&'static str],
        &'static [&'static str],
    );

    #[test]
    fn each_tools_rows_say_what_is_applied_and_what_is_not_settled() {
        let cases: &[Case] = &[
            (
                Tool::Sqlx,
                &[&["1", "create users", "t", ""], &["2", "orders", "f", ""]],
                &["1 create users"],
                &["2 orders"],
            ),
            (
                Tool::Refinery,
                &[&["3", "initial", ""]],
                &["V3__initial"],
                &[],
            ),
            (Tool::SeaOrm, &[&["m1_a", "0"]], &["m1_a"], &[]),
            (Tool::Diesel, &[&["20240131", ""]], &["20240131"], &[]),
            (
                Tool::Goose,
                &[
                    &["0", "1", ""],
                    &["1", "1", ""],
                    &["2", "1", ""],
                    &["2", "0", ""],
                ],
                &["1"],
                &[],
            ),
            (
                Tool::Flyway,
                &[
                    &[
                        "NULL",
                        "SCHEMA",
                        "\"app\"",
                        "1",
                        "",
                        "<< Flyway Schema Creation >>",
                    ],
                    &["1", "SQL", "V1__a.sql", "1", "", "a"],
                    &["2", "SQL", "sub/V2__b.sql", "1", "", "b"],
                    &["2", "UNDO_SQL", "U2__b.sql", "1", "", "b"],
                    &["3", "JDBC", "db.migration.V3__c", "1", "", "c"],
                    &["4", "SQL", "V4__d.sql", "1", "", "d"],
                    &["4.0", "DELETE", "V4__d.sql", "1", "", "d"],
                    &["NULL", "SQL", "R__view.sql", "1", "", "view"],
                    &["NULL", "SQL", "R__view.sql", "1", "", "view"],
                    &["NULL", "SQL", "R__gone.sql", "1", "", "gone"],
                    &["NULL", "DELETE", "R__gone.sql", "1", "", "gone"],
                    &["5", "SQL", "V5__e.sql", "0", "", "e"],
                    &["6", "SCRIPT", "V6__f.sh", "1", "", "f"],
                    &["0.9", "SQL_BASELINE", "B0_9__all.sql", "1", "", "all"],
                ],
                &["V1__a", "V3__c", "R__view", "V6__f", "B0_9__all"],
                &["V5__e"],
            ),
            (
                Tool::Dbmate,
                &[&["001"], &["20240131"]],
                &["001", "20240131"],
                &[],
            ),
            (
                Tool::GolangMigrate,
                &[&["5", "t"]],
                &[],
                &["version 5, which is dirty"],
            ),
            (
                Tool::Liquibase,
                &[
                    &["1", "ada", "a.xml", "EXECUTED", ""],
                    &["2", "ada", "a.xml", "SKIPPED", ""],
                    &["3", "ada", "a.xml", "MARK_RAN", ""],
                    &["4", "ada", "a.xml", "FAILED", ""],
                ],
                &["a.xml::1::ada", "a.xml::3::ada"],
                &["a.xml::4::ada (FAILED)"],
            ),
            (
                Tool::FlamingockJava,
                &[
                    &["system", "APPLIED", "t", ""],
                    &["a", "STARTED", "f", ""],
                    &["a", "APPLIED", "f", ""],
                    &["b", "STARTED", "f", ""],
                    &["b", "FAILED", "f", ""],
                    &["b", "ROLLED_BACK", "f", ""],
                    &["c", "STARTED", "f", ""],
                    &["c", "FAILED", "NULL", ""],
                    &["d", "PAUSED", "f", ""],
                ],
                &["a"],
                &["c (FAILED)", "d (PAUSED)"],
            ),
        ];
        for (tool, rows, applied, unresolved) in cases {
            let (found, not_settled) = read(*tool, rows);
            assert_eq!(found, *applied, "{tool}");
            assert_eq!(not_settled, *unresolved, "{tool}");
        }
    }

    #[test]
    fn the_highest_baseline_of_flyway_counts_and_its_versions_compare_as_versions() {
        for (rows, expected) in [
            (
                &[["1.9", "BASELINE"], ["1.10", "BASELINE"]][..],
                Some("1.10"),
            ),
            (
                &[["1.10", "SQL_BASELINE"], ["1.9", "BASELINE"]],
                Some("1.10"),
            ),
            (&[["1", "INIT"]], Some("1")),
            (&[["1", "SQL"], ["0", "SCHEMA"]], None),
        ] {
            let rows = rows.iter().map(|[version, kind]| {
                let row = [version, kind, "<< Flyway Baseline >>", "1", "", "<< .. >>"];
                row.iter()
                    .map(|column| Some((*column).to_owned()))
                    .collect()
            });
            let history = history(Tool::Flyway, rows.collect());
            let up_to = history.up_to.map(|up_to| up_to.version);
            assert_eq!(up_to.as_deref(), expected);
        }
    }

    #[test]
    fn rows_of_flyway_that_are_not_understood_are_named() {
        let row = |version: Option<&str>, kind: &str| {
            let texts = [
                version,
                Some(kind),
                Some("V1__a.sql"),
                Some("1"),
                None,
                Some("a"),
            ];
            texts.iter().map(|text| text.map(str::to_owned)).collect()
        };
        let rows = vec![
            row(Some("1"), "CQL"),
            row(Some("x"), "SQL"),
            row(None, "BASELINE"),
        ];
        let history = history(Tool::Flyway, rows);
        assert_eq!(
            history.unknown,
            [
                "\"V1__a\" is of the type \"CQL\"",
                "\"V1__a\" has the version \"x\"",
                "the baseline \"V1__a\" has no version",
            ]
        );
        assert!(history.applied.is_empty());
    }
}
