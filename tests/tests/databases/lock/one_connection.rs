//! A database that grants a run one connection: the lease cannot be renewed during a change.

use std::time::Duration;

use flamingock::Definition;
use flamingock::{ErrorKind, LockOptions, Outcome, Runner, change, changes, rollback};
use flamingock_tests::{Backend, MariaDb, PlainSql, Postgres, TestDatabase, execute, strings};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

const LEASE: Duration = Duration::from_secs(2);

fn options() -> LockOptions {
    LockOptions::default()
        .lease(LEASE)
        .wait(Duration::from_secs(20))
        .poll(Duration::from_millis(10))
}

macro_rules! changes_of {
    ($module:ident, $connection:ty) => {
        mod $module {
            use super::*;

            /// Longer than the lease, in a transaction: a new owner of the lock prevents its
            /// commit.
            #[change(id = "shared", order = "001", register = false)]
            pub(super) async fn shared(_db: &mut $connection) {
                tokio::time::sleep(LEASE * 3 / 2).await;
            }

            #[change(
                id = "short",
                order = "002",
                timeout = "500ms",
                transaction = false,
                register = false
            )]
            pub(super) async fn short(_db: &mut $connection) {}

            #[rollback(short)]
            async fn no_short() {}

            #[change(id = "unlimited", order = "003", transaction = false, register = false)]
            pub(super) async fn unlimited(_db: &mut $connection) {}

            #[change(id = "too-long", order = "003", timeout = "10s", register = false)]
            pub(super) async fn too_long() {}
        }
    };
}

changes_of!(on_postgres, sqlx::PgConnection);
changes_of!(on_mariadb, sqlx::MySqlConnection);

/// The same database with a user limited to one connection.
async fn pool_of_one<B: Backend>(database: &TestDatabase<B>, user: &str) -> Pool<B::Db> {
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    let url = format!("{scheme}://{user}:secret@{place}");
    let options = PoolOptions::new().max_connections(1);
    options.connect(&url).await.unwrap()
}

async fn runs_and_refuses<D: PlainSql>(
    runner: impl Fn() -> Runner,
    admin: &Pool<D>,
    applied: [&'static Definition; 2],
    refused: [&'static Definition; 2],
) {
    let report = runner()
        .changes(applied)
        .lock(options())
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 2, "{report}");
    assert!(
        report.to_string().contains("no second connection"),
        "{report}"
    );
    for change in refused {
        let runner = runner().changes(applied.into_iter().chain([change]));
        let error = runner.lock(options()).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert!(
            format!("{error:#}").contains("no second connection"),
            "{error}"
        );
        let last = error.report().unwrap().changes().last().unwrap();
        assert_eq!(
            (last.id.as_str(), last.outcome),
            (change.id, Outcome::NotReached)
        );
    }
    let entries =
        "SELECT count(*) FROM flamingock_audit WHERE change_id IN ('unlimited', 'too-long')";
    assert_eq!(strings(admin, entries).await, ["0"]);
    let lock = "SELECT run_id FROM flamingock_lock";
    assert_eq!(strings(admin, lock).await, [""]);
}

#[tokio::test]
async fn postgres_run_with_one_connection_renews_between_changes() {
    let database = Postgres::fresh().await;
    let admin = database.pool(1).await;
    let user = format!("one_{:08x}", rand::random::<u32>());
    execute(
        &admin,
        &format!(
            "CREATE ROLE {user} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1;
             GRANT CREATE ON SCHEMA public TO {user}"
        ),
    )
    .await;
    let pool = pool_of_one(&database, &user).await;
    let applied = changes![on_postgres::shared, on_postgres::short];
    let refused = changes![on_postgres::unlimited, on_postgres::too_long];
    runs_and_refuses(|| Runner::new(&pool), &admin, applied, refused).await;
    pool.close().await;
    execute(&admin, &format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
}

#[tokio::test]
async fn mariadb_run_with_one_connection_renews_between_changes() {
    let database = MariaDb::fresh().await;
    let admin = database.pool(1).await;
    let user = format!("one_{:08x}", rand::random::<u32>());
    execute(
        &admin,
        &format!(
            "CREATE USER {user}@'%' IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 1;
             GRANT ALL ON *.* TO {user}@'%'"
        ),
    )
    .await;
    let pool = pool_of_one(&database, &user).await;
    let applied = changes![on_mariadb::shared, on_mariadb::short];
    let refused = changes![on_mariadb::unlimited, on_mariadb::too_long];
    runs_and_refuses(|| Runner::new(&pool), &admin, applied, refused).await;
    pool.close().await;
    execute(&admin, &format!("DROP USER {user}@'%'")).await;
}
