//! The processes of one server, in a temporary folder.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, io};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::keeper::Keeper;
use super::programs::Account;

/// For the server's own work: preparing a folder, recovering after a kill, shutting down.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two checks of a condition that has no notification.
const POLL: Duration = Duration::from_millis(10);

/// The common part of a [`Server`](super::Server) and a [`System`](super::System): a folder, and
/// the processes that work in it. They end with this value, and with this process in any case.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    // Fields are dropped in this order: the keeper kills, then the rest of the folder is removed.
    keeper: Keeper,
    main: Option<Child>,
    account: Option<Account>,
    folder: TempDir,
    name: &'static str,
}

impl ServerProcess {
    /// An empty folder, for the first of these users that exists if this process is root.
    pub(crate) fn new(name: &'static str, accounts: &[&str]) -> io::Result<Self> {
        let account = Account::unprivileged(accounts)?;
        // The path that the kernel and the servers report, without links.
        let parent = fs::canonicalize(env::temp_dir())?;
        let folder = tempfile::Builder::new()
            .prefix("flamingock-server-")
            .tempdir_in(parent)?;
        Account::give(account, folder.path())?;
        Ok(Self {
            keeper: Keeper::of(folder.path(), account)?,
            main: None,
            account,
            folder,
            name,
        })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.main.as_ref().map(Child::id)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn spawn(&mut self, mut command: Command) -> io::Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // The keeper finds processes by their folder; and an interrupt from the keyboard is for
        // this process only.
        command.current_dir(self.folder.path()).process_group(0);
        self.main = Some(Account::run(self.account, &mut command).spawn()?);
        Ok(())
    }

    /// Starts a server on an empty log, and returns once it answers.
    pub(crate) async fn serve<A: Future<Output = bool>>(
        &mut self,
        command: Command,
        answers: impl Fn() -> A,
    ) -> io::Result<()> {
        fs::write(self.log(), "")?;
        self.spawn(command)?;
        let deadline = Instant::now() + PATIENCE;
        while !answers().await {
            if let Some(main) = &mut self.main
                && main.try_wait()?.is_some()
            {
                self.main = None;
                return Err(self.failure("did not start"));
            }
            if Instant::now() > deadline {
                return Err(self.failure("does not answer"));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until the first process has ended.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let main = self
                .main
                .as_mut()
                .ok_or_else(|| io::Error::other("nothing runs"))?;
            if let Some(status) = main.try_wait()? {
                self.main = None;
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(self.failure("does not end"));
            }
            sleep(POLL).await;
        }
    }

    /// Sends the first process a signal, by its name, and waits for its end.
    pub(crate) async fn stop(&mut self, signal: &str) -> io::Result<()> {
        if let Some(process) = self.pid() {
            self.keeper.signal(signal, process)?;
            self.ended().await?;
        }
        Ok(())
    }

    /// Kills every process with SIGKILL and returns once they are gone.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.keeper.kill_all()?;
        self.main
            .take()
            .map_or(Ok(()), |mut main| main.wait().map(drop))
    }

    pub(crate) fn pause(&mut self) -> io::Result<()> {
        self.keeper.pause_all()
    }

    pub(crate) fn resume(&mut self) -> io::Result<()> {
        self.keeper.resume_all()
    }

    /// An error with the end of the log, of the kind `AddrInUse` if the log says so.
    pub(crate) fn failure(&self, what: &str) -> io::Error {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let is_taken = ["Address already in use", "address already in use"]
            .iter()
            .any(|words| log.contains(words));
        let kind = match is_taken {
            true => io::ErrorKind::AddrInUse,
            false => io::ErrorKind::Other,
        };
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(60)..].join("\n");
        io::Error::new(kind, format!("{} {what}:\n{end}", self.name))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Reaps the process; the keeper, dropped next, would only leave its entry behind.
        let _ = self.kill();
    }
}
