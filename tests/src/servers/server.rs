//! One private database server: its folder, its processes, its life.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, ops};

use tokio::time::timeout;

use super::kept::Kept;
use super::{Access, Hosted, free_port};
use crate::sql;

/// A server that one test has to itself, with the server's own durable settings.
///
/// Dropping it kills the server and removes its folder; so does the end of this process, however it comes.
/// Signals are sent and confirmed before a method returns, and block the thread for some 10 ms.
#[derive(Debug)]
pub struct Server<H: Hosted> {
    kept: Kept,
    access: Access<H>,
}

impl<H: Hosted> Server<H> {
    /// Prepares a folder and starts a server in it, ready for connections.
    ///
    /// # Errors
    ///
    /// When the server is not installed (the text says what to install) or does not start (the text has the end
    /// of its log).
    pub async fn start() -> io::Result<Self> {
        let mut server = Self {
            kept: Kept::new(H::NAME, H::ACCOUNTS)?,
            access: Access::new(H::admin_url(free_port()?)),
        };
        server.kept.spawn(H::install(&server.data())?)?;
        if !server.kept.ended().await?.success() {
            return Err(server.kept.failure("can't prepare a folder"));
        }
        for _ in 0..10 {
            match server.serve().await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    server.access = Access::new(H::admin_url(free_port()?));
                }
                result => return result.map(|()| server),
            }
        }
        Err(server.kept.failure("found no free port"))
    }

    /// The process id of the server's first process, or of none while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.kept.pid()
    }

    /// The folder that the server works in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.kept.folder()
    }

    /// Kills every process of the server with SIGKILL and returns once they are gone.
    ///
    /// # Errors
    ///
    /// When the server's keeper is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        self.kept.kill()
    }

    /// Ends the server in good order, without waiting for its clients to leave.
    ///
    /// # Errors
    ///
    /// When it is not down within a minute.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.kept.stop(H::STOP_SIGNAL).await
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
        self.kept.pause()
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    ///
    /// When the server's keeper is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        self.kept.resume()
    }

    fn data(&self) -> PathBuf {
        self.kept.folder().join("data")
    }

    async fn serve(&mut self) -> io::Result<()> {
        let (access, data) = (&self.access, self.data());
        let command = H::serve(&data, access.port())?;
        self.kept.serve(command, || is_ours(access, &data)).await
    }
}

/// Whether the server with this data answers, and not one that was quicker to take the port.
async fn is_ours<H: Hosted>(access: &Access<H>, folder: &Path) -> bool {
    let answer = sql::once::<H::Db>(access.admin_url(), H::DATA_FOLDER);
    match timeout(Duration::from_secs(5), answer).await {
        Ok(Ok(rows)) => rows.first().is_some_and(|data| Path::new(data) == folder),
        Ok(Err(_)) | Err(_) => false,
    }
}

impl<H: Hosted> ops::Deref for Server<H> {
    type Target = Access<H>;

    fn deref(&self) -> &Access<H> {
        &self.access
    }
}
