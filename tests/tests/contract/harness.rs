//! The harness itself: the tools of the scenarios are proved on real servers and processes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use flamingock_tests::servers::{Access, Hosted};
use flamingock_tests::sql::once;
use flamingock_tests::{Backend, Driver, count, execute, scenarios, strings, try_execute, until};
use sqlx::pool::PoolOptions;

const SOON: Duration = Duration::from_secs(20);
const A_WHILE: Duration = Duration::from_millis(300);

scenarios!(postgres, mariadb;
    killed_and_restarted_server_keeps_committed_rows,
    stop_is_orderly_and_restart_takes_the_same_port,
    paused_server_answers_once_resumed,
);

async fn killed_and_restarted_server_keeps_committed_rows<H: Hosted>() -> io::Result<()> {
    let mut server = H::start().await?;
    let database = server.fresh().await;
    // A pool retries for this long while connections are refused.
    let options = PoolOptions::new().acquire_timeout(Duration::from_secs(1));
    let pool = database.pool_with(options).await;
    execute(&pool, "CREATE TABLE t (n INT); INSERT INTO t VALUES (1)").await;

    server.kill()?;
    assert!(server.pid().is_none());
    assert_eq!(working_in(server.folder()), Vec::<u32>::new());
    assert!(
        try_execute(&pool, "INSERT INTO t VALUES (2)")
            .await
            .is_err()
    );

    server.restart().await?;
    assert_eq!(count(&pool, "SELECT count(*) FROM t").await, 1);
    Ok(())
}

async fn stop_is_orderly_and_restart_takes_the_same_port<H: Hosted>() -> io::Result<()> {
    let mut server = H::start().await?;
    let port = server.port();
    let database = server.fresh().await;
    let pool = database.pool(1).await;
    server.stop().await?;
    let log = fs::read_to_string(server.folder().join("server.log"))?;
    assert!(
        log.to_lowercase().contains("shutdown complete") || log.contains("is shut down"),
        "{log}"
    );
    server.restart().await?;
    assert_eq!(server.port(), port);
    execute(&pool, "SELECT 1").await;
    Ok(())
}

async fn paused_server_answers_once_resumed<H: Hosted>() -> io::Result<()> {
    let mut server = H::start().await?;
    let database = server.fresh().await;
    let pool = database.pool(1).await;
    server.pause()?;
    let answer = tokio::spawn(async move { count(&pool, "SELECT 7").await });
    tokio::time::sleep(A_WHILE).await;
    assert!(!answer.is_finished());
    server.resume()?;
    assert_eq!(answer.await?, 7);
    Ok(())
}

mod backends {
    use super::*;

    scenarios!(sqlite, postgres, mariadb; databases_are_separate, answers_are_text);

    async fn databases_are_separate<B: Backend>() {
        let (one, other) = (B::fresh().await, B::fresh().await);
        execute(&one.pool(3).await, "CREATE TABLE t (n INT)").await;
        execute(&other.pool(1).await, "CREATE TABLE t (n INT)").await;
    }

    async fn answers_are_text<B: Backend>() {
        let database = B::fresh().await;
        let pool = database.pool(1).await;
        execute(
            &pool,
            "CREATE TABLE t (n BIGINT, s VARCHAR(9), x REAL);
             INSERT INTO t VALUES (1, 'one', 1.5), (NULL, '', NULL)",
        )
        .await;
        let rows = strings(&pool, "SELECT n, s, x FROM t ORDER BY n IS NULL").await;
        assert_eq!(rows, ["1|one|1.5", "NULL||NULL"]);
        assert_eq!(count(&pool, "SELECT count(*) FROM t").await, 2);
        assert!(try_execute(&pool, "SELECT * FROM nowhere").await.is_err());
    }
}

