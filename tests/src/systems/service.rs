//! One private system: its folder, its ports and its processes.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::servers::{ServerProcess, free_port};

/// The differences between kinds of systems.
///
/// The kinds are pure descriptions; [`System`] implements all operations.
pub trait Service: Sync {
    /// The display name.
    const NAME: &'static str;

    /// The users to run as if this process is root, in order of preference; empty for the user of
    /// this process.
    const ACCOUNTS: &'static [&'static str];

    /// The number of ports that it listens on.
    const PORTS: usize;

    /// Runs the server in the foreground, in its own folder, on these ports.
    ///
    /// # Errors
    ///
    /// Fails if it is not installed; the text says what to install.
    fn serve(&self, folder: &Path, ports: &[u16]) -> io::Result<Command>;

    /// Whether this server answers, and not another one that has taken a port.
    fn answers(&self, folder: &Path, ports: &[u16]) -> bool;
}

/// A server of one test.
///
/// Dropping it kills the server and removes its folder, and so does any end of this process.
#[derive(Debug)]
pub struct System<S: Service> {
    kept: ServerProcess,
    ports: Vec<u16>,
    service: S,
}

impl<S: Service> System<S> {
    /// Starts one, ready for connections.
    ///
    /// # Errors
    ///
    /// Fails if the server is not installed (the text says what to install) or does not start (the
    /// text has the end of its log).
    pub async fn start(mut service: S) -> io::Result<Self> {
        for _ in 0..10 {
            let mut system = Self {
                kept: ServerProcess::new(S::NAME, S::ACCOUNTS)?,
                ports: free_ports(S::PORTS)?,
                service,
            };
            match system.serve().await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => service = system.service,
                result => return result.map(|()| system),
            }
        }
        Err(io::Error::other(format!("{} found no free port", S::NAME)))
    }

    /// The address of one of its ports, as `127.0.0.1:4222`.
    #[must_use]
    pub fn address(&self, port: usize) -> String {
        format!("127.0.0.1:{}", self.ports[port])
    }

    /// One of its ports.
    #[must_use]
    pub fn port(&self, port: usize) -> u16 {
        self.ports[port]
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

    /// Starts the killed server again, on the same folder and ports, and returns once it answers.
    ///
    /// # Errors
    ///
    /// Fails if it does not start.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.serve().await
    }

    async fn serve(&mut self) -> io::Result<()> {
        let (service, ports) = (&self.service, &self.ports);
        let folder = self.kept.folder().to_owned();
        let command = service.serve(&folder, ports)?;
        let answers = || std::future::ready(service.answers(&folder, ports));
        self.kept.serve(command, answers).await
    }
}

/// Different ones.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let mut ports = Vec::new();
    while ports.len() < count {
        let port = free_port()?;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    Ok(ports)
}
