//! Databases for tests, in which all changes are applied already.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::{Database, Pool};

use crate::engine;
use crate::runner::builder::Runner;
use crate::util::boxed::{BoxError, BoxFuture};
use crate::util::hash::Digest;

/// How the names of the databases begin.
const PREFIX: &str = "flamingock_test_";

/// How long the database of a test is kept whose process ended without dropping it.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A time before the first database of a test: a smaller number in a name is not a time.
const FIRST: u64 = 1_700_000_000;

/// Returns a database of its own for a test, in which all changes of the runner are applied.
///
/// The first call applies the changes to a template. This call and later ones, also those of other
/// tests and processes, copy the template, which takes a fraction of the time: PostgreSQL copies a
/// database, and SQLite's is a file. MySQL and MariaDB cannot copy a database: there, each call
/// applies the changes.
///
/// A template belongs to one build of one test program, and to the changes and settings of the
/// runner: after an edit there is a new one, and the old one is removed. So a template is also new
/// if a function was edited that a change only calls.
///
/// # URLs
/// - PostgreSQL, MySQL, MariaDB: the URL of any database of the server, with a user who may create
///   databases. The new ones are called `flamingock_test_..`, and PostgreSQL's template is
///   `flamingock_template_..`.
/// - SQLite: `sqlite:PATH`. The files are beside that path, with names that begin like its. With
///   `sqlite::memory:` they are in the folder for temporary files.
///
/// The database is removed when the value is dropped. What a killed process left is removed a day
/// later.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # mod tests {
/// use flamingock::{Runner, change, changes, testing};
/// use sqlx::{SqliteConnection, SqlitePool};
///
/// #[change(id = "create-users", order = "0001", register = false)]
/// async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
///     sqlx::query("CREATE TABLE users (name TEXT)").execute(db).await?;
///     Ok(())
/// }
///
/// // In a test:
/// pub async fn new_user_is_counted() -> Result<(), flamingock::BoxError> {
///     let runner = |pool: &SqlitePool| Runner::new(pool).changes(changes![create_users]);
///     let database = testing::database("sqlite::memory:", runner).await?;
///
///     sqlx::query("INSERT INTO users VALUES ('Ada')").execute(&*database).await?;
///     let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&*database).await?;
///     assert_eq!(count, 1);
///     Ok(())
/// }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// #     #[cfg(feature = "sqlite")]
/// #     tests::new_user_is_counted().await.unwrap();
/// # }
/// ```
///
/// # Errors
/// The changes do not form a valid pipeline; a change has a target system other than the database
/// of the audit, where a copy would not repeat its effects; a change fails; the database cannot be
/// reached or created.
pub async fn database<DB: Clonable>(
    url: &str,
    runner: impl Fn(&Pool<DB>) -> Runner + Send + Sync,
) -> Result<TestDatabase<DB>, BoxError> {
    let unused = Pool::<DB>::connect_lazy(url)?;
    let key = engine::clone_key(&runner(&unused).settings).await?;
    let template = TemplateOf::new(&key);
    let fill = |pool: Pool<DB>| -> BoxFuture<'static, Result<(), BoxError>> {
        let run = runner(&pool).run();
        Box::pin(async move {
            run.await?;
            pool.close().await;
            Ok(())
        })
    };
    let made = DB::make(url, &template, &fill).await?;
    let pool = Pool::connect(&made.url).await;
    let database = TestDatabase {
        pool: pool.map_err(|error| format!("could not connect to the copy: {error}"))?,
        url: made.url,
        remove: Some(made.remove),
    };
    Ok(database)
}

/// The database of one test: see [`database`](database()). It dereferences to its pool.
pub struct TestDatabase<DB: Database> {
    pool: Pool<DB>,
    url: String,
    remove: Option<Remove>,
}

impl<DB: Database> TestDatabase<DB> {
    /// Returns the URL of the database, for a pool with other options or another process.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl<DB: Database> Deref for TestDatabase<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Database> fmt::Debug for TestDatabase<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase").finish_non_exhaustive()
    }
}

