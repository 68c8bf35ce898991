//! A writer and its standby, and an address that leads to the writer.

use flamingock_tests::servers::Hosted;
use flamingock_tests::sql::once;
use flamingock_tests::{MariaDb, Postgres, Proxy, Server, TestDatabase, until};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

/// A kind of server that supports a standby.
pub(crate) trait Follows: Hosted {
    /// The writer, and a standby that has everything that was committed.
    async fn two() -> (Server<Self>, Server<Self>);

    /// The database as an ordinary user, who has no right to write to a read-only server.
    async fn url_of_user(database: &TestDatabase<Self>) -> String;

    /// Returns once the standby has everything that the writer has.
    async fn catch_up(writer: &Server<Self>, follower: &Server<Self>);

    /// Makes the writer read-only.
    async fn demote(old: &mut Server<Self>);

    /// Promotes the standby, which has everything.
    async fn promote(old: &Server<Self>, new: &Server<Self>);
}

pub(super) async fn tell<H: Hosted>(server: &Server<H>, sql: &str) -> Vec<String> {
    match once::<H::Db>(server.admin_url(), sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}\n{error}"),
    }
}

impl Follows for Postgres {
    async fn two() -> (Server<Self>, Server<Self>) {
        let mut writer = Postgres::start().await.unwrap();
        let follower = writer.standby().await.unwrap();
        tell(&writer, "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        tell(&writer, "SELECT pg_reload_conf()::text").await;
        until("the standby is synchronous", async || {
            let states = tell(&writer, "SELECT sync_state FROM pg_stat_replication").await;
            states == ["sync"]
        })
        .await;
        (writer, follower)
    }

    async fn url_of_user(database: &TestDatabase<Self>) -> String {
        database.url.clone()
    }

    /// It shows acknowledged transactions with a short delay.
    async fn catch_up(writer: &Server<Self>, follower: &Server<Self>) {
        let place = tell(writer, "SELECT pg_current_wal_lsn()::text")
            .await
            .join("");
        let has = format!("SELECT (pg_last_wal_replay_lsn() >= '{place}')::text");
        until("the standby has everything", async || {
            tell(follower, &has).await == ["true"]
        })
        .await;
    }

    async fn demote(old: &mut Server<Self>) {
        old.kill().unwrap();
    }

    async fn promote(_old: &Server<Self>, new: &Server<Self>) {
        tell(new, "SELECT pg_promote()::text").await;
    }
}

impl Follows for MariaDb {
    async fn two() -> (Server<Self>, Server<Self>) {
        let writer = ["--log-bin=binlog", "--server-id=1"];
        let writer = Server::start_with(&writer).await.unwrap();
        let follower = ["--server-id=2", "--read-only=1"];
        let follower = Server::start_with(&follower).await.unwrap();
        let follow = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'root', \
             MASTER_USE_GTID = slave_pos; START SLAVE",
            writer.port()
        );
        tell(&follower, &follow).await;
        (writer, follower)
    }

    async fn url_of_user(database: &TestDatabase<Self>) -> String {
        let name = database.url.rsplit('/').next().unwrap();
        let user = format!("CREATE USER app@'%'; GRANT ALL ON {name}.* TO app@'%'");
        once::<sqlx::MySql>(&database.url, &user).await.unwrap();
        database.url.replace("root@", "app@")
    }

    async fn catch_up(writer: &Server<Self>, follower: &Server<Self>) {
        let place = "SELECT @@GLOBAL.gtid_binlog_pos";
        let place = tell(writer, place).await.join("");
        let wait = format!("SELECT MASTER_GTID_WAIT('{place}', 60)");
        assert_eq!(tell(follower, &wait).await, ["0"]);
    }

    async fn demote(old: &mut Server<Self>) {
        tell(old, "SET GLOBAL read_only = 1").await;
    }

    async fn promote(old: &Server<Self>, new: &Server<Self>) {
        Self::catch_up(old, new).await;
        tell(new, "STOP SLAVE; SET GLOBAL read_only = 0").await;
    }
}

/// Two servers behind one address.
pub(crate) struct Pair<H: Follows> {
    old: Server<H>,
    new: Server<H>,
    pub(crate) proxy: Proxy,
    /// Through the proxy.
    pub(crate) url: String,
    /// The standby, for its administrator.
    pub(crate) new_url: String,
    database: TestDatabase<H>,
}

impl<H: Follows> Pair<H> {
    /// With a table `done (what)` in a database of both.
    pub(crate) async fn start() -> Pair<H> {
        let (old, new) = H::two().await;
        let database = old.fresh().await;
        once::<H::Db>(&database.url, "CREATE TABLE done (what VARCHAR(200))")
            .await
            .unwrap();
        let user = H::url_of_user(&database).await;
        H::catch_up(&old, &new).await;
        let proxy = Proxy::in_front_of(&user).unwrap();
        let name = database.url.rsplit('/').next().unwrap();
        Pair {
            url: proxy.url(&user),
            new_url: new.url(name),
            old,
            new,
            proxy,
            database,
        }
    }

    pub(crate) async fn pool(&self, connections: u32) -> Pool<H::Db> {
        let options = PoolOptions::new().max_connections(connections);
        options.connect(&self.url).await.unwrap()
    }

    /// Queries the original writer.
    pub(crate) async fn tell_old(&self, sql: &str) -> Vec<String> {
        once::<H::Db>(&self.database.url, sql).await.unwrap()
    }

    /// Queries the original standby.
    pub(crate) async fn tell_new(&self, sql: &str) -> Vec<String> {
        once::<H::Db>(&self.new_url, sql).await.unwrap()
    }

    /// Makes the writer read-only, and lets the address lead to the standby, which is still
    /// read-only.
    pub(crate) async fn demote(&mut self) {
        H::demote(&mut self.old).await;
        self.proxy.lead_to(self.new.port());
    }

    /// Lets the address lead to the standby, while the writer continues.
    pub(crate) fn lead_astray(&self) {
        self.proxy.lead_to(self.new.port());
    }

    /// Lets the address lead to the original writer.
    pub(crate) fn lead_back(&self) {
        self.proxy.lead_to(self.old.port());
    }

    /// Promotes the standby.
    pub(crate) async fn promote(&self) {
        H::promote(&self.old, &self.new).await;
    }

    /// Moves the writer.
    pub(crate) async fn move_over(&mut self) {
        self.demote().await;
        self.promote().await;
    }
}
