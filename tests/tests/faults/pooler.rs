//! PostgreSQL alone: an index that is made beside waiters, and a pooler in transaction mode.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flamingock::{BoxError, LockOptions, Runner, change, changes};
use flamingock_tests::servers::{free_port, postgres};
use flamingock_tests::{Backend, Driver, Postgres, audit, execute, query, strings, until};
use sqlx::PgConnection;

use super::ground::{Ground, Kind, try_rows};
use super::oracle::{AGAIN, LAST, PLAIN, SHARED, Scene, VERIFIED};
use super::start::{Start, end_of};

#[change(id = "index", order = "001", transaction = false, detached)]
async fn index(db: &mut PgConnection) -> Result<(), BoxError> {
    query(db, "CREATE INDEX CONCURRENTLY big_n ON big (n)").await?;
    Ok(())
}

#[tokio::test]
async fn index_is_created_concurrently_beside_waiters() {
    let database = Postgres::fresh().await;
    let pool = database.pool(12).await;
    execute(
        &pool,
        "CREATE TABLE big AS SELECT n FROM generate_series(1, 300000) n",
    )
    .await;
    let lock = LockOptions {
        poll: Duration::from_millis(10),
        ..LockOptions::default()
    };
    let began = Instant::now();
    let runs = (0..11).map(|_| Runner::new(&pool).changes(changes![index]).lock(lock).run());
    let runs: Vec<_> = runs.map(tokio::spawn).collect();
    for run in runs {
        assert!(run.await.unwrap().unwrap().is_success());
    }
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'big_n'::regclass";
    assert_eq!(strings(&pool, valid).await, ["true"]);
    assert_eq!(
        audit(&pool).await,
        ["index 1 STARTED none", "index 1 APPLIED none"]
    );
}

/// A pooler that hands a server connection to another client after each transaction.
struct Pooler {
    _process: Driver,
    _folder: tempfile::TempDir,
    port: u16,
}

/// The server's connections that all clients share.
const SHARED_CONNECTIONS: usize = 8;

impl Pooler {
    async fn start() -> Pooler {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(PathBuf::from);
        let program = program.into_iter().find(|program| program.exists());
        let program = program.expect("pgbouncer is not installed: `apt-get install pgbouncer`");
        let folder = tempfile::tempdir().unwrap();
        let (port, server) = (free_port().unwrap(), postgres().await.port());
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = {SHARED_CONNECTIONS}\n\
             max_client_conn = 200\nignore_startup_parameters = extra_float_digits\n"
        );
        std::fs::write(&file, settings).unwrap();
        let mut command = std::process::Command::new(program);
        command.arg("-q").arg(&file).current_dir("/");
        unprivileged(&mut command, &[folder.path(), &file]);
        let process = Driver::spawn(command.into()).unwrap();
        let pooler = Pooler {
            _process: process,
            _folder: folder,
            port,
        };
        until("the pooler answers", async || {
            try_rows(&pooler.url("postgres"), "SELECT 1").await.is_ok()
        })
        .await;
        pooler
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// It refuses to run as root.
fn unprivileged(command: &mut std::process::Command, files: &[&Path]) {
    const NOBODY: u32 = 65_534;
    if !rustix::process::getuid().is_root() {
        return;
    }
    for file in files {
        chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    command.uid(NOBODY).gid(NOBODY);
}

#[tokio::test]
async fn runs_behind_a_pooler_in_transaction_mode_prepare_nothing() {
    let pooler = Pooler::start().await;
    let ground = Ground::with_table(Kind::Postgres).await;
    let through = pooler.url(ground.url().rsplit('/').next().unwrap());
    let changes = [SHARED, VERIFIED, AGAIN, PLAIN, LAST];
    let ids = changes.map(|change| change.id).join(",");
    // Three services, each by two processes at once.
    let scenes: Vec<Scene> = (0..3)
        .map(|number| {
            let name = format!("p{number}");
            let (service, tag) = (name.clone(), name);
            Scene {
                service,
                tag,
                ..Scene::of(ground.url(), ground.url())
            }
        })
        .collect();
    let starts = scenes.iter().flat_map(|scene| {
        let start = Start::of(&ids, &through)
            .with("--service", &scene.service)
            .with("--tag", &scene.tag)
            .lock(5_000, 30_000);
        [(scene, start.spawn()), (scene, start.spawn())]
    });
    let running: Vec<_> = starts.collect();
    for (scene, driver) in running {
        let ran = end_of(driver).await;
        ran.expect("ok");
        for change in changes {
            change.judge(&change.look(scene).await, &ran, &scene.service);
        }
    }
    // One client after the other gets the server's connections that were used.
    for _ in 0..SHARED_CONNECTIONS {
        let prepared = try_rows(&through, "SELECT count(*) FROM pg_prepared_statements").await;
        assert_eq!(prepared.unwrap(), ["0"]);
    }
}
