//! Redis as a private server.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Service, System};
use crate::servers::program;

/// Redis.
#[derive(Debug)]
pub struct Redis;

impl Service for Redis {
    const NAME: &'static str = "Redis";
    const ACCOUNTS: &'static [&'static str] = &["redis", "nobody"];
    const PORTS: usize = 1;

    fn serve(&self, folder: &Path, ports: &[u16]) -> io::Result<Command> {
        let mut command = Command::new(program("redis-server", "redis-server")?);
        command.args(["--bind", "127.0.0.1", "--port", &ports[0].to_string()]);
        command.arg("--dir").arg(folder);
        // Acknowledged writes outlive a kill.
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        Ok(command)
    }

    fn answers(&self, folder: &Path, ports: &[u16]) -> bool {
        ask(ports[0], "CONFIG GET dir")
            .is_ok_and(|answer| answer.contains(&*folder.to_string_lossy()))
    }
}

impl System<Redis> {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address(0))
    }

    /// Its answer to a command whose words have no blanks, in the protocol's own form.
    ///
    /// # Panics
    ///
    /// Fails if it does not answer.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        ask(self.port(0), command).unwrap()
    }
}

fn ask(port: u16, command: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    // QUIT ends the connection after the answer.
    connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let answer = answer.strip_suffix("\r\n+OK\r\n").unwrap_or(&answer);
    Ok(answer.to_owned())
}
