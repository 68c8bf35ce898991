//! RabbitMQ as a private broker.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Service, System};
use crate::http::{self, Answer};
use crate::servers::program_in;

/// RabbitMQ with its management interface: AMQP on its first port, management by HTTP on the second.
#[derive(Debug)]
pub struct RabbitMq;

impl Service for RabbitMq {
    const NAME: &'static str = "RabbitMQ";
    const ACCOUNTS: &'static [&'static str] = &["rabbitmq", "nobody"];
    const PORTS: usize = 4;

    fn serve(&self, home: &Path, ports: &[u16]) -> io::Result<Command> {
        // The program of this name on Debian's PATH insists on its own folders and user.
        let folder = "/usr/lib/rabbitmq/bin";
        let server = program_in(folder, "rabbitmq-server", "rabbitmq-server")?;
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                include_str!("rabbitmq.sh"),
                "flamingock-test-rabbitmq",
            ])
            .arg(server)
            .args(ports.iter().map(ToString::to_string));
        command.env("HOME", home);
        Ok(command)
    }

    fn answers(&self, folder: &Path, ports: &[u16]) -> bool {
        // A node name that only this folder has: see the script.
        let node = folder.file_name().unwrap_or_default().to_string_lossy();
        ask("GET", ports[1], "overview", "").is_ok_and(|answer| answer.body.contains(&*node))
    }
}

impl System<RabbitMq> {
    /// The URL of the virtual host "/".
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address(0))
    }

    /// The answer of the management interface to a path such as `queues/%2F/invoices`. A body is
    /// JSON.
    ///
    /// # Panics
    ///
    /// Fails if it does not answer.
    pub fn manage(&self, method: &str, path: &str, body: &str) -> Answer {
        ask(method, self.port(1), path, body).unwrap()
    }

    /// The same as parsed JSON.
    ///
    /// # Panics
    ///
    /// Fails if it does not answer, or not in JSON.
    #[must_use]
    pub fn read(&self, path: &str) -> Value {
        self.manage("GET", path, "").json()
    }
}

fn ask(method: &str, port: u16, path: &str, body: &str) -> io::Result<Answer> {
    // The user "guest" with the password "guest", which works on the loopback interface only.
    let guest = [("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")];
    http::send(
        method,
        &format!("http://127.0.0.1:{port}/api/{path}"),
        &guest,
        body,
    )
}
