//! Interpreting the rows of a history, tool by tool.

use super::tool::Tool;
use super::{atlas, flyway};
use crate::adopt::history::{Columns, History, UpTo, is_true, text};

/// Interprets the rows.
pub(super) fn history(tool: Tool, rows: Vec<Columns>) -> History {
    let mut history = History::default();
    match tool {
        Tool::GolangMigrate => {
            golang(&mut history, rows);
            return history;
        }
        Tool::Atlas => {
            atlas::read(&mut history, rows);
            return history;
        }
        Tool::Sqlx
        | Tool::Refinery
        | Tool::SeaOrm
        | Tool::Diesel
        | Tool::Goose
        | Tool::Flyway
        | Tool::Dbmate
        | Tool::Liquibase
        | Tool::FlamingockJava
        | Tool::Mongock => {}
    }
    for mut row in rows {
        let mut take = |column: usize| row.get_mut(column).and_then(Option::take);
        match tool {
            Tool::Sqlx => {
                let (version, description) = (text(take(0)), text(take(1)));
                let name = format!("{version} {description}");
                if is_true(take(2).as_deref()) {
                    history.add(version, name, take(3));
                } else {
                    history.unresolved.push(name);
                }
            }
            Tool::Refinery => {
                let version = text(take(0));
                let name = format!("V{version}__{}", text(take(1)));
                history.add(version, name, take(2));
            }
            Tool::SeaOrm | Tool::Diesel | Tool::Dbmate => {
                let version = text(take(0));
                history.add(version.clone(), version, take(1));
            }
            Tool::Goose => goose(&mut history, text(take(0)), take(1).as_deref(), take(2)),
            Tool::Flyway => {
                let row = flyway::Row {
                    version: take(0),
                    kind: text(take(1)),
                    script: text(take(2)),
                    success: take(3),
                    installed_on: take(4),
                    description: text(take(5)),
                };
                flyway::read(&mut history, row);
            }
            Tool::Liquibase => {
                let id = text(take(0));
                let author = text(take(1));
                let name = format!("{}::{id}::{author}", text(take(2)));
                match text(take(3)).as_str() {
                    "EXECUTED" | "RERAN" | "MARK_RAN" => history.add(id, name, take(4)),
                    "SKIPPED" => history.pass_over(name, "skipped by Liquibase"),
                    state => history.unresolved.push(format!("{name} ({state})")),
                }
            }
            Tool::FlamingockJava => {
                let (id, state) = (text(take(0)), text(take(1)));
                // Changes of the framework itself are no changes of the application.
                if !is_true(take(2).as_deref()) {
                    history.state(&id, &state, take(3));
                }
            }
            // Interpreted as a whole, or not read from a table.
            Tool::GolangMigrate | Tool::Atlas | Tool::Mongock => {}
        }
    }
    history
}

/// Interprets the single row, which has the current version of the database. golang-migrate never
/// looks at files below it again.
fn golang(history: &mut History, rows: Vec<Columns>) {
    if rows.len() > 1 {
        let count = rows.len();
        history.unknown.push(format!(
            "its table has {count} rows, and golang-migrate writes one"
        ));
        return;
    }
    for mut row in rows {
        let mut take = |column: usize| row.get_mut(column).and_then(Option::take);
        let version = text(take(0));
        if is_true(take(1).as_deref()) {
            history
                .unresolved
                .push(format!("version {version}, which is dirty"));
        } else {
            history.up_to = Some(UpTo {
                name: format!("at or below version {version}, which golang-migrate is at"),
                version,
                applied_at: None,
                must_be_here: true,
            });
        }
    }
}

/// Interprets a row of goose. The latest row of a version counts: older versions of goose append a
/// row "not applied" where newer ones delete the row. Version 0 marks the beginning of the table.
fn goose(history: &mut History, version: String, applied: Option<&str>, at: Option<String>) {
    if version == "0" {
        history.pass_over(version, "the beginning of the table");
        return;
    }
    history.forget(&version);
    if is_true(applied) {
        history.add(version.clone(), version, at);
    } else {
        history.pass_over(version, "taken down");
    }
}
