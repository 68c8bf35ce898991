//! A page as a script, such as the `README.md` of an example: its commands are run and their output
//! compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use std::{fs, io};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{Driver, Proxy, cargo, normalise};

const SOON: Duration = Duration::from_secs(20);

/// If set, the outputs in the pages are replaced instead of compared.
const UPDATE: &str = "FLAMINGOCK_UPDATE_PAGES";

/// An example in its own folder, with the servers of one test in place of those that its page
/// names.
#[derive(Debug)]
pub struct Page {
    file: PathBuf,
    program: PathBuf,
    folder: TempDir,
    /// The folder of the program under the name that the page has for it.
    _renamed: Option<TempDir>,
    variables: Vec<Variable>,
    skipped: Vec<String>,
    replaced: Vec<(String, String)>,
}

/// The value of a variable in the page, and here.
#[derive(Debug)]
struct Variable {
    name: String,
    documented: String,
    actual: String,
}

/// The exit code and output of a command, with the addresses of the page.
#[derive(Debug)]
pub struct Said {
    /// The exit code, or none after a signal.
    pub code: Option<i32>,
    /// Standard output and standard error, unchanged.
    pub text: String,
}

impl Page {
    /// The page `README.md` in this folder, and its program.
    ///
    /// # Panics
    ///
    /// Panics if there can be no temporary folder.
    #[must_use]
    pub fn of(example: &str, program: &Path) -> Page {
        Page::new(
            cargo::workspace().join(example).join("README.md"),
            program.to_owned(),
            None,
        )
    }

    /// The page `flamingock/docs/NAME.md`, and the program that the page calls `called`.
    ///
    /// # Panics
    ///
    /// Panics if there can be no temporary folder with a link to the program.
    #[must_use]
    pub fn document(name: &str, program: &Path, called: &str) -> Page {
        let folder = TempDir::new().expect("a temporary folder");
        let link = folder.path().join(called);
        std::os::unix::fs::symlink(program, &link).expect("a link to the program");
        let file = format!("flamingock/docs/{name}.md");
        Page::new(cargo::workspace().join(file), link, Some(folder))
    }

    fn new(file: PathBuf, program: PathBuf, renamed: Option<TempDir>) -> Page {
        Page {
            file,
            program,
            folder: TempDir::new().expect("a temporary folder"),
            _renamed: renamed,
            variables: Vec::new(),
            skipped: Vec::new(),
            replaced: Vec::new(),
        }
    }

    /// Commands that begin with these words are for the reader, and have no output in the page.
    #[must_use]
    pub fn skipping(mut self, beginnings: &[&str]) -> Page {
        let beginnings = beginnings.iter().map(|words| (*words).to_owned());
        self.skipped.extend(beginnings);
        self
    }

    /// Runs the command `run` where the page has the command `shown`.
    #[must_use]
    pub fn replacing(mut self, shown: &str, run: &str) -> Page {
        self.replaced.push((shown.to_owned(), run.to_owned()));
        self
    }

    /// The page shows `documented` for the value `actual` here; the commands find it in the
    /// variable `name`.
    #[must_use]
    pub fn with(mut self, name: &str, documented: &str, actual: impl Into<String>) -> Page {
        self.variables.push(Variable {
            name: name.to_owned(),
            documented: documented.to_owned(),
            actual: actual.into(),
        });
        self
    }

    /// The folder that commands run in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command, like a user types it.
    ///
    /// # Panics
    ///
    /// Panics if there is no shell.
    #[must_use]
    pub fn shell(&self, line: &str) -> Said {
        let output = self.command(&format!("{{ {line}\n}} 2>&1")).output();
        self.said(&output.expect("a shell"))
    }