/// Removes the database. An error is printed, because a test may be unwinding.
impl<DB: Database> Drop for TestDatabase<DB> {
    fn drop(&mut self) {
        let Some(remove) = self.remove.take() else {
            return;
        };
        // The runtime of the test may have one thread, which is the one that drops this.
        let removed = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build()?.block_on(remove())
        });
        match removed.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the database of a test could not be removed: {error}"),
            Err(_) => eprintln!("the database of a test could not be removed"),
        }
    }
}

/// Removes a database.
type Remove = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;

/// Applies the changes to a database, and closes its pool.
type Fill<'a, DB> =
    &'a (dyn Fn(Pool<DB>) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync);

/// A new database in which the changes are applied.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "hidden")]
pub struct Made {
    url: String,
    remove: Remove,
}

/// What a template belongs to: hashes for names.
#[doc(hidden)]
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "MySQL and MariaDB have no templates")
)]
pub struct TemplateOf {
    /// The path of the test program.
    program: String,
    /// The time at which that was built.
    build: String,
    /// The changes and settings.
    changes: String,
}

impl TemplateOf {
    fn new(changes: &str) -> TemplateOf {
        let program = std::env::current_exe().unwrap_or_default();
        let built = std::fs::metadata(&program).and_then(|file| file.modified());
        TemplateOf {
            program: hash(&program.display().to_string()),
            build: hash(&format!("{built:?}")),
            changes: hash(changes),
        }
    }
}

fn hash(text: &str) -> String {
    let mut digest = Digest::new();
    digest.text(text);
    digest.finish().chars().rev().take(16).collect()
}

/// Returns a name for a database that no other process takes, with the time.
fn new_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = seconds(SystemTime::now());
    format!("{PREFIX}{now}_{}_{number}", std::process::id())
}

/// Reports whether the database with this name was made by a test, and so long ago that the test
/// has ended. A database of the user must not be removed, so nothing but the names of
/// [`new_name`] is accepted.
fn is_old(name: &str) -> bool {
    let parts = name
        .strip_prefix(PREFIX)
        .map(|rest| rest.split('_').collect::<Vec<_>>());
    let Some([made, process, number]) = parts.as_deref() else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let made = Some(made)
        .filter(|_| is_number(made) && is_number(process) && is_number(number))
        .and_then(|made| made.parse::<u64>().ok());
    made.is_some_and(|made| made >= FIRST && made + KEPT.as_secs() < seconds(SystemTime::now()))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// A database of sqlx of which a test can have one of its own. Implemented for those whose feature
/// is enabled.
#[async_trait]
pub trait Clonable: Database {
    /// Makes a new database in which the changes are applied.
    #[doc(hidden)]
    async fn make(url: &str, template: &TemplateOf, fill: Fill<'_, Self>)
    -> Result<Made, BoxError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_is_old_after_a_day() {
        let now = seconds(SystemTime::now());
        for (name, expected) in [
            (new_name(), false),
            (format!("{PREFIX}{}_1_0", now - 60), false),
            (format!("{PREFIX}{}_1_0", now - KEPT.as_secs() - 60), true),
            (format!("{PREFIX}mine"), false),
            (format!("{PREFIX}2024"), false),
            (format!("{PREFIX}2024_1_0"), false),
            (format!("{PREFIX}1"), false),
            (format!("{PREFIX}1700000001"), false),
            (format!("{PREFIX}1700000001_1"), false),
            (format!("{PREFIX}1700000001_1_0_copy"), false),
            (format!("{PREFIX}1700000001_1_"), false),
            (format!("{PREFIX}+1700000001_1_0"), false),
            (format!("{PREFIX}1700000001_x_0"), false),
            (format!("{PREFIX}1700000001_1_0; DROP"), false),
            (format!("my_{PREFIX}1700000001_1_0"), false),
            (format!("{PREFIX}1700000001_1_0"), true),
            ("flamingock_template_1".to_owned(), false),
        ] {
            assert_eq!(is_old(&name), expected, "{name}");
        }
    }
}
