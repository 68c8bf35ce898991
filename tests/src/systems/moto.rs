//! moto, an emulator of the AWS API, as a private server.

use std::io;
use std::path::Path;
use std::process::Command;

use super::{Service, System, unleash};
use crate::http;

/// moto: an emulator in memory, not the cloud. `FLAMINGOCK_TEST_MOTO` names its program, `moto_server`.
#[derive(Debug)]
pub struct Moto;

impl Service for Moto {
    const NAME: &'static str = "moto";
    const ACCOUNTS: &'static [&'static str] = &[];
    const PORTS: usize = 1;

    fn serve(&self, _: &Path, ports: &[u16]) -> io::Result<Command> {
        let mut command = Command::new(unleash::installed("FLAMINGOCK_TEST_MOTO")?);
        command.args(["-H", "127.0.0.1", "-p", &ports[0].to_string()]);
        Ok(command)
    }

    fn answers(&self, _: &Path, ports: &[u16]) -> bool {
        // It has no identifying feature: if its port is taken, it ends, which is checked again.
        let asked = http::get(&format!("http://127.0.0.1:{}/moto-api/data.json", ports[0]));
        asked.is_ok_and(|answer| answer.status == 200)
    }
}

impl System<Moto> {
    /// The endpoint for AWS clients.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address(0))
    }
}