    /// The same as a process that a test can watch and kill: the line should begin with `exec`.
    #[must_use]
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ours = self.program.parent().map(Path::to_owned);
        let folders = ours.into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).expect("folders without colons");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", path);
        for name in ["FLAMINGOCK_MODE", "NO_COLOR", "DATABASE_URL"] {
            command.env_remove(name);
        }
        for variable in &self.variables {
            command.env(&variable.name, &variable.actual);
        }
        command
    }

    /// The entries of a change, in order.
    ///
    /// # Panics
    ///
    /// Fails if the program cannot list them.
    #[must_use]
    pub fn states(&self, change: &str) -> Vec<String> {
        let name = self.name();
        let list = format!("{name} audit list {change} --history --json");
        let listed = self.shell(&list);
        let document: Value = serde_json::from_str(&listed.text).expect("a document");
        let entries = document["entries"].as_array().expect("entries");
        let state = |entry: &Value| entry["state"].as_str().expect("a state").to_owned();
        entries.iter().map(state).collect()
    }

    /// Applies until the proxy holds an answer back, kills the program there, and releases its
    /// lock: otherwise the next run would wait for the end of the lease.
    ///
    /// The program finds the proxy in this variable, at this address.
    ///
    /// # Errors
    ///
    /// Fails if the program ends, or the proxy has no answer to hold back.
    ///
    /// # Panics
    ///
    /// Fails if the lock can't be released.
    pub async fn kill_while_held(
        &self,
        proxy: &Proxy,
        variable: &str,
        address: &str,
    ) -> io::Result<()> {
        let mut command = self.command(&format!("exec {} apply", self.name()));
        command.env(variable, address);
        let mut dying = Driver::spawn(command.into())?;
        timeout(SOON, proxy.held()).await?;
        dying.kill()?;
        dying.finish(SOON).await?;
        let released = self.shell(&format!("{} lock release --reason killed", self.name()));
        assert_eq!(released.code, Some(0), "{released:?}");
        Ok(())
    }

    fn name(&self) -> String {
        let name = self.program.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Runs every command of the page, one after the other, and compares its output with the page,
    /// except for the parts that differ between runs.
    ///
    /// Commands are the lines of its blocks of `console` that begin with `$ `; other blocks are for
    /// the reader. A block in a list is indented.
    ///
    /// # Panics
    ///
    /// Panics if the output of a command differs, or the page has none.
    pub fn check(&self) {
        let page = fs::read_to_string(&self.file).expect("a page");
        let (mut checked, mut count) = (String::new(), 0);
        // The indentation of the block of commands that is open.
        let mut console: Option<&str> = None;
        let mut lines = page.lines().peekable();
        while let Some(line) = lines.next() {
            checked.push_str(&format!("{line}\n"));
            let (indent, text) = line.split_at(line.len() - line.trim_start().len());
            if text.starts_with("```") {
                console = (text == "```console").then_some(indent);
            }
            let Some((indent, command)) = console.zip(text.strip_prefix("$ ")) else {
                continue;
            };
            let mut shown = String::new();
            while let Some(line) = lines.next_if(|line| !is_end(unindented(line, indent))) {
                shown.push_str(&format!("{}\n", unindented(line, indent)));
            }
            let Some(run) = self.run_for(command) else {
                assert_eq!(shown, "", "{}: {command}", self.file.display());
                continue;
            };
            let said = self.shell(run).text;
            for line in self.compare(command, shown, &said).lines() {
                let line = format!("{indent}{line}");
                checked.push_str(&format!("{}\n", line.trim_end()));
            }
            count += 1;
        }
        assert!(count > 0, "{} has no command", self.file.display());
        if std::env::var_os(UPDATE).is_some() && checked != page {
            fs::write(&self.file, checked).expect("a page that can be written");
        }
    }

    /// The command to run for one of the page, if any.
    fn run_for<'a>(&'a self, command: &'a str) -> Option<&'a str> {
        let mut replaced = self.replaced.iter();
        if let Some((_, run)) = replaced.find(|(shown, _)| shown == command) {
            return Some(run);
        }
        let mut skipped = self.skipped.iter();
        let is_skipped = skipped.any(|words| command.starts_with(words.as_str()));
        (!is_skipped).then_some(command)
    }

    /// The output for the page.
    fn compare(&self, command: &str, shown: String, said: &str) -> String {
        // A page has no blanks at the ends of its lines, and no empty line at the end of a block.
        let lines = |text: &str| {
            let text = normalise(text);
            let lines = text
                .trim_end()
                .lines()
                .map(|line| line.trim_end().to_owned());
            lines.collect::<Vec<_>>()
        };
        if lines(said) == lines(&shown) {
            return shown;
        }
        assert!(
            std::env::var_os(UPDATE).is_some(),
            "{}: `{command}` says:\n{said}\nand the page shows:\n{shown}\n({UPDATE}=1 writes it)",
            self.file.display()
        );
        match said.is_empty() || said.ends_with('\n') {
            true => said.to_owned(),
            false => format!("{said}\n"),
        }
    }

    fn said(&self, output: &Output) -> Said {
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        for variable in &self.variables {
            text = text.replace(&variable.actual, &variable.documented);
        }
        Said {
            code: output.status.code(),
            text,
        }
    }
}

/// A line of a block that is indented, as in a list.
fn unindented<'a>(line: &'a str, indent: &str) -> &'a str {
    line.strip_prefix(indent).unwrap_or(line)
}

/// Whether an output ends before this line.
fn is_end(line: &str) -> bool {
    line.starts_with("$ ") || line.starts_with("```")
}
