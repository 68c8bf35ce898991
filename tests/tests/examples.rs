//! The examples do what their words say: each is built and run as a user would.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;

use flamingock_tests::{Backend, cargo, scenarios};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

static EXAMPLES: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let packages = [
        "quickstart",
        "transactions",
        "changes-in-a-library",
        "axum-startup",
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

/// What a program that must have succeeded has printed.
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
    assert_eq!(run(), "default: up to date, 2 change(s) applied\n");
}

#[test]
fn changes_of_a_library_are_all_there() {
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
    assert_eq!(run(), "billing: up to date, 2 change(s) applied\n");
}

scenarios!(sqlite, postgres, mariadb; a_failed_transfer_leaves_nothing_behind);

async fn a_failed_transfer_leaves_nothing_behind<B: Backend>() {
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
        before.contains("\"transfer\" failed. default: 2 newly applied, 1 rolled back"),
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

/// The entries that the example shows: id and state, less what the database's start may be.
fn entries(text: &str) -> Vec<String> {
    let entries = text
        .lines()
        .filter_map(|line| line.strip_prefix("  audit    "));
    let entries = entries.map(|line| {
        line.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    });
    entries.collect()
}

#[test]
fn copies_that_start_together_apply_once_and_all_serve() {
    let folder = folder();
    let copies: Vec<Copy> = (0..4).map(|_| Copy::start(folder.path())).collect();
    let mut copies: Vec<(Copy, String)> = copies
        .into_iter()
        .map(|mut copy| {
            let said = copy.until_it_listens();
            (copy, said)
        })
        .collect();

    let applied = copies
        .iter()
        .filter(|(_, said)| said.starts_with("greetings: 2 newly applied"));
    assert_eq!(applied.count(), 1, "{copies:?}");
    let waited = copies
        .iter()
        .filter(|(_, said)| said.starts_with("greetings: up to date, 2"));
    assert_eq!(waited.count(), 3, "{copies:?}");

    for (copy, said) in &mut copies {
        let address = said.rsplit("http://").next().unwrap().trim();
        assert!(get(address).ends_with("\r\n\r\nHello!"), "{said}");
        copy.stop();
    }
}

/// A running copy of the web server.
#[derive(Debug)]
struct Copy {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Copy {
    fn start(folder: &Path) -> Copy {
        let mut process = example("axum-startup", folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Copy { process, output }
    }

    /// Everything that it says until then.
    fn until_it_listens(&mut self) -> String {
        let mut said = String::new();
        while !said.contains("listening on ") {
            let read = self.output.read_line(&mut said).unwrap();
            assert_ne!(read, 0, "it ended, and said: {said}");
        }
        said
    }

    /// Asks it to end, as an orchestrator does.
    fn stop(&mut self) {
        let id = Pid::from_child(&self.process);
        kill_process(id, Signal::TERM).unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "stopped\n");
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn get(address: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}
