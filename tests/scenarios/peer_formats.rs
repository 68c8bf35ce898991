//! Folders of dbmate, golang-migrate and Atlas are read like those tools read them, with their
//! histories.

mod atlas;
mod dbmate;
mod golang_migrate;

use flamingock::EmbeddedFolder;
use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Mode, Runner, UndoTarget};
use flamingock_tests::{Backend as _, done, execute, folder, strings, try_execute, with_table};
use sqlx::Pool;

use super::{Backend, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

fn runner(pool: &Pool<Db>, files: &'static EmbeddedFolder) -> Runner {
    Runner::new(pool).files(files)
}

/// The transaction mode of each change.
async fn modes(pool: &Pool<Db>) -> Vec<String> {
    let rows = "SELECT change_id, transaction_mode FROM flamingock_audit WHERE state = 'APPLIED' ORDER BY seq";
    strings(pool, rows).await
}

/// `done` has the column `what`.
async fn fresh() -> (flamingock_tests::TestDatabase<Backend>, Pool<Db>) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    (database, pool)
}

async fn refused(runner: Runner) -> String {
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    format!("{error:#}")
}

/// The history of golang-migrate.
async fn golang(pool: &Pool<Db>, version: i64, dirty: bool) {
    let _ = try_execute(pool, "DROP TABLE schema_migrations").await;
    let table = "CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, dirty BOOLEAN NOT NULL)";
    execute(pool, table).await;
    let row = format!("INSERT INTO schema_migrations VALUES ({version}, {dirty})");
    execute(pool, &row).await;
}

const BOTH: &[(&str, &str)] = &[
    ("1_users.up.sql", "INSERT INTO done VALUES ('1');\n"),
    ("1_users.down.sql", "DELETE FROM done;\n"),
    (
        "2_orders.up.sql",
        "BEGIN;\nINSERT INTO done VALUES ('2');\nCOMMIT;\n",
    ),
];

#[tokio::test]
async fn folder_that_fits_sqlx_and_golang_migrate_is_refused_without_a_history() {
    let (_database, pool) = fresh().await;
    let files = folder(BOTH);
    let errors = [
        refused(runner(&pool, files)).await,
        refused(runner(&pool, files).mode(Mode::Check)).await,
        format!("{:#}", runner(&pool, files).plan().await.unwrap_err()),
        format!("{:#}", runner(&pool, files).manifest().unwrap_err()),
        runner(&pool, files)
            .baseline("1_users", "by hand")
            .await
            .unwrap_err()
            .to_string(),
        format!("{:#}", runner(&pool, files).issues().await.unwrap_err()),
        runner(&pool, files)
            .adopt(&Adoption::of(Tool::Flyway))
            .await
            .unwrap_err()
            .to_string(),
    ];
    for error in errors {
        for format in ["sqlx", "golang-migrate"] {
            let line = format!("format = \"{format}\"");
            assert!(error.contains(&line), "{error}");
        }
    }
    assert!(done(&pool).await.is_empty());
}

#[tokio::test]
async fn history_decides_between_sqlx_and_golang_migrate() {
    let (_database, pool) = fresh().await;
    golang(&pool, 1, false).await;
    let files = folder(BOTH);
    let adoption = Adoption::of(Tool::GolangMigrate);
    let run = runner(&pool, files).adopt_first(adoption).run();
    run.await.unwrap();
    assert_eq!(done(&pool).await, ["2"]);
    assert_eq!(modes(&pool).await[1], "2_orders|none");

    let (_database, pool) = fresh().await;
    let table = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum VARCHAR(9), execution_time BIGINT)";
    execute(&pool, table).await;
    let row =
        "INSERT INTO _sqlx_migrations (version, description, success) VALUES (1, 'users', true)";
    execute(&pool, row).await;
    // sqlx runs each file in a transaction, so the file must not begin its own.
    let adoption = Adoption::of(Tool::Sqlx);
    let error = refused(runner(&pool, files).adopt_first(adoption)).await;
    assert!(error.contains("2_orders.up.sql:1"), "{error}");
    golang(&pool, 1, false).await;
    let error = refused(runner(&pool, files)).await;
    assert!(error.contains("has a history of each"), "{error}");
}

