//! The databases' own programs: clients that run a script as a file, and programs that dump a
//! database as a script.

use std::marker::PhantomData;
use std::process::{Output, Stdio};

use flamingock::Runner;
use sqlx::{ConnectOptions as _, Pool};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{Backend, MariaDb, Postgres, Sqlite, TestDatabase, strings, try_execute};

/// A database with its own client.
pub trait Client: Backend {
    /// Whether an error undoes the statements before it.
    const FAILS_AS_A_WHOLE: bool = false;

    /// Runs a script to its end or to its first error.
    ///
    /// # Errors
    /// The client's message about that error.
    fn run(
        database: &TestDatabase<Self>,
        pool: &Pool<Self::Db>,
        script: &str,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// A database with a program that dumps it as a script.
pub trait Dumped: Client {
    /// The script, by the program with these options, without the tables of Flamingock.
    fn dump(database: &TestDatabase<Self>, options: &[&str])
    -> impl Future<Output = String> + Send;

    /// A run on a pool of this database.
    fn runner(pool: &Pool<Self::Db>) -> Runner;
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
        let mut client = Command::new("mariadb");
        client
            .args(of_mariadb(pool))
            .arg("--default-character-set=utf8mb4")
            // Other tools send a routine with its comments.
            .arg("--comments");
        client.arg(name_of_mariadb(pool));
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

/// A server without a client: it takes the whole text, and finds the ends of its statements by its
/// own grammar.
#[derive(Debug)]
pub struct WholeText<B>(PhantomData<B>);

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

/// Any result except an error of the script is an error of the test.
fn accepted(output: &Output, failure: i32) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(code) if code == failure => Err(said),
        code => panic!("{code:?}: {said}"),
    }
}

impl Dumped for Postgres {
    async fn dump(database: &TestDatabase<Self>, options: &[&str]) -> String {
        let mut program = Command::new("pg_dump");
        program.args(["--no-owner", "--exclude-table=flamingock_*"]);
        program.args(options).arg(&database.url);
        written(program).await
    }

    fn runner(pool: &Pool<Self::Db>) -> Runner {
        Runner::new(pool)
    }
}

impl Dumped for MariaDb {
    async fn dump(database: &TestDatabase<Self>, options: &[&str]) -> String {
        let pool = database.pool(1).await;
        let name = name_of_mariadb(&pool);
        let mut program = Command::new("mariadb-dump");
        program.args(of_mariadb(&pool));
        for table in ["audit", "lock", "lease", "progress", "marker"] {
            program.arg(format!("--ignore-table={name}.flamingock_{table}"));
        }
        program.args([
            "--routines",
            "--events",
            "--triggers",
            "--skip-dump-date",
            "--hex-blob",
        ]);
        program.args(options).arg(name);
        written(program).await
    }

    fn runner(pool: &Pool<Self::Db>) -> Runner {
        Runner::new(pool)
    }
}

impl Dumped for Sqlite {
    async fn dump(database: &TestDatabase<Self>, options: &[&str]) -> String {
        let pool = database.pool(1).await;
        let tables = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') \
             AND name NOT LIKE 'flamingock\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
        let mut program = Command::new("sqlite3");
        program.args(["-init", "/dev/null", "-batch"]).args(options);
        program.arg(
            database
                .folder()
                .expect("the database is a file")
                .join("test.db"),
        );
        for table in strings(&pool, tables).await {
            let pattern = table
                .replace('\\', "\\\\")
                .replace('_', "\\_")
                .replace('%', "\\%");
            program.arg(format!(".dump '{}'", pattern.replace('\'', "''")));
        }
        written(program).await
    }

    fn runner(pool: &Pool<Self::Db>) -> Runner {
        Runner::new(pool)
    }
}

/// The options that tell MariaDB's programs the server.
fn of_mariadb(pool: &Pool<sqlx::MySql>) -> Vec<String> {
    let url = pool.connect_options().to_url_lossy();
    vec![
        "--no-defaults".to_owned(),
        "--protocol=tcp".to_owned(),
        format!("--host={}", url.host_str().unwrap_or_default()),
        format!("--port={}", url.port().unwrap_or(3306)),
        format!("--user={}", url.username()),
        format!("--password={}", url.password().unwrap_or_default()),
    ]
}

fn name_of_mariadb(pool: &Pool<sqlx::MySql>) -> String {
    let url = pool.connect_options().to_url_lossy();
    url.path().trim_start_matches('/').to_owned()
}

/// The output of a program.
async fn written(mut program: Command) -> String {
    let output = program.stdin(Stdio::null()).output().await;
    let output = output.unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {said}");
    String::from_utf8(output.stdout).expect("a dump is UTF-8")
}
