//! The program in a folder of its own, and its output without the parts that differ between runs.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use flamingock_tests::cargo;
pub(crate) use flamingock_tests::normalise;
use serde_json::Value;
use tempfile::TempDir;

static PROGRAMS: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let manifest = cargo::workspace().join("Cargo.toml");
    let mut programs = cargo::build(&manifest, &["-p", "operations"]);
    programs.extend(cargo::build(&manifest, &["-p", "flamingock-cli"]));
    programs
});

/// The path of the program.
pub(crate) fn program() -> &'static Path {
    program_named("operations")
}

/// The path of the example's program, or of the stand-alone one.
pub(crate) fn program_named(name: &str) -> &'static Path {
    &PROGRAMS[name]
}

/// The application, with a database and a folder of its own.
pub(crate) struct App {
    folder: TempDir,
    url: Option<String>,
}

impl App {
    /// On a SQLite file.
    pub(crate) fn on_a_file() -> App {
        App {
            folder: TempDir::new().unwrap(),
            url: None,
        }
    }

    pub(crate) fn on(url: &str) -> App {
        App {
            folder: TempDir::new().unwrap(),
            url: Some(url.to_owned()),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program under the name "operations", isolated from the environment of the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg0("operations").args(arguments);
        self.surround(&mut command);
        command
    }

    /// The stand-alone program, with the application's database and service.
    pub(crate) fn central(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.central_command(arguments).output().unwrap())
    }

    /// The same as a command that can be spawned.
    pub(crate) fn central_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&PROGRAMS["flamingock"]);
        command.arg0("flamingock");
        self.surround(&mut command);
        if self.url.is_none() {
            command.env("DATABASE_URL", "sqlite:operations.db");
        }
        if !arguments.contains(&"--service") {
            command.args(["--service", "orders"]);
        }
        command.args(arguments);
        command
    }

    /// A shell like [`shell`](Self::shell), with the application's database in its environment.
    pub(crate) fn central_shell(&self, line: &str) -> Ran {
        self.shell(&format!(
            ": ${{DATABASE_URL:=sqlite:operations.db}}; export DATABASE_URL; {line}"
        ))
    }

    /// The same with `--json`: the exit code and the document.
    pub(crate) fn central_json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.central(&[arguments, &["--json"]].concat());
        (ran.code, ran.json())
    }

    /// A shell that finds the program by its name, like that of an operator who pastes a command.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.surround(&mut command);
        Ran::of(&command.output().unwrap())
    }

    pub(crate) fn surround(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(program().parent().unwrap().to_owned())
            .chain(std::env::split_paths(&path));
        command
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(folders).unwrap());
        for name in [
            "FLAMINGOCK_MODE",
            "DATABASE_URL",
            "NO_COLOR",
            "BROKER",
            "BROKER_DOWN",
            "BROKER_PANICS",
        ] {
            command.env_remove(name);
        }
        if let Some(url) = &self.url {
            command.env("DATABASE_URL", url);
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with(
        &self,
        name: impl AsRef<OsStr>,
        value: impl AsRef<OsStr>,
        arguments: &[&str],
    ) -> Ran {
        Ran::of(&self.command(arguments).env(name, value).output().unwrap())
    }

    /// Returns the exit code and the document of a command with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.run(&[arguments, &["--json"]].concat());
        (ran.code, ran.json())
    }

    /// Returns the normalised output of a command that succeeds.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (0, ""),
            "{arguments:?}: {}",
            ran.stdout
        );
        normalise(&ran.stdout)
    }

    /// The outcomes of the changes, in order.
    pub(crate) fn status(&self) -> Vec<String> {
        let (code, document) = self.json(&["status"]);
        assert_eq!(code, 0, "{document}");
        texts(&document["changes"], "status")
    }
}

/// One field of every object of a list.
pub(crate) fn texts(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|one| one[field].as_str().unwrap().to_owned())
        .collect()
}

/// The exit code and the output of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }
}
