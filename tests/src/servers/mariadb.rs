//! MariaDB as a private server.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::sync::OnceCell;

use super::{Hosted, Shared, programs};
use crate::backend::{Backend, TestDatabase};

/// MariaDB, also for the behaviour that it shares with MySQL.
#[derive(Debug)]
pub struct MariaDb;

impl Backend for MariaDb {
    type Db = sqlx::MySql;

    const NAME: &'static str = "MariaDB";

    async fn fresh() -> TestDatabase<Self> {
        Self::fresh_in_shared().await
    }
}

impl Hosted for MariaDb {
    const URL_VARIABLE: &'static str = "FLAMINGOCK_TEST_MYSQL_URL";
    const DATA_FOLDER: &'static str = "SELECT @@datadir";
    const STOP_SIGNAL: &'static str = "TERM";
    const ACCOUNTS: &'static [&'static str] = &["mysql", "nobody"];

    fn admin_url(port: u16) -> String {
        format!("mysql://root@127.0.0.1:{port}/mysql")
    }

    fn install(data: &Path) -> io::Result<Command> {
        let mut command = Command::new(program("mariadb-install-db")?);
        // The script does not accept an argument with this name in two words.
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()));
        // Like below: other processes prepare theirs at the same time.
        if let Some(folder) = data.parent() {
            command.arg(format!("--tmpdir={}", folder.display()));
        }
        command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        // Without a name, the server looks this machine's name up in the network; and a folder that
        // is still being prepared has nothing to lose in a crash.
        command.args(["--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]);
        command.arg("--innodb-log-file-size=32M");
        Ok(command)
    }

    fn serve(data: &Path, port: u16) -> io::Result<Command> {
        let mut command = Command::new(program("mariadbd")?);
        command.arg("--no-defaults").arg("--datadir").arg(data);
        // A starting server removes the temporary tables of others in a folder that they share.
        command.arg("--tmpdir").arg(data);
        command.args(["--bind-address=127.0.0.1", &format!("--port={port}")]);
        // Names without a folder are in the data folder: a socket's path must be short, and TMPDIR
        // may be long.
        command.args(["--socket=server.sock", "--pid-file=server.pid"]);
        command.args(["--skip-name-resolve", "--skip-ssl", "--max-connections=200"]);
        command.args([
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=32M",
        ]);
        Ok(command)
    }

    fn create_database(name: &str) -> String {
        format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")
    }

    fn drop_database(name: &str) -> String {
        format!("DROP DATABASE IF EXISTS {name}")
    }

    fn shared() -> &'static OnceCell<Shared<Self>> {
        static SHARED: OnceCell<Shared<MariaDb>> = OnceCell::const_new();
        &SHARED
    }
}

fn program(name: &str) -> io::Result<PathBuf> {
    programs::program(name, "mariadb-server")
}
