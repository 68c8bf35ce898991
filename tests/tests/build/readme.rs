//! The program of README.md, pasted into a crate outside of this workspace, and then broken in the
//! ways in which a first program breaks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamingock_tests::{cargo, normalise};
use tempfile::TempDir;

fn page(path: &str) -> String {
    fs::read_to_string(cargo::workspace().join(path)).unwrap()
}

/// The blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let parts = page.split("\n```");
    let found = parts.filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n'));
    found.collect()
}

/// What each `cargo run` of a page prints.
fn printed(page: &str) -> Vec<&str> {
    let runs = blocks(page, "console").into_iter();
    let runs = runs.flat_map(|block| {
        block
            .split("$ ")
            .filter_map(|run| run.strip_prefix("cargo run\n"))
    });
    runs.collect()
}

/// A crate of a user, and the folder that its program runs in.
struct App {
    package: PathBuf,
    home: TempDir,
}

impl App {
    fn new(name: &str) -> App {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("first-{name}"));
        let app = App {
            package: cargo::copy_of_fixture("first", &copy),
            home: TempDir::new().unwrap(),
        };
        // From the packed files, which must not need the workspace.
        let packaged = cargo::packaged();
        let library = |name: &str| packaged.join(cargo::folder_of(name));
        let manifest = fs::read_to_string(app.package.join("Cargo.toml")).unwrap();
        let source = fs::canonicalize(cargo::workspace().join("flamingock")).unwrap();
        let mut own = manifest
            .replace("first-app", &format!("first-app-{name}"))
            .replace(
                &format!("{source:?}"),
                &format!("{:?}", library("flamingock")),
            );
        own.push_str("\n[patch.crates-io]\n");
        for name in &cargo::LIBRARIES[1..] {
            own.push_str(&format!("{name} = {{ path = {:?} }}\n", library(name)));
        }
        fs::write(app.package.join("Cargo.toml"), own).unwrap();
        app
    }

    fn add_feature(&self, feature: &str) {
        let manifest = fs::read_to_string(self.package.join("Cargo.toml")).unwrap();
        // Flamingock is the first dependency.
        let feature = format!("features = [\"{feature}\", ");
        let more = manifest.replacen("features = [", &feature, 1);
        assert_ne!(manifest, more);
        fs::write(self.package.join("Cargo.toml"), more).unwrap();
    }

    fn build(&self, program: &str) -> Result<PathBuf, String> {
        fs::write(self.package.join("src/main.rs"), program).unwrap();
        let programs = cargo::try_build(&self.package.join("Cargo.toml"), &["--offline"])?;
        Ok(programs.into_values().next().unwrap())
    }

    /// Runs a command line in the folder. Returns whether it succeeded, and everything it printed.
    fn run(&self, command: &mut Command) -> (bool, String) {
        command
            .current_dir(self.home.path())
            .env_remove("FLAMINGOCK_MODE")
            .env_remove("NO_COLOR");
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }
}

#[test]
fn first_program_of_the_readme_works_as_pasted_and_says_what_is_wrong() {
    let (readme, guide) = (page("README.md"), page("flamingock/docs/quickstart.md"));
    let program = blocks(&readme, "rust")[0];
    let [program_of_guide, third] = blocks(&guide, "rust")[..] else {
        panic!("the guide has a program and a change");
    };
    assert_eq!(program, program_of_guide);
    let printed: [&str; 3] = printed(&guide).try_into().unwrap();
    assert_eq!(self::printed(&readme), printed[..2]);
    let app = App::new("readme");
    let built = app.build(program).unwrap();
    for expected in &printed[..2] {
        let (succeeded, text) = app.run(&mut Command::new(&built));
        assert!(succeeded, "{text}");
        assert_eq!(normalise(&text), normalise(expected));
    }

    // A change that fails after its first statement.
    let (head, main) = program.split_once("\n#[tokio::main]").unwrap();
    let failing = format!("{head}\n{third}\n\n#[tokio::main]{main}");
    let (succeeded, text) = app.run(&mut Command::new(app.build(&failing).unwrap()));
    assert!(!succeeded, "{text}");
    assert_eq!(normalise(&text), normalise(printed[2]));
    let repaired = failing.replace("INTO user VALUES", "INTO users VALUES");
    let (succeeded, text) = app.run(&mut Command::new(app.build(&repaired).unwrap()));
    assert!(
        succeeded && text.contains("1 newly applied, 2 already applied"),
        "{text}"
    );

    // A key that is misspelled.
    let misspelled = program.replacen("order =", "ordr =", 1);
    let error = app.build(&misspelled).unwrap_err();
    assert!(error.contains("did you mean `order`?"), "{error}");
    assert!(error.contains("src/main.rs:5:"), "{error}");

    // A database that is not there.
    let nowhere = program.replace("sqlite:quickstart.db?mode=rwc", "sqlite:nowhere/app.db");
    let (succeeded, text) = app.run(&mut Command::new(app.build(&nowhere).unwrap()));
    assert!(!succeeded, "{text}");
    assert!(text.contains("unable to open database file"), "{text}");
}

const COMMANDS: &str = r#"
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let pool = SqlitePool::connect("sqlite:app.db?mode=rwc").await.unwrap();
    flamingock::cli::run(flamingock::Runner::new(&pool)).await
}
"#;

/// In this workspace, cargo unites the features of all packages, which hides one that is missing.
#[test]
fn command_line_of_a_crate_outside_of_the_workspace_works_in_a_terminal() {
    let readme = page("README.md");
    let program = blocks(&readme, "rust")[0];
    let (changes, _) = program.split_once("\n#[tokio::main]").unwrap();
    let app = App::new("cli");
    app.add_feature("cli");
    let built = app.build(&format!("{changes}{COMMANDS}")).unwrap();
    let in_a_terminal = |arguments: &str| {
        let line = format!("{} {arguments}", built.display());
        // It gives the program a pseudo-terminal, and exits with its code.
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm");
        app.run(&mut script)
    };
    // The terminal has no size: a row of a table is a line.
    for (arguments, succeeds, expected) in [
        ("apply -vv", true, "change applied"),
        ("status", true, "create-users"),
        ("audit list --wide", true, "OPERATOR"),
        (
            "undo --last --plan",
            false,
            "\"first-user\" has no `#[rollback]`",
        ),
        ("plan --color always", true, "0 pending, 2 applied"),
        ("schema --upgrade", true, "nothing to do"),
    ] {
        let (succeeded, text) = in_a_terminal(arguments);
        assert_eq!(succeeded, succeeds, "{arguments}: {text}");
        assert!(text.contains(expected), "{arguments}: {text}");
    }
}
