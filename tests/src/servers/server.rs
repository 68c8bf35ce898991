//! One private database server: its folder and its processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{io, ops};

use tokio::time::timeout;

use super::server_process::ServerProcess;
use super::{Access, Galera, Hosted, Postgres, free_port};
use crate::sql;

/// A server of one test, with the server's own durable settings.
///
/// Dropping it kills the server and removes its folder, and so does any end of this process.
/// Signals are sent and confirmed before a method returns, and block the thread for some 10 ms.
#[derive(Debug)]
pub struct Server<H: Hosted> {
    kept: ServerProcess,
    access: Access<H>,
    /// Additional arguments of the server.
    arguments: Vec<String>,
}

impl<H: Hosted> Server<H> {
    /// Prepares a folder and starts a server in it, ready for connections.
    ///
    /// # Errors
    ///
    /// Fails if the server is not installed (the text says what to install) or does not start (the
    /// text has the end of its log).
    pub async fn start() -> io::Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same for a server with additional arguments.
    ///
    /// # Errors
    ///
    /// Like [`start`](Self::start).
    pub async fn start_with(arguments: &[&str]) -> io::Result<Self> {
        let mut server = Self::new(arguments)?;
        server.prepare(H::install(&server.data())?).await?;
        server.serve_on_a_free_port().await
    }

    fn new(arguments: &[&str]) -> io::Result<Self> {
        Ok(Self {
            kept: ServerProcess::new(H::NAME, H::ACCOUNTS)?,
            access: Access::new(H::admin_url(free_port()?)),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        })
    }

    async fn prepare(&mut self, by: Command) -> io::Result<()> {
        self.kept.spawn(by)?;
        match self.kept.ended().await?.success() {
            true => Ok(()),
            false => Err(self.kept.failure("can't prepare a folder")),
        }
    }

    async fn serve_on_a_free_port(self) -> io::Result<Self> {
        let mut server = self;
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

    /// The process id of the server's first process; none while it is down.
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
    /// Fails if the server's keeper has ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.kept.kill()
    }

    /// Stops the server cleanly, without waiting for its clients to leave.
    ///
    /// # Errors
    ///
    /// Fails if it is not down within a minute.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.kept.stop(H::STOP_SIGNAL).await
    }

    /// Starts the server again on the same folder and port, and returns once it answers. A running
    /// server is stopped cleanly first.
    ///
    /// # Errors
    ///
    /// Fails if it does not start.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await?;
        self.serve().await
    }

    /// Pauses every process of the server, like a machine that hangs.
    ///
    /// # Errors
    ///
    /// Fails if the server's keeper has ended.
    pub fn pause(&mut self) -> io::Result<()> {
        self.kept.pause()
    }

    /// Resumes a paused server.
    ///
    /// # Errors
    ///
    /// Fails if the server's keeper has ended.
    pub fn resume(&mut self) -> io::Result<()> {
        self.kept.resume()
    }

    fn data(&self) -> PathBuf {
        self.kept.folder().join("data")
    }

    async fn serve(&mut self) -> io::Result<()> {
        let (access, data) = (&self.access, self.data());
        let mut command = H::serve(&data, access.port())?;
        command.args(&self.arguments);
        self.kept.serve(command, || is_ours(access, &data)).await
    }
}

/// Whether the server with this data answers, and not another one that has taken the port.
async fn is_ours<H: Hosted>(access: &Access<H>, folder: &Path) -> bool {
    let answer = sql::once::<H::Db>(access.admin_url(), H::DATA_FOLDER);
    match timeout(Duration::from_secs(5), answer).await {
        Ok(Ok(rows)) => rows.first().is_some_and(|data| Path::new(data) == folder),
        Ok(Err(_)) | Err(_) => false,
    }
}

impl Server<Postgres> {
    /// A standby that streams from this server, which is restarted for it. It starts as a copy of
    /// this server's folder, so it needs no program of another version.
    ///
    /// # Errors
    ///
    /// Fails if the folder can't be copied, or one of the two does not start.
    pub async fn standby(&mut self) -> io::Result<Self> {
        self.stop().await?;
        let mut standby = Self::new(&[])?;
        let mut copy = Command::new("sh");
        let script = "cp -a \"$1\" \"$2\" && touch \"$2/standby.signal\" && \
            echo \"primary_conninfo = 'host=127.0.0.1 port=$3 user=postgres'\" >> \"$2/postgresql.auto.conf\"";
        copy.args(["-c", script, "sh"]).arg(self.data());
        copy.arg(standby.data()).arg(self.port().to_string());
        standby.prepare(copy).await?;
        self.serve().await?;
        standby.serve_on_a_free_port().await
    }
}

impl Server<Galera> {
    /// Another node of this one's cluster, once it has everything.
    ///
    /// # Errors
    ///
    /// Fails if it does not start.
    pub async fn join(&self) -> io::Result<Self> {
        let asked = sql::once::<sqlx::MySql>(self.admin_url(), "SELECT @@wsrep_provider_options");
        let options = asked.await.map_err(io::Error::other)?.join("");
        let listens = options
            .split(';')
            .find_map(|option| option.trim().strip_prefix("gmcast.listen_addr = tcp://"))
            .ok_or_else(|| io::Error::other("a node that does not say where it listens"))?;
        Self::start_with(&[
            &format!("--wsrep-cluster-address=gcomm://{listens}"),
            &format!("--wsrep-sst-receive-address=127.0.0.1:{}", free_port()?),
        ])
        .await
    }
}

impl<H: Hosted> ops::Deref for Server<H> {
    type Target = Access<H>;

    fn deref(&self) -> &Access<H> {
        &self.access
    }
}
