//! One private server: its folder, its processes, its life.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, io, ops};

use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use super::keeper::Keeper;
use super::programs::Account;
use super::{Access, Hosted, free_port};
use crate::sql;

/// For whatever a server does by itself: preparing a folder, recovering after a kill, going down.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that nobody tells us about.
const POLL: Duration = Duration::from_millis(10);

/// A server that one test has to itself, with the server's own durable settings.
///
/// Dropping it kills the server and removes its folder; so does the end of this process, however it comes.
/// Signals are sent and confirmed before a method returns, and block the thread for some 10 ms.
#[derive(Debug)]
pub struct Server<H: Hosted> {
    // Fields are dropped in this order: the keeper kills, then what is left of the folder goes.
    keeper: Keeper,
    main: Option<Child>,
    access: Access<H>,
    account: Option<Account>,
    folder: TempDir,
}

impl<H: Hosted> Server<H> {
    /// Prepares a folder and starts a server in it, ready for connections.
    ///
    /// # Errors
    ///
    /// When the server is not installed (the text says what to install) or does not start (the text has the end
    /// of its log).
    pub async fn start() -> io::Result<Self> {
        let account = Account::unprivileged(H::ACCOUNTS)?;
        // The name that the kernel and the servers report, whatever links lead there.
        let parent = fs::canonicalize(env::temp_dir())?;
        let folder = tempfile::Builder::new()
            .prefix("flamingock-server-")
            .tempdir_in(parent)?;
        Account::give(account, folder.path())?;
        let mut server = Self {
            keeper: Keeper::of(folder.path(), account)?,
            main: None,
            access: Access::new(H::admin_url(free_port()?)),
            account,
            folder,
        };
        server.spawn(H::install(&server.data())?)?;
        if !server.ended().await?.success() {
            return Err(server.failure("can't prepare a folder"));
        }
        for _ in 0..10 {
            match server.serve().await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    server.access = Access::new(H::admin_url(free_port()?));
                }
                result => return result.map(|()| server),
            }
        }
        Err(server.failure("found no free port"))
    }

    /// The process id of the server's first process, or of none while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.main.as_ref().map(Child::id)
    }

    /// The folder that the server works in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills every process of the server with SIGKILL and returns once they are gone.
    ///
    /// # Errors
    ///
    /// When the server's keeper is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        self.keeper.kill_all()?;
        self.main
            .take()
            .map_or(Ok(()), |mut main| main.wait().map(drop))
    }

    /// Ends the server in good order, without waiting for its clients to leave.
    ///
    /// # Errors
    ///
    /// When it is not down within a minute.
    pub async fn stop(&mut self) -> io::Result<()> {
        if let Some(process) = self.pid() {
            self.keeper.signal(H::STOP_SIGNAL, process)?;
            self.ended().await?;
        }
        Ok(())
    }

    /// Starts the server again on the same folder and port, and returns once it answers. A server that runs
    /// is stopped in good order first.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await?;
        self.serve().await
    }

    /// Stops every process of the server where it is, as a machine that hangs.
    ///
    /// # Errors
    ///
    /// When the server's keeper is gone.
    pub fn pause(&mut self) -> io::Result<()> {
        self.keeper.pause_all()
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    ///
    /// When the server's keeper is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        self.keeper.resume_all()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn spawn(&mut self, mut command: Command) -> io::Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // The keeper knows processes by their folder; and an interrupt from the keyboard is ours alone.
        command.current_dir(self.folder.path()).process_group(0);
        self.main = Some(Account::run(self.account, &mut command).spawn()?);
        Ok(())
    }

    async fn serve(&mut self) -> io::Result<()> {
        fs::write(self.log(), "")?;
        self.spawn(H::serve(&self.data(), self.port())?)?;
        let deadline = Instant::now() + PATIENCE;
        while !self.answers().await {
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

    /// Whether this server answers, and not one that was quicker to take the port.
    async fn answers(&self) -> bool {
        let answer = sql::once::<H::Db>(self.admin_url(), H::DATA_FOLDER);
        match timeout(Duration::from_secs(5), answer).await {
            Ok(Ok(rows)) => rows
                .first()
                .is_some_and(|data| Path::new(data) == self.data()),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn ended(&mut self) -> io::Result<ExitStatus> {
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

    /// An error with the end of the log, of the kind `AddrInUse` where that says so.
    fn failure(&self, what: &str) -> io::Error {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let kind = match log.contains("Address already in use") {
            true => io::ErrorKind::AddrInUse,
            false => io::ErrorKind::Other,
        };
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        io::Error::new(kind, format!("{} {what}:\n{end}", H::NAME))
    }
}

impl<H: Hosted> ops::Deref for Server<H> {
    type Target = Access<H>;

    fn deref(&self) -> &Access<H> {
        &self.access
    }
}

impl<H: Hosted> Drop for Server<H> {
    fn drop(&mut self) {
        // Reaps the process; the keeper, dropped next, would only leave its entry behind.
        let _ = self.kill();
    }
}
