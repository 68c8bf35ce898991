//! PostgreSQL only: an index that is created while waiters wait, and a pooler in transaction mode.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flamingock::{BoxError, ErrorKind, LockOptions, Outcome, Runner, change, changes, verify};
use flamingock_tests::servers::{free_port, postgres};
use flamingock_tests::{Backend, Driver, Gate, Postgres, audit, execute, query, strings, until};
use sqlx::{Connection, PgConnection};

use super::ground::{Ground, Kind, try_rows};
use super::oracle::{AGAIN, LAST, PLAIN, SHARED, Scene, VERIFIED};
use super::start::{Start, end_of};

#[change(id = "index", order = "001", transaction = false, register = false)]
async fn index(db: &mut PgConnection) -> Result<(), BoxError> {
    query(db, "CREATE INDEX CONCURRENTLY big_n ON big (n)").await?;
    Ok(())
}

#[tokio::test]
async fn index_is_created_concurrently_despite_waiters() {
    let database = Postgres::fresh().await;
    let pool = database.pool(12).await;
    execute(
        &pool,
        "CREATE TABLE big AS SELECT n FROM generate_series(1, 300000) n",
    )
    .await;
    let lock = LockOptions::default().poll(Duration::from_millis(10));
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
        Pooler::with("transaction", SHARED_CONNECTIONS).await
    }

    /// Assigns that number of server connections to clients, for a transaction or for a session.
    async fn with(mode: &str, connections: usize) -> Pooler {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(PathBuf::from);
        let program = program.into_iter().find(|program| program.exists());
        let program = program.expect("pgbouncer is not installed: `apt-get install pgbouncer`");
        let folder = tempfile::tempdir().unwrap();
        let (port, server) = (free_port().unwrap(), postgres().await.port());
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\n\
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
async fn runs_behind_a_transaction_pooler_prepare_nothing() {
    let pooler = Pooler::start().await;
    let ground = Ground::with_table(Kind::Postgres).await;
    let through = pooler.url(ground.url().rsplit('/').next().unwrap());
    let changes = [SHARED, VERIFIED, AGAIN, PLAIN, LAST];
    let ids = changes.map(|change| change.id).join(",");
    // Three services, each run by two processes at the same time.
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
    // One client after the other gets the used server connections.
    for _ in 0..SHARED_CONNECTIONS {
        let prepared = try_rows(&through, "SELECT count(*) FROM pg_prepared_statements").await;
        assert_eq!(prepared.unwrap(), ["0"]);
    }
}

/// While a change has the only connection to the server, the lease cannot be renewed.
#[tokio::test]
async fn pooler_with_one_connection_to_the_server_is_named_when_it_costs_the_lease() {
    let pooler = Pooler::with("transaction", 1).await;
    let ground = Ground::with_table(Kind::Postgres).await;
    let through = pooler.url(ground.url().rsplit('/').next().unwrap());
    let nowhere = Path::new("/nonexistent/flamingock");
    let start = |lease| Start::of("shared", &through).lock(lease, 20_000);
    let long = start(1_500).holding("shared 1", nowhere).run().await;
    long.expect("LeaseLost")
        .says("a pooler needs at least 2 to the server");
    let scene = Scene::of(ground.url(), ground.url());
    assert_eq!(SHARED.look(&scene).await.times, [0, 0]);
    // A change that ends soon does not need a second one.
    start(15_000).run().await.expect("ok");
    assert_eq!(SHARED.look(&scene).await.times, [1, 1]);
}

/// With one connection to the server, no statement can run during the transaction of another
/// client: it is recognised all the same.
#[tokio::test]
async fn time_limits_are_refused_behind_a_pooler_with_one_connection_to_the_server() {
    let pooler = Pooler::with("transaction", 1).await;
    let database = Postgres::fresh().await;
    let direct = flamingock_tests::with_table(&database, 1).await;
    let through = pooler.url(database.url.rsplit('/').next().unwrap());
    let pool = sqlx::PgPool::connect(&through).await.unwrap();
    for change in changes![by_timeout, by_statement_timeout, by_lock_timeout] {
        let error = runner_of(&pool, change).run().await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("transaction pooler"), "{text}");
        assert_eq!(strings(&direct, "SELECT what FROM done").await, [""; 0]);
        assert_eq!(audit(&direct).await, [""; 0], "{text}");
        assert_eq!(limits(&through, 1).await, ["0 0"]);
    }
    let report = runner_of(&pool, changes![unlimited][0]).run().await;
    assert_eq!(report.unwrap().counts().newly_applied, 1);
}

macro_rules! limited {
    ($($name:ident $id:tt ($($key:tt)*);)+) => {$(
        #[change(id = $id, order = "001", transaction = false, register = false $($key)*)]
        async fn $name(db: &mut PgConnection) -> Result<(), sqlx::Error> {
            query(db, "INSERT INTO done VALUES ('ran')").await.map(drop)
        }
    )+};
}

limited! {
    by_timeout "by-timeout" (, timeout = "30s");
    by_statement_timeout "by-statement-timeout" (, statement_timeout = "30s");
    by_lock_timeout "by-lock-timeout" (, lock_timeout = "30s");
    unlimited "unlimited" ();
}

/// The limits of a change in a transaction apply to that transaction only.
#[change(
    id = "in-a-transaction",
    order = "001",
    timeout = "30s",
    lock_timeout = "30s",
    statement_timeout = "30s",
    register = false
)]
async fn in_a_transaction(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('ran')").await.map(drop)
}

#[verify(in_a_transaction)]
async fn is_there(_db: &mut PgConnection) -> bool {
    true
}

