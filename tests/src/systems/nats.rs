//! NATS with JetStream as a private server.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Service, System};
use crate::http;
use crate::servers::program;

/// NATS with JetStream: clients on its first port, its state by HTTP on the second.
#[derive(Debug)]
pub struct Nats;

impl Service for Nats {
    const NAME: &'static str = "NATS";
    const ACCOUNTS: &'static [&'static str] = &["nats", "nobody"];
    const PORTS: usize = 2;

    fn serve(&self, folder: &Path, ports: &[u16]) -> io::Result<Command> {
        let mut command = Command::new(program("nats-server", "nats-server")?);
        command.args(["-a", "127.0.0.1", "-p", &ports[0].to_string()]);
        command.args(["-m", &ports[1].to_string(), "-js", "-sd"]);
        command.arg(folder);
        Ok(command)
    }

    fn answers(&self, folder: &Path, ports: &[u16]) -> bool {
        let asked = http::get(&format!("http://127.0.0.1:{}/jsz", ports[1]));
        asked.is_ok_and(|answer| answer.body.contains(&*folder.to_string_lossy()))
            && std::net::TcpStream::connect(("127.0.0.1", ports[0])).is_ok()
    }
}

impl System<Nats> {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address(0))
    }

    /// Every stream, with its configuration and its consumers.
    ///
    /// # Panics
    ///
    /// Fails if it does not answer.
    #[must_use]
    pub fn streams(&self) -> Vec<Value> {
        let what = "jsz?accounts=true&streams=true&consumers=true&config=true";
        let answer = http::get(&format!("http://{}/{what}", self.address(1))).unwrap();
        let accounts = answer.json();
        let streams = &accounts["account_details"][0]["stream_detail"];
        streams.as_array().cloned().unwrap_or_default()
    }
}
