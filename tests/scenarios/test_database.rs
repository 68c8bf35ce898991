//! `testing::database`: each test gets a database of its own, in which all changes are applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock::testing::{self, TestDatabase};
use flamingock::{BoxError, Outcome, Runner, TargetSystem, change, changes};
use flamingock_tests::{Backend as _, execute, strings};
use futures_util::future::join_all;
use sqlx::Pool;

use super::{Backend, Connection, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// How often the changes ran.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[change(id = "make-users", order = "0001", register = false)]
async fn make_users(db: &mut Connection, runs: &Runs) -> Result<(), sqlx::Error> {
    runs.0.fetch_add(1, Ordering::SeqCst);
    let text = "CREATE TABLE users (name VARCHAR(20))";
    sqlx::raw_sql(text).execute(db).await.map(drop)
}

#[change(id = "first-user", order = "0002", register = false)]
async fn first_user(db: &mut Connection) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO users VALUES ('ada')";
    sqlx::raw_sql(text).execute(db).await.map(drop)
}

#[change(id = "never", order = "0003", register = false)]
async fn never() -> Result<(), BoxError> {
    Err("it never works".into())
}

/// The runner of one test, whose service's name makes its template that test's own.
fn runner(pool: &Pool<Db>, test: &str, runs: &Runs) -> Runner {
    Runner::new(pool)
        .service(test)
        .changes(changes![make_users, first_user])
        .provide(runs.clone())
}

async fn database(url: &str, test: &str, runs: &Runs) -> TestDatabase<Db> {
    let made = testing::database(url, |pool: &Pool<Db>| runner(pool, test, runs)).await;
    made.unwrap_or_else(|error| panic!("{test}: {error:#}"))
}

async fn users(database: &TestDatabase<Db>) -> Vec<String> {
    strings(database, "SELECT name FROM users ORDER BY name").await
}

/// The number of templates that were made after so many databases.
fn templates(databases: usize) -> usize {
    match NAME {
        "MariaDB" => databases,
        _ => 1,
    }
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let place = Backend::fresh().await;
    let runs = Runs::default();
    let first = database(&place.url, "own", &runs).await;
    let second = database(&place.url, "own", &runs).await;
    execute(&first, "INSERT INTO users VALUES ('bob')").await;
    assert_eq!(users(&first).await, ["ada", "bob"]);
    assert_eq!(users(&second).await, ["ada"]);
    assert_eq!(runs.count(), templates(2));

    // The audit is a copy too, and belongs to no run.
    let report = runner(&second, "own", &runs).run().await.unwrap();
    assert!(report.is_up_to_date(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_tests_share_one_template() {
    let place = Backend::fresh().await;
    let runs = Runs::default();
    let databases = (0..6).map(|_| database(&place.url, "parallel", &runs));
    let databases = join_all(databases).await;
    for database in &databases {
        assert_eq!(users(database).await, ["ada"]);
    }
    assert_eq!(runs.count(), templates(6));
}

#[tokio::test]
async fn another_change_makes_another_template() {
    let place = Backend::fresh().await;
    let runs = Runs::default();
    database(&place.url, "edited", &runs).await;
    let more = testing::change("more").order("0003").digest("v1:more");
    let more = more.build();
    let with_more = |pool: &Pool<Db>| {
        let all = changes![make_users, first_user].into_iter().chain([more]);
        runner(pool, "edited", &runs).changes(all)
    };
    let edited = testing::database(&place.url, with_more).await.unwrap();
    assert_eq!(runs.count(), 2);
    let report = with_more(&edited).run().await.unwrap();
    let outcomes: Vec<Outcome> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(outcomes, [Outcome::AlreadyApplied; 3]);
    // The first template is still there: both belong to this build.
    database(&place.url, "edited", &runs).await;
    assert_eq!(runs.count(), if NAME == "MariaDB" { 3 } else { 2 });
}

#[tokio::test]
async fn database_is_removed_when_it_is_dropped() {
    let place = Backend::fresh().await;
    let database = database(&place.url, "dropped", &Runs::default()).await;
    let url = database.url().to_owned();
    let pool = Pool::<Db>::connect(&url).await.unwrap();
    assert_eq!(strings(&pool, "SELECT name FROM users").await, ["ada"]);
    pool.close().await;
    drop(database);
    let again = Pool::<Db>::connect(&url).await;
    let again = match again {
        Ok(pool) => flamingock_tests::try_execute(&pool, "SELECT name FROM users").await,
        Err(error) => Err(error),
    };
    assert!(again.is_err(), "{url}");
}

#[tokio::test]
async fn change_of_another_system_is_refused_by_name() {
    let place = Backend::fresh().await;
    let elsewhere = testing::change("upload-logo").target("files").build();
    let made = testing::database(&place.url, |pool: &Pool<Db>| {
        Runner::new(pool)
            .target(TargetSystem::new("files"))
            .changes([elsewhere])
    });
    let error = format!("{:#}", made.await.unwrap_err());
    assert!(
        error.contains("\"upload-logo\" changes the target system \"files\""),
        "{error}"
    );
}

#[tokio::test]
async fn failed_change_makes_no_template() {
    let place = Backend::fresh().await;
    let runs = Runs::default();
    for expected in 1..=2 {
        let failing = |pool: &Pool<Db>| {
            runner(pool, "failed", &runs).changes(changes![make_users, first_user, never])
        };
        let error = testing::database(&place.url, failing).await.unwrap_err();
        assert!(format!("{error:#}").contains("never"), "{error:#}");
        assert_eq!(runs.count(), expected);
    }
}
