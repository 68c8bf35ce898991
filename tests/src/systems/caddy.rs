//! Caddy as a private gateway.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use super::{Service, System};
use crate::http::{self, Answer};
use crate::servers::program;

/// Caddy, with the configuration of an example. Its ports, such as `127.0.0.1:2019`, are replaced
/// by free ones, in the order of the text. The first must be that of the admin interface.
#[derive(Debug)]
pub struct Caddy(pub &'static str);

impl Service for Caddy {
    const NAME: &'static str = "Caddy";
    const ACCOUNTS: &'static [&'static str] = &["caddy", "nobody"];
    const PORTS: usize = 5;

    fn serve(&self, folder: &Path, ports: &[u16]) -> io::Result<Command> {
        let mut command = Command::new(program("caddy", "caddy")?);
        let file = folder.join("caddy.json");
        fs::write(&file, with_ports(self.0, ports))?;
        command.arg("run").arg("--config").arg(file);
        // Its own files are in the folder, too, whatever home its user has.
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(name, folder);
        }
        Ok(command)
    }

    fn answers(&self, folder: &Path, ports: &[u16]) -> bool {
        let ours = fs::read_to_string(folder.join("caddy.json")).unwrap_or_default();
        let asked = http::get(&format!("http://127.0.0.1:{}/config/", ports[0]));
        asked.is_ok_and(|answer| {
            let (ours, theirs) = (serde_json::from_str(&ours), answer.json());
            ours.is_ok_and(|ours: serde_json::Value| ours == theirs)
        })
    }
}

impl System<Caddy> {
    /// The URL of the admin interface.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("http://{}", self.address(0))
    }

    /// The object with that `@id`, or an answer of 404.
    ///
    /// # Panics
    ///
    /// Fails if it does not answer.
    #[must_use]
    pub fn id(&self, id: &str) -> Answer {
        http::get(&format!("{}/id/{id}", self.admin())).unwrap()
    }
}

/// The text with each different port after "127.0.0.1:" replaced.
fn with_ports(text: &str, ports: &[u16]) -> String {
    let mut pieces = text.split("127.0.0.1:");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    let mut known: Vec<&str> = Vec::new();
    for piece in pieces {
        let end = piece
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(piece.len());
        let (port, rest) = piece.split_at(end);
        let place = known.iter().position(|one| *one == port);
        let place = place.unwrap_or_else(|| {
            known.push(port);
            known.len() - 1
        });
        out.push_str(&format!("127.0.0.1:{}{rest}", ports[place]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::with_ports;

    #[test]
    fn each_port_in_the_text_gets_its_own_port() {
        let text = "admin 127.0.0.1:2019, 127.0.0.1:80 to 127.0.0.1:2019";
        let expected = "admin 127.0.0.1:7, 127.0.0.1:8 to 127.0.0.1:7";
        assert_eq!(with_ports(text, &[7, 8]), expected);
    }
}
