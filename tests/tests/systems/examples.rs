//! The examples work as described: each is built and run like a user would.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Duration;

use flamingock::Runner;
use flamingock_tests::{
    Backend, Driver, Page, Postgres, block_until, cargo, normalise, scenarios, until,
};
use sqlx::SqlitePool;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

static EXAMPLES: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let packages = [
        "quickstart",
        "quickstart-postgres",
        "transactions",
        "changes-in-a-library",
        "axum-startup",
        "axum-background",
        "backfill",
    ];
    let arguments: Vec<&str> = packages
        .iter()
        .flat_map(|package| ["-p", package])
        .collect();
    cargo::build(&cargo::workspace().join("Cargo.toml"), &arguments)
});

fn example(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(&EXAMPLES[name]);
    command
        .current_dir(folder)
        .env_remove("FLAMINGOCK_MODE")
        .env_remove("DATABASE_URL");
    command
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// The output of a program that must succeed.
fn success(output: &Output) -> String {
    let (text, errors) = texts(output);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(errors, "");
    text
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn quickstart_applies_once() {
    let folder = folder();
    let run = || success(&example("quickstart", folder.path()).output().unwrap());
    let first = run();
    assert!(first.starts_with("default: 2 newly applied in "), "{first}");
    assert!(
        first.contains("\n  newly applied   0001 create-users ("),
        "{first}"
    );
    assert!(
        first.contains("\n  newly applied   0002 first-user ("),
        "{first}"
    );
    assert_eq!(run(), "default: up to date, 2 changes applied\n");
}

#[test]
fn backfill_is_continued_after_a_kill() {
    let folder = folder();
    // A second start begins anew.
    for _ in 0..2 {
        let output = success(&example("backfill", folder.path()).output().unwrap());
        let page = include_str!("../../../examples/backfill/README.md");
        let shown = page.split("$ cargo run -p backfill\n").nth(1).unwrap();
        let shown = shown.split("```").next().unwrap();
        let plain = |text: &str| normalise(text).replace("<n> s", "<n> ms");
        assert_eq!(plain(&output), plain(shown));
    }
}

#[tokio::test]
async fn postgres_quickstart_applies_once() {
    let (database, folder) = (Postgres::fresh().await, folder());
    let run = || {
        let mut command = example("quickstart-postgres", folder.path());
        success(&command.env("DATABASE_URL", &database.url).output().unwrap())
    };
    let first = run();
    assert!(first.starts_with("default: 2 newly applied in "), "{first}");
    assert_eq!(run(), "default: up to date, 2 changes applied\n");
}

#[tokio::test]
async fn page_of_the_postgres_quickstart_shows_the_actual_output() {
    let database = Postgres::fresh().await;
    let name = "quickstart-postgres";
    Page::document(name, &EXAMPLES[name], "my-app")
        .with("DATABASE_URL", "$DATABASE_URL", &database.url)
        .skipping(&["cargo add ", "cargo new ", "export "])
        .replacing("cargo run", "my-app")
        .check();
}

#[test]
fn all_changes_of_a_library_are_linked() {
    let folder = folder();
    let run = || {
        success(
            &example("changes-in-a-library", folder.path())
                .output()
                .unwrap(),
        )
    };
    let first = run();
    assert!(first.starts_with("billing: 2 newly applied in "), "{first}");
    let schema = first.find("schema/0001 create-invoices").unwrap();
    let data = first.find("data/0001 first-invoice").unwrap();
    assert!(schema < data, "{first}");
    assert_eq!(run(), "billing: up to date, 2 changes applied\n");
}

scenarios!(sqlite, postgres, mariadb; failed_transfer_leaves_nothing_behind);

async fn failed_transfer_leaves_nothing_behind<B: Backend>() {
    let database = B::fresh().await;
    let folder = folder();
    let run = |arguments: &[&str]| {
        let mut command = example("transactions", folder.path());
        command
            .args(arguments)
            .env("DATABASE_URL", &database.url)
            .output()
            .unwrap()
    };

    let failed = run(&[]);
    let (text, _) = texts(&failed);
    assert_eq!(failed.status.code(), Some(1), "{text}");
    let (before, after) = text.split_once("after:\n").unwrap();
    assert!(before.starts_with("before:\n  no accounts yet\n"), "{text}");
    assert!(
        before.contains("\"transfer\" failed\ndefault: 2 newly applied, 1 rolled back"),
        "{text}"
    );
    assert!(
        after.starts_with("  account  Ada  100\n  account  Ben  20\n"),
        "{text}"
    );
    assert_eq!(
        entries(after),
        [
            "create-accounts APPLIED",
            "opening-balances APPLIED",
            "transfer FAILED",
            "transfer ROLLED_BACK"
        ]
    );

    let text = success(&run(&["fixed"]));
    let (_, after) = text.split_once("after:\n").unwrap();
    assert!(
        text.contains("1 newly applied, 2 already applied"),
        "{text}"
    );
    assert!(
        after.starts_with("  account  Ada  50\n  account  Ben  70\n"),
        "{text}"
    );
    assert_eq!(entries(after).last().unwrap(), "transfer APPLIED");
}

/// The entries that the example shows: id and state. MariaDB has an additional `STARTED` for each.
fn entries(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("  audit    "))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            words.join(" ")
        })
        .filter(|entry| !entry.ends_with(" STARTED"))
        .collect()
}

