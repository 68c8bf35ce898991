//! The reference pages are complete: each has the names that the code has.

use std::collections::BTreeSet;

use clap::Subcommand as _;

use super::{Page, root};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The names in code marks in the first column of a page's tables.
fn rows(page: &str) -> BTreeSet<String> {
    let page = Page::read(&root().join("flamingock/docs").join(page));
    let rows = page.prose.iter().filter_map(|(_, line)| {
        let cell = line.strip_prefix('|')?.split('|').next()?;
        Some(
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    });
    rows.flatten().collect()
}

/// The names that the page lacks.
fn missing<'a>(page: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let rows = rows(page);
    let names: Vec<&str> = names.into_iter().collect();
    assert!(names.len() > 3, "{page}: only {names:?}");
    let missing = names.into_iter().filter(|name| !rows.contains(*name));
    missing.map(|name| format!("{page}: {name}")).collect()
}

/// The text between two marks.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn reference_pages_have_every_name_of_the_code() {
    let mut wrong = Vec::new();

    let manifest = read("flamingock/Cargo.toml");
    let features = between(&manifest, "[features]\n", "\n[dependencies]");
    let features = features.lines().filter_map(|line| line.split_once(" = ["));
    let features = features.map(|(name, _)| name);
    let features = features.filter(|name| *name != "default" && !name.starts_with('_'));
    wrong.extend(missing("features.md", features));

    let sql = read("flamingock-sqlx-audit/src/postgres.rs");
    let columns = between(&sql, "CREATE TABLE IF NOT EXISTS {audit} (\n", "\n)");
    let columns = columns
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    wrong.extend(missing("audit-table.md", columns));

    let entry = read("flamingock/src/audit/entry.rs");
    let states = between(&entry, "    State {", "\n    }");
    let states = states.split('"').skip(1).step_by(2);
    wrong.extend(missing("audit-table.md", states));

    let kinds = read("flamingock/src/report/error/kind.rs");
    let kinds = between(&kinds, "match self {", "\n        }");
    let kinds = kinds.split('"').skip(1).step_by(2);
    wrong.extend(missing("exit-codes.md", kinds));

    let macros = read("flamingock-macros/src/lib.rs");
    let keys = between(&macros, "/// # Keys\n", "/// # Arguments");
    let keys = keys.lines().filter_map(|line| line.strip_prefix("/// | `"));
    let keys = keys.filter_map(|row| row.split('`').next());
    wrong.extend(missing("changes.md", keys));

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn command_line_page_has_every_command() {
    let page = read("flamingock/docs/operations.md");
    let commands = between(&page, "## Commands\n", "\n## ");
    let known = flamingock::cli::Command::augment_subcommands(clap::Command::new("my-app"));
    let mut wrong = Vec::new();
    for command in known
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        let inner = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        let mut names: Vec<String> = inner
            .map(|inner| format!("`{} {}", command.get_name(), inner.get_name()))
            .collect();
        if names.is_empty() {
            names.push(format!("`{}", command.get_name()));
        }
        wrong.extend(
            names
                .into_iter()
                .filter(|name| !commands.contains(name.as_str())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
