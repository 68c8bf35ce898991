//! PostgreSQL as a private server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use tokio::sync::OnceCell;

use super::{Hosted, Shared, programs};
use crate::backend::{Backend, TestDatabase};

/// PostgreSQL.
#[derive(Debug)]
pub struct Postgres;

impl Backend for Postgres {
    type Db = sqlx::Postgres;

    const NAME: &'static str = "PostgreSQL";

    async fn fresh() -> TestDatabase<Self> {
        Self::fresh_in_shared().await
    }
}

impl Hosted for Postgres {
    const URL_VARIABLE: &'static str = "FLAMINGOCK_TEST_POSTGRES_URL";
    const DATA_FOLDER: &'static str = "SHOW data_directory";
    const STOP_SIGNAL: &'static str = "INT";
    const ACCOUNTS: &'static [&'static str] = &["postgres", "nobody"];

    fn admin_url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    fn install(data: &Path) -> io::Result<Command> {
        let mut command = program("initdb")?;
        command.arg("--pgdata").arg(data);
        command.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        // Tests end processes, never the machine: the files of initdb are safe without a sync. The
        // server itself keeps fsync.
        command.args(["--no-sync", "--no-instructions"]);
        Ok(command)
    }

    fn serve(data: &Path, port: u16) -> io::Result<Command> {
        let mut command = program("postgres")?;
        command.arg("-D").arg(data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "max_prepared_transactions=10",
            // In the data folder, so that it is removed with it even after a SIGKILL.
            "dynamic_shared_memory_type=mmap",
            "shared_buffers=32MB",
        ] {
            command.args(["-c", setting]);
        }
        Ok(command)
    }

    fn create_database(name: &str) -> String {
        // The default strategy: the copy by files forces checkpoints and is four times slower when
        // several tests create their databases at once.
        format!("CREATE DATABASE {name}")
    }

    fn drop_database(name: &str) -> String {
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    }

    fn shared() -> &'static OnceCell<Shared<Self>> {
        static SHARED: OnceCell<Shared<Postgres>> = OnceCell::const_new();
        &SHARED
    }
}

/// The folder of another version's programs, with its libraries next to it.
const PROGRAMS_VARIABLE: &str = "FLAMINGOCK_TEST_POSTGRES_BIN";

fn program(name: &str) -> io::Result<Command> {
    let Some(folder) = env::var_os(PROGRAMS_VARIABLE).filter(|folder| !folder.is_empty()) else {
        return Ok(Command::new(installed()?.join(name)));
    };
    let folder = PathBuf::from(folder);
    let mut command = Command::new(folder.join(name));
    command.env("LD_LIBRARY_PATH", folder.join("../lib"));
    Ok(command)
}

fn installed() -> io::Result<PathBuf> {
    programs::find(&["initdb", "postgres"], &["/usr/lib/postgresql/*/bin"]).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "PostgreSQL (initdb, postgres) is not installed: `apt-get install postgresql`",
        )
    })
}
