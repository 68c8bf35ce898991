//! The pages for teams that come from another tool, each with a folder and a history of that tool.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use flamingock_tests::{Backend as _, Page, Postgres, cargo};

const TOOLS: [&str; 10] = [
    "dbmate",
    "diesel",
    "flamingock-java",
    "flyway",
    "golang-migrate",
    "goose",
    "liquibase",
    "refinery",
    "sea-orm",
    "sqlx",
];

/// The programs of the pages, whose names are those of the pages.
static PROGRAMS: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let packages = TOOLS.map(page_of);
    let arguments: Vec<&str> = packages.iter().flat_map(|name| ["-p", name]).collect();
    cargo::build(&cargo::workspace().join("Cargo.toml"), &arguments)
});

fn page_of(tool: &str) -> String {
    format!("coming-from-{tool}")
}

/// The folder of the page's program.
fn package(tool: &str) -> PathBuf {
    let folder = cargo::workspace().join("tests/snippets/coming_from");
    folder.join(tool)
}

fn text(page: &str) -> String {
    let file = format!("flamingock/docs/{page}.md");
    fs::read_to_string(cargo::workspace().join(file)).unwrap()
}

/// Runs the page of a tool, whose files next to the program are in its folder.
async fn check(tool: &str) {
    let database = Postgres::fresh().await;
    let name = page_of(tool);
    let page = Page::document(&name, &PROGRAMS[&name], "my-app")
        .with("DATABASE_URL", "$DATABASE_URL", &database.url)
        .skipping(&["cargo add "]);
    for entry in fs::read_dir(package(tool)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, page.folder().join(path.file_name().unwrap())).unwrap();
        }
        if path.extension().is_some_and(|extension| extension == "map") {
            let mapping = format!("```text\n{}```\n", fs::read_to_string(&path).unwrap());
            assert!(text(&name).contains(&mapping), "{name}: {mapping}");
        }
    }
    let written = page.shell("psql -X -q -v ON_ERROR_STOP=1 -f history.sql $DATABASE_URL");
    assert_eq!(written.code, Some(0), "{tool}: {written:?}");
    page.check();
}

#[tokio::test]
async fn pages_of_other_tools_show_the_actual_output() {
    for tool in TOOLS {
        check(tool).await;
    }
}

#[test]
fn every_page_of_another_tool_is_run_and_listed() {
    let docs = cargo::workspace().join("flamingock/docs");
    let index = text("coming-from");
    let names = fs::read_dir(docs).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let tool = name.strip_prefix("coming-from-")?.strip_suffix(".md")?;
        Some(tool.to_owned())
    });
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names, TOOLS.map(str::to_owned).into());
    for tool in TOOLS {
        assert!(
            index.contains(&format!("]({}.md)", page_of(tool))),
            "{tool}"
        );
    }
}