#[tokio::test]
async fn dropped_database_is_removed_from_its_server() {
    async fn check<H: Hosted>(access: &Access<H>, names: &str) {
        let database = access.fresh().await;
        let pool = database.pool(2).await;
        let url = database.url.clone();
        let name = url.rsplit('/').next().unwrap().to_owned();
        let names = names.replace("$name", &name);
        assert_eq!(
            once::<H::Db>(access.admin_url(), &names).await.unwrap(),
            ["1"]
        );
        drop(database);
        assert_eq!(
            once::<H::Db>(access.admin_url(), &names).await.unwrap(),
            ["0"]
        );
        drop(pool);
    }
    let names = "SELECT count(*) FROM pg_database WHERE datname = '$name'";
    check(flamingock_tests::servers::postgres().await, names).await;
    let names = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = '$name'";
    check(flamingock_tests::servers::mariadb().await, names).await;
}

#[tokio::test]
async fn no_server_outlives_a_killed_process() -> io::Result<()> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_with-servers"));
    command
        .env_remove("FLAMINGOCK_TEST_POSTGRES_URL")
        .env_remove("FLAMINGOCK_TEST_MYSQL_URL");
    let script = "echo $$; echo $FLAMINGOCK_TEST_POSTGRES_URL; echo $FLAMINGOCK_TEST_MYSQL_URL; exec sleep 60";
    command.args(["sh", "-c", script]);
    let mut driver = Driver::spawn(command)?;
    let child = driver.line("", SOON).await?;
    let postgres = driver.line("", SOON).await?;
    let mariadb = driver.line("", SOON).await?;
    let folders = [
        once::<sqlx::Postgres>(&postgres, "SHOW data_directory")
            .await
            .unwrap(),
        once::<sqlx::MySql>(&mariadb, "SELECT @@datadir")
            .await
            .unwrap(),
    ]
    .map(|data| Path::new(&data[0]).parent().unwrap().to_owned());
    assert!(
        folders
            .iter()
            .all(|folder| !processes_in(folder).is_empty())
    );

    driver.kill()?;
    for folder in &folders {
        until(
            &format!("no process and nothing else of {folder:?} is left"),
            async || processes_in(folder).is_empty() && !folder.exists(),
        )
        .await;
    }
    Command::new("kill")
        .arg(child)
        .stderr(Stdio::null())
        .status()?;
    Ok(())
}

/// The processes of a server, and its keeper, which has the folder in its arguments.
fn processes_in(folder: &Path) -> Vec<u32> {
    let mut processes = working_in(folder);
    processes.extend(processes_that(|process| {
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        folder
            .to_str()
            .is_some_and(|folder| String::from_utf8_lossy(&arguments).contains(folder))
    }));
    processes
}

fn working_in(folder: &Path) -> Vec<u32> {
    processes_that(|process| {
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    })
}

fn processes_that(fits: impl Fn(&Path) -> bool) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| fits(&process.path()))
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}

#[tokio::test]
async fn driver_is_paused_resumed_and_killed() -> io::Result<()> {
    let script = "echo one; echo two >&2; while :; do echo tick; sleep 0.05; done";
    let mut driver = Driver::start("sh", ["-c", script])?;
    assert_eq!(driver.line("on", SOON).await?, "one");
    driver.line("tick", SOON).await?;
    driver.pause()?;
    // Data that was already sent is still forwarded.
    while driver.line("tick", A_WHILE).await.is_ok() {}
    driver.resume()?;
    driver.line("tick", SOON).await?;
    driver.kill()?;
    let finished = driver.finish(SOON).await?;
    assert!(finished.status.code().is_none());
    assert!(finished.stdout.starts_with("one\ntick\n"));
    assert_eq!(finished.stderr, "two\n");
    Ok(())
}

#[tokio::test]
async fn driver_that_ends_or_stays_silent_is_an_error_with_its_output() -> io::Result<()> {
    let mut driver = Driver::start("sh", ["-c", "echo only; exec sleep 60"])?;
    let error = driver.line("other", A_WHILE).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("stdout:\nonly\n"), "{error}");
    let error = driver.finish(A_WHILE).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);

    let mut driver = Driver::start("sh", ["-c", "exit 3"])?;
    let error = driver.line("other", SOON).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(driver.finish(SOON).await?.status.code(), Some(3));
    Ok(())
}