/// There is no history yet, and the application names the tool.
#[tokio::test]
async fn adoption_decides_in_a_new_environment() {
    let (_database, pool) = fresh().await;
    let adoption = Adoption::of(Tool::GolangMigrate).allow_empty();
    let run = runner(&pool, folder(BOTH)).adopt_first(adoption).run();
    run.await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2"]);
}

#[tokio::test]
async fn folders_of_unsupported_tools_are_refused_by_name() {
    let (_database, pool) = fresh().await;
    let cases: [(&[(&'static str, &str)], &str); 11] = [
        (
            &[
                ("20240131_a/migration.sql", "a;"),
                ("migration_lock.toml", ""),
            ],
            "Prisma",
        ),
        (
            &[("0000_a.sql", "a;"), ("meta/_journal.json", "")],
            "drizzle",
        ),
        (
            &[("0000_a.sql", "a;\n--> statement-breakpoint\nb;")],
            "drizzle",
        ),
        (&[("structure.sql", "a;")], "Rails"),
        (&[("001_a.sql", "a;"), ("tern.conf", "")], "tern"),
        (
            &[("001_a.sql", "a;\n---- create above / drop below ----\nb;")],
            "tern",
        ),
        (
            &[("1-a.sql", "-- +migrate Up\na;\n-- +migrate Down\nb;")],
            "sql-migrate",
        ),
        (
            &[("1_a.sql", "-- Up Migration\na;\n-- Down Migration\nb;")],
            "node-pg-migrate",
        ),
        (
            &[("1_a.sql", "-- rambler up\na;\n-- rambler down\nb;")],
            "rambler",
        ),
        (&[("1_a.sql", "-- // a\na;\n-- //@UNDO\nb;")], "MyBatis"),
        (
            &[
                (
                    "20240131_a.sql",
                    "-- atlas:txtar\n\n-- migration.sql --\na;",
                ),
                (
                    "atlas.sum",
                    "\
h1:6uyV8ss3yGLHuextiFt8Jfis4gEj8E3b8eJGlI5Hmaw=\n\
20240131_a.sql h1:Z1X0L01DGl9Z3m0k4w24+0qIJzIRKLKmoIn3QZGuPUE=\n",
                ),
            ],
            "atlas:txtar",
        ),
    ];
    for (files, tool) in cases {
        let error = refused(runner(&pool, folder(files))).await;
        assert!(error.contains(tool), "{tool}: {error}");
    }
    let audit = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
    assert!(audit.is_err(), "no history was begun");
}

/// The mode applies to runs only: operator calls must read the folder like its tool.
#[tokio::test]
async fn history_decides_for_operator_calls_where_runs_are_off() {
    let (_database, pool) = fresh().await;
    let off = |files| runner(&pool, files).mode(Mode::Off);
    let files = folder(BOTH);
    let refusals = [
        off(files).baseline("1_users", "by hand").await.unwrap_err(),
        off(files).undo(UndoTarget::Last).await.unwrap_err(),
        off(files).plan_undo(UndoTarget::Last).await.unwrap_err(),
        off(files).plan().await.unwrap_err(),
    ];
    for error in refusals {
        assert!(
            format!("{error:#}").contains("format = \"sqlx\""),
            "{error}"
        );
    }
    let report = off(files).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 0);
    golang(&pool, 1, false).await;
    let adoption = Adoption::of(Tool::GolangMigrate);
    off(folder(BOTH)).adopt(&adoption).await.unwrap();
    assert_eq!(done(&pool).await, [""; 0]);
    let run = runner(&pool, folder(BOTH)).run();
    run.await.unwrap();
    assert_eq!(modes(&pool).await[1], "2_orders|none");
}