/// The limits of every session of the server that the pooler's clients share.
async fn limits(through: &str, connections: usize) -> Vec<String> {
    let mut clients = Vec::new();
    let mut found = Vec::new();
    for _ in 0..connections {
        let mut client = PgConnection::connect(through).await.unwrap();
        // Each client holds its session, so the next one gets another.
        let text = "BEGIN; SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')";
        found.extend(query(&mut client, text).await.unwrap());
        clients.push(client);
    }
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn time_limits_without_a_transaction_are_refused_behind_a_transaction_pooler() {
    const CONNECTIONS: usize = 3;
    let database = Postgres::fresh().await;
    let direct = flamingock_tests::with_table(&database, 2).await;
    let name = database.url.rsplit('/').next().unwrap().to_owned();
    let transaction = Pooler::with("transaction", CONNECTIONS).await;
    let session = Pooler::with("session", 20).await;
    let through = sqlx::PgPool::connect(&transaction.url(&name))
        .await
        .unwrap();
    let by_session = sqlx::PgPool::connect(&session.url(&name)).await.unwrap();
    let changes = changes![by_timeout, by_statement_timeout, by_lock_timeout];
    for change in changes {
        let runner = |pool| {
            Runner::new(pool)
                .service(change.id)
                .independent_service()
                .changes([change])
        };
        let error = runner(&through).run().await.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("transaction pooler"), "{text}");
        let outcome = error.report().unwrap().changes().next().unwrap().outcome;
        assert_eq!(outcome, Outcome::NotReached, "{text}");
        assert_eq!(strings(&direct, "SELECT what FROM done").await, [""; 0]);
        assert_eq!(audit(&direct).await, [""; 0], "{text}");
        assert!(runner(&through).issues().await.unwrap().is_empty());
        assert_eq!(limits(&transaction.url(&name), CONNECTIONS).await, ["0 0"]);
        // On the server itself, and where a session stays with its client, the limits are correct.
        for pool in [&direct, &by_session] {
            let report = runner(pool).run().await.unwrap();
            assert!(report.is_success(), "{report}");
            let forget = "TRUNCATE flamingock_audit; TRUNCATE done;
                          UPDATE flamingock_lock SET pipeline_digest = NULL";
            execute(&direct, forget).await;
        }
    }
    // Settings that can be correct are not refused.
    for change in changes![unlimited, in_a_transaction] {
        let runner = Runner::new(&through)
            .service(change.id)
            .independent_service()
            .changes([change]);
        assert_eq!(runner.run().await.unwrap().counts().newly_applied, 1);
        let answers = runner_of(&through, change).verify().await.unwrap();
        assert!(
            answers.iter().all(|answer| answer.present == Some(true)),
            "{answers:?}"
        );
        assert_eq!(limits(&transaction.url(&name), CONNECTIONS).await, ["0 0"]);
    }
}

fn runner_of(pool: &sqlx::PgPool, change: &'static flamingock::Definition) -> Runner {
    Runner::new(pool)
        .service(change.id)
        .independent_service()
        .changes([change])
}

/// Reads the id of its server session, and waits at the gate without using it.
#[change(id = "stands", order = "001", transaction = false, register = false)]
async fn stands(db: &mut PgConnection, session: &Session, gate: &Gate) -> Result<(), sqlx::Error> {
    let answer = query(db, "SELECT pg_backend_pid()::text").await?;
    session.0.lock().unwrap().clone_from(&answer[0]);
    gate.pass().await;
    Ok(())
}

#[derive(Clone, Debug, Default)]
struct Session(std::sync::Arc<std::sync::Mutex<String>>);

/// Another client uses the session of the change's statement when the lock is lost.
#[tokio::test]
async fn lost_lock_cancels_no_statement_of_another_pooler_client() {
    let database = Postgres::fresh().await;
    let direct = flamingock_tests::with_table(&database, 2).await;
    let name = database.url.rsplit('/').next().unwrap().to_owned();
    let pooler = Pooler::with("transaction", 4).await;
    let through = sqlx::PgPool::connect(&pooler.url(&name)).await.unwrap();
    let (session, gate) = (Session::default(), Gate::default());
    let lock = LockOptions::default().lease(Duration::from_secs(2));
    let run = Runner::new(&through)
        .changes(changes![stands])
        .lock(lock)
        .provide(session.clone())
        .provide(gate.clone())
        .run();
    let run = tokio::spawn(run);
    gate.reached().await;
    let wanted = session.0.lock().unwrap().clone();
    // The other client has that session for the duration of its transaction.
    let mut others = Vec::new();
    let mut other = loop {
        let mut other = PgConnection::connect(&pooler.url(&name)).await.unwrap();
        let text = "BEGIN; SELECT pg_backend_pid()::text";
        let got = query(&mut other, text).await.unwrap();
        if got[0] == wanted {
            break other;
        }
        others.push(other);
        assert!(others.len() < 3, "{wanted} is not to be had");
    };
    drop(others);
    let works =
        tokio::spawn(async move { query(&mut other, "SELECT 'done' FROM pg_sleep(8)").await });
    let working = "SELECT count(*) FROM pg_stat_activity
                   WHERE state = 'active' AND query LIKE '%pg_sleep(8)%' AND pid <> pg_backend_pid()
                   AND datname = current_database()";
    until("the other client works", async || {
        flamingock_tests::count(&direct, working).await == 1
    })
    .await;
    let steal = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief'";
    execute(&direct, steal).await;
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert!(
        !works.is_finished(),
        "the lock was lost too late for this test"
    );
    assert_eq!(works.await.unwrap().unwrap(), ["done"]);
}
