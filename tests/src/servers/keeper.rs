//! The process that ensures that no server outlives this one.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::programs::Account;

/// A small shell that signals every process that works in a folder, and that kills them and removes
/// the folder as soon as this value is dropped or this process ends, even by SIGKILL.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    /// The shell reads its other end, which closes when this process ends.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    pub(crate) fn of(folder: &Path, account: Option<Account>) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", include_str!("keeper.sh"), "flamingock-test-keeper"])
            .arg(folder);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // An interrupt from the keyboard must not end it before it has finished.
        command.current_dir("/").process_group(0);
        let mut shell = Account::run(account, &mut command).spawn()?;
        let commands = shell.stdin.take();
        let answers = shell
            .stdout
            .take()
            .map(BufReader::new)
            .expect("standard output is a pipe");
        Ok(Self {
            shell,
            commands,
            answers,
        })
    }

    /// Kills every process, and returns once there is none.
    pub(crate) fn kill_all(&mut self) -> io::Result<()> {
        self.order("KILL")
    }

    /// Pauses every process.
    pub(crate) fn pause_all(&mut self) -> io::Result<()> {
        self.order("STOP")
    }

    /// Resumes every process.
    pub(crate) fn resume_all(&mut self) -> io::Result<()> {
        self.order("CONT")
    }

    /// Sends one signal, by its name, to one process.
    pub(crate) fn signal(&mut self, signal: &str, process: u32) -> io::Result<()> {
        self.order(&format!("{signal} {process}"))
    }

    fn order(&mut self, order: &str) -> io::Result<()> {
        let commands = self.commands.as_mut().expect("taken only by drop");
        writeln!(commands, "{order}")?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer)? {
            0 => Err(io::Error::other("the keeper of a test server is gone")),
            _ => Ok(()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.shell.wait();
    }
}
