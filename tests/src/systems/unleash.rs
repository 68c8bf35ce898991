//! Unleash, a vendor of feature flags, as a private server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use super::{Service, System};
use crate::http::{self, Answer};

/// Unleash on an empty PostgreSQL database. `FLAMINGOCK_TEST_UNLEASH` names its `server.js`.
#[derive(Debug)]
pub struct Unleash {
    /// The database, which it fills with its tables.
    pub database_url: String,
}

/// The token with all rights.
const TOKEN: &str = "*:*.flamingock-admin";

impl Service for Unleash {
    const NAME: &'static str = "Unleash";
    const ACCOUNTS: &'static [&'static str] = &[];
    const PORTS: usize = 1;

    fn serve(&self, folder: &Path, ports: &[u16]) -> io::Result<Command> {
        let mut command = Command::new("node");
        command.arg(installed("FLAMINGOCK_TEST_UNLEASH")?);
        for (name, value) in [
            ("DATABASE_URL", self.database_url.as_str()),
            ("DATABASE_SSL", "false"),
            ("HTTP_HOST", "127.0.0.1"),
            ("HTTP_PORT", &ports[0].to_string()),
            ("INIT_ADMIN_API_TOKENS", TOKEN),
            ("CHECK_VERSION", "false"),
            ("SEND_TELEMETRY", "false"),
            ("LOG_LEVEL", "warn"),
            ("NODE_ENV", "production"),
            ("TZ", "UTC"),
        ] {
            command.env(name, value);
        }
        command.env("HOME", folder);
        Ok(command)
    }

    fn answers(&self, _: &Path, ports: &[u16]) -> bool {
        let asked = http::get(&format!("http://127.0.0.1:{}/health", ports[0]));
        asked.is_ok_and(|answer| answer.status == 200)
    }
}

impl System<Unleash> {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address(0))
    }

    /// The token of its administrator.
    #[must_use]
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// The answer of the admin interface to a path such as `projects/default/features`. A body is
    /// JSON.
    ///
    /// # Panics
    ///
    /// Fails if it does not answer.
    pub fn manage(&self, method: &str, path: &str, body: &str) -> Answer {
        let url = format!("{}/api/admin/{path}", self.url());
        http::send(method, &url, &[("Authorization", TOKEN)], body).unwrap()
    }
}

/// The file that a variable of `tests/run extra` names.
pub(super) fn installed(variable: &str) -> io::Result<PathBuf> {
    env::var_os(variable).map(PathBuf::from).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("{variable} is not set: `tests/run extra` installs what it names, and sets it"),
        )
    })
}
