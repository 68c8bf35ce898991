//! A node of a MariaDB Galera cluster as a private server.

use std::io;
use std::path::Path;
use std::process::Command;

use tokio::sync::OnceCell;

use super::{Hosted, MariaDb, Shared, free_port, programs};
use crate::backend::{Backend, TestDatabase};

/// A MariaDB that is the only node of a Galera cluster, unless it gets the address of another one.
#[derive(Debug)]
pub struct Galera;

impl Backend for Galera {
    type Db = sqlx::MySql;

    const NAME: &'static str = "Galera";

    async fn fresh() -> TestDatabase<Self> {
        Self::fresh_in_shared().await
    }
}

impl Hosted for Galera {
    const URL_VARIABLE: &'static str = "FLAMINGOCK_TEST_GALERA_URL";
    /// A node that is not ready yet answers queries for variables, but not for a table.
    const DATA_FOLDER: &'static str = "SELECT @@datadir FROM mysql.global_priv LIMIT 1";
    const STOP_SIGNAL: &'static str = MariaDb::STOP_SIGNAL;
    const ACCOUNTS: &'static [&'static str] = MariaDb::ACCOUNTS;

    fn admin_url(port: u16) -> String {
        MariaDb::admin_url(port)
    }

    fn install(data: &Path) -> io::Result<Command> {
        MariaDb::install(data)
    }

    fn serve(data: &Path, port: u16) -> io::Result<Command> {
        let provider =
            programs::program_in("/usr/lib/galera", "libgalera_smm.so", "galera-4 rsync")?;
        let mut command = MariaDb::serve(data, port)?;
        command.args(["--wsrep-on=ON", "--wsrep-cluster-address=gcomm://"]);
        command.arg(format!("--wsrep-provider={}", provider.display()));
        command.arg(format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{};ist.recv_addr=127.0.0.1:{};gcache.size=16M",
            free_port()?,
            free_port()?,
        ));
        command.args(["--wsrep-node-address=127.0.0.1", "--wsrep-sst-method=rsync"]);
        command.args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"]);
        Ok(command)
    }

    fn create_database(name: &str) -> String {
        MariaDb::create_database(name)
    }

    fn drop_database(name: &str) -> String {
        MariaDb::drop_database(name)
    }

    fn shared() -> &'static OnceCell<Shared<Self>> {
        static SHARED: OnceCell<Shared<Galera>> = OnceCell::const_new();
        &SHARED
    }
}