#[tokio::test]
async fn instances_that_start_together_apply_once_and_all_serve() -> io::Result<()> {
    let folder = folder();
    let copies: Result<Vec<Driver>, _> = (0..4)
        .map(|_| Driver::spawn(example("axum-startup", folder.path()).into()))
        .collect();
    let mut said = Vec::new();
    for mut copy in copies? {
        let listening = copy.line("listening on http://", SOON).await?;
        let address = listening.rsplit('/').next().unwrap_or_default();
        assert!(get(address)?.ends_with("\r\n\r\nHello!"));
        copy.terminate()?;
        let finished = copy.finish(SOON).await?;
        assert!(finished.status.success(), "{finished:?}");
        assert!(finished.stdout.ends_with("stopped\n"), "{finished:?}");
        said.push(finished.stdout);
    }
    let how_many = |words: &str| said.iter().filter(|text| text.starts_with(words)).count();
    assert_eq!(how_many("greetings: 2 newly applied in "), 1, "{said:?}");
    assert_eq!(how_many("greetings: up to date, 2 changes"), 3, "{said:?}");
    Ok(())
}

#[tokio::test]
async fn replicas_are_ready_while_one_of_them_works_in_the_background() -> io::Result<()> {
    let folder = folder();
    let copies: Result<Vec<Driver>, _> = (0..3)
        .map(|_| Driver::spawn(example("axum-background", folder.path()).into()))
        .collect();
    let mut copies = copies?;
    let mut addresses = Vec::new();
    for copy in &mut copies {
        let listening = copy.line("listening on http://", SOON).await?;
        addresses.push(listening.rsplit('/').next().unwrap_or_default().to_owned());
    }
    let asked = |address: &str, path: &str| {
        let answer = get_path(address, path).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.contains(" 200 OK"), body.to_owned())
    };
    for address in &addresses {
        block_until("the copy is ready", || asked(address, "/health/ready").0);
        assert!(asked(address, "/health/live").0);
    }
    let url = format!("sqlite:{}", folder.path().join("users.db").display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    let runner = Runner::new(&pool).service("users").changes([]);
    until("a batch is committed", async || {
        let progress = runner.progress().await.unwrap();
        progress.first().is_some_and(|one| one.batches > 0)
    })
    .await;
    for address in &addresses {
        let (is_read, progress) = asked(address, "/health/progress");
        assert!(
            is_read && progress.contains("\"state\":\"in_background\""),
            "{progress}"
        );
        assert!(progress.contains("\"total_rows\":20000"), "{progress}");
        assert!(asked(address, "/health/ready").0);
    }
    // The one that works is killed: another one continues.
    let owner = runner.lanes().await.unwrap().remove(0).owner;
    let works = copies
        .iter()
        .position(|copy| owner.contains(&format!("(process {} on", copy.pid())))
        .unwrap();
    copies.remove(works).kill()?;
    addresses.remove(works);
    for address in &addresses {
        block_until("every user has the column", || {
            asked(address, "/").1 == "20000"
        });
        block_until("the work is done", || {
            asked(address, "/health/ready").1.contains("\"done\"")
        });
    }
    let times = "SELECT times, count(*) FROM users GROUP BY times";
    let times: Vec<(i64, i64)> = sqlx::query_as(times).fetch_all(&pool).await.unwrap();
    assert_eq!(times, [(1, 20_000)]);
    for mut copy in copies {
        copy.terminate()?;
        let finished = copy.finish(SOON).await?;
        assert!(finished.status.success(), "{finished:?}");
        assert!(finished.stdout.contains("users: "), "{finished:?}");
    }
    Ok(())
}

fn get(address: &str) -> io::Result<String> {
    get_path(address, "/")
}

pub(super) fn get_path(address: &str, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(SOON))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
