//! The databases' own clients, which run a script as a file.

use std::marker::PhantomData;
use std::process::{Output, Stdio};

use flamingock_tests::{Backend, MariaDb, Postgres, Sqlite, TestDatabase, try_execute};
use sqlx::{ConnectOptions as _, Pool};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A database with a client of its own.
pub(crate) trait Client: Backend {
    /// Whether an error undoes the statements before it.
    const FAILS_AS_A_WHOLE: bool = false;

    /// Runs a script to its end or to its first error.
    ///
    /// # Errors
    /// What the client says of that error.
    async fn run(
        database: &TestDatabase<Self>,
        pool: &Pool<Self::Db>,
        script: &str,
    ) -> Result<(), String>;
}

impl Client for Postgres {
    async fn run(
        database: &TestDatabase<Self>,
        _: &Pool<Self::Db>,
        script: &str,
    ) -> Result<(), String> {
        let mut psql = Command::new("psql");
        psql.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-o",
            "/dev/null",
            "-f",
            "-",
        ]);
        psql.arg(&database.url).env("PGCLIENTENCODING", "UTF8");
        let output = fed(psql, script).await;
        // 3 is an error of the script.
        accepted(&output, 3)
    }
}

impl Client for MariaDb {
    async fn run(
        _: &TestDatabase<Self>,
        pool: &Pool<Self::Db>,
        script: &str,
    ) -> Result<(), String> {
        let url = pool.connect_options().to_url_lossy();
        let mut client = Command::new("mariadb");
        client.args([
            "--no-defaults",
            "--protocol=tcp",
            "--default-character-set=utf8mb4",
        ]);
        client.arg(format!("--host={}", url.host_str().unwrap()));
        client.arg(format!("--port={}", url.port().unwrap_or(3306)));
        client.arg(format!("--user={}", url.username()));
        client.arg(format!("--password={}", url.password().unwrap_or_default()));
        client.arg(url.path().trim_start_matches('/'));
        let output = fed(client, script).await;
        accepted(&output, 1)
    }
}

impl Client for Sqlite {
    async fn run(
        database: &TestDatabase<Self>,
        _: &Pool<Self::Db>,
        script: &str,
    ) -> Result<(), String> {
        let mut sqlite3 = Command::new("sqlite3");
        sqlite3.args(["-init", "/dev/null", "-batch", "-bail"]);
        sqlite3.arg(database.folder().unwrap().join("test.db"));
        let output = fed(sqlite3, script).await;
        accepted(&output, 1)
    }
}

/// A server without a client between: it takes the whole text, and finds the ends of its statements
/// by its own grammar.
pub(crate) struct WholeText<B>(PhantomData<B>);

impl<B: Backend> Backend for WholeText<B> {
    type Db = B::Db;

    const NAME: &'static str = B::NAME;

    async fn fresh() -> TestDatabase<Self> {
        TestDatabase::of(B::fresh().await)
    }
}

impl<B: Backend> Client for WholeText<B> {
    const FAILS_AS_A_WHOLE: bool = true;

    async fn run(
        _: &TestDatabase<Self>,
        pool: &Pool<Self::Db>,
        script: &str,
    ) -> Result<(), String> {
        let ran = try_execute(pool, script).await;
        ran.map_err(|error| error.to_string())
    }
}

async fn fed(mut client: Command, script: &str) -> Output {
    client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let name = client.as_std().get_program().to_owned();
    let mut client = client
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    let mut input = client.stdin.take().unwrap();
    let script = script.to_owned();
    let feeding = tokio::spawn(async move {
        // A client that has stopped at an error reads no further.
        let _ = input.write_all(script.as_bytes()).await;
    });
    let output = client.wait_with_output().await.unwrap();
    feeding.await.unwrap();
    output
}

/// Any end but an error of the script is one of the test's own.
fn accepted(output: &Output, failure: i32) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(code) if code == failure => Err(said),
        code => panic!("{code:?}: {said}"),
    }
}
