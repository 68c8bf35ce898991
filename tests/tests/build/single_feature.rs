//! Each feature alone, from a crate outside of this workspace, inside of which cargo unites the
//! features of all packages and hides one that is missing. The programs run in a pseudo-terminal.

use std::path::{Path, PathBuf};
use std::process::Command;

use flamingock::{Runner, testing};
use flamingock_tests::{Backend, MariaDb, Postgres, Sqlite, cargo};

/// Runs a command line in a pseudo-terminal, twice. Returns what the first run printed.
fn run_twice(line: &str, url: &str, succeeds: bool) -> String {
    let run = || {
        let mut script = Command::new("script");
        script
            .args(["-qec", line, "/dev/null"])
            .env("TERM", "xterm")
            .env("DATABASE_URL", url)
            .env_remove("FLAMINGOCK_MODE");
        let output = script.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.success(), succeeds, "{line}: {text}");
        text
    };
    let first = run();
    run();
    first
}

fn fixture() -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("single-feature");
    cargo::copy_of_fixture("single_feature", &copy).join("Cargo.toml")
}

#[tokio::test]
#[ignore = "compiles a program for each feature: tests/run extra"]
async fn each_feature_works_alone_outside_of_the_workspace() {
    let manifest = fixture();
    let (sqlite, postgres) = (Sqlite::fresh().await, Postgres::fresh().await);
    let mysql = MariaDb::fresh().await;
    for (feature, arguments, url, succeeds, expected) in [
        ("", "", "", true, "1 newly applied"),
        ("sqlite", "", &*sqlite.url, true, "1 newly applied"),
        ("postgres", "", &*postgres.url, true, "1 newly applied"),
        ("mysql", "", &*mysql.url, true, "1 newly applied"),
        ("testing", "", "", true, "1 newly applied"),
        ("templates", "", "", true, "2 newly applied"),
        ("template-http", "", "", false, "Connection refused"),
        ("webhook", "", "", true, "1 newly applied"),
        ("otel", "", "", true, "1 newly applied"),
        ("axum", "", "", true, "1 newly applied"),
        ("cli", "apply -vv", "", true, "change applied"),
    ] {
        let built = cargo::build(&manifest, &["--offline", "--features", feature]);
        let program = built["single-feature"].display();
        let text = run_twice(&format!("{program} {arguments}"), url, succeeds);
        assert!(text.contains(expected), "{feature}: {text}");
    }
}

#[tokio::test]
#[ignore = "compiles a program for each feature: tests/run extra"]
async fn program_of_the_package_works_with_its_feature_alone() {
    let database = Sqlite::fresh().await;
    let pool = database.pool(1).await;
    let change = testing::change("first").build();
    let applied = Runner::new(&pool).changes([change]).run().await;
    assert_eq!(applied.unwrap().counts().newly_applied, 1);
    let manifest = cargo::workspace().join("flamingock-cli/Cargo.toml");
    let built = cargo::build(&manifest, &["--offline"]);
    let program = built["flamingock"].display();
    let line = format!(
        "{program} status --all-services --database-url '{}' -vv",
        database.url
    );
    let text = run_twice(&line, &database.url, true);
    assert!(text.contains("default"), "{text}");
}
