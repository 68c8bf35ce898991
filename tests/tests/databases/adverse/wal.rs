//! A SQLite file with a write-ahead log: two long stages side by side, while the application writes
//! and reads it.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use flamingock::{Context, Definition, LockOptions, Runner, Stage, change, changes, testing};
use flamingock_tests::{Backend, Sqlite, count, execute, query, strings, with_table};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};

/// The number of changes in each stage.
const EACH: usize = 60;

#[change(id = "shared", order = "001", stage = "s", register = false)]
async fn shared(db: &mut SqliteConnection, cx: &Context) -> Result<(), sqlx::Error> {
    query(db, "SELECT count(*) FROM done").await?;
    let text = format!("INSERT INTO done VALUES ('{}')", cx.change_id());
    query(db, &text).await.map(drop)
}

#[change(
    id = "plain",
    order = "001",
    stage = "s",
    transaction = false,
    register = false
)]
async fn plain(db: &mut SqliteConnection, cx: &Context) -> Result<(), sqlx::Error> {
    // The application gets the file again and again.
    query(db, "PRAGMA busy_timeout = 60000").await?;
    let text = format!("INSERT INTO done VALUES ('{}')", cx.change_id());
    query(db, &text).await.map(drop)
}

fn stage(name: &'static str) -> impl Iterator<Item = &'static Definition> {
    (0..EACH).map(move |number| {
        // Every fifth change is non-transactional.
        let base = changes![shared, plain][usize::from(number % 5 == 4)];
        testing::change(format!("{name} {number:03}"))
            .order(format!("{number:03}"))
            .stage(name)
            .functions_of(base)
            .build()
    })
}

/// An application that works until it is stopped.
#[derive(Debug)]
struct Application {
    url: String,
    ends: AtomicBool,
    visits: AtomicI64,
}

impl Application {
    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::from_str(&self.url).unwrap();
        let options = options.busy_timeout(Duration::from_secs(60));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Takes the write lock at once, or by an upgrade, which the database may refuse.
    async fn writes(self: Arc<Application>, begin: &'static str) {
        let mut connection = self.connect().await;
        while !self.ends.load(Ordering::SeqCst) {
            query(&mut connection, begin).await.unwrap();
            query(&mut connection, "SELECT count(*) FROM visits")
                .await
                .unwrap();
            let visited = async {
                query(&mut connection, "INSERT INTO visits VALUES (1)").await?;
                query(&mut connection, "COMMIT").await
            };
            match visited.await {
                Ok(_) => {
                    self.visits.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => query(&mut connection, "ROLLBACK").await.map(drop).unwrap(),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sees the state at its beginning for its whole duration.
    async fn reads(self: Arc<Application>) {
        let mut connection = self.connect().await;
        query(&mut connection, "BEGIN; SELECT count(*) FROM done")
            .await
            .unwrap();
        while !self.ends.load(Ordering::SeqCst) {
            let seen = query(&mut connection, "SELECT count(*) FROM done")
                .await
                .unwrap();
            assert_eq!(seen, ["0"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_long_stages_are_applied_once_without_disturbing_the_application() {
    let database = Sqlite::fresh().await;
    let watch = with_table(&database, 1).await;
    execute(
        &watch,
        "PRAGMA journal_mode = WAL; CREATE TABLE visits (n INT)",
    )
    .await;
    let application = Arc::new(Application {
        url: database.url.clone(),
        ends: AtomicBool::new(false),
        visits: AtomicI64::new(0),
    });
    let at_work = [
        tokio::spawn(Arc::clone(&application).writes("BEGIN IMMEDIATE")),
        tokio::spawn(Arc::clone(&application).writes("BEGIN")),
        tokio::spawn(Arc::clone(&application).reads()),
    ];
    // Only the framework itself waits for the file.
    let options = SqliteConnectOptions::from_str(&database.url).unwrap();
    let options = options.busy_timeout(Duration::ZERO);
    let pool = SqlitePoolOptions::new()
        .max_connections(3)
        .connect_with(options);
    let report = Runner::new(&pool.await.unwrap())
        .stage(Stage::new("left"))
        .stage(Stage::new("right"))
        .changes(stage("left").chain(stage("right")))
        .parallel_stages(2)
        .lock(LockOptions::default().lease(Duration::from_secs(2)))
        .run()
        .await;
    application.ends.store(true, Ordering::SeqCst);
    for work in at_work {
        work.await.unwrap();
    }
    let report = report.unwrap();
    assert_eq!(report.counts().newly_applied, 2 * EACH);
    let expected: Vec<String> = ["left", "right"]
        .iter()
        .flat_map(|name| (0..EACH).map(move |number| format!("{name} {number:03}")))
        .collect();
    let done = strings(&watch, "SELECT what FROM done ORDER BY what").await;
    assert_eq!(done, expected);
    let applied =
        "SELECT change_id FROM flamingock_audit WHERE state = 'APPLIED' ORDER BY change_id";
    assert_eq!(strings(&watch, applied).await, expected);
    // Within a stage the order is kept.
    for name in ["left", "right"] {
        let in_order = format!("SELECT what FROM done WHERE what LIKE '{name} %' ORDER BY rowid");
        assert!(strings(&watch, &in_order).await.is_sorted());
    }
    let visits = application.visits.load(Ordering::SeqCst);
    assert_eq!(count(&watch, "SELECT count(*) FROM visits").await, visits);
    assert!(visits > 0);
}
