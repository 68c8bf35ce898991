//! Folders of dbmate, golang-migrate and Atlas are read like those tools read them, with their
//! histories.

use flamingock::EmbeddedFolder;
use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Mode, Runner, UndoTarget};
use flamingock_tests::{
    Backend as _, atlas_sum, count, done, execute, folder, folder_of, strings, try_execute,
    with_table,
};
use sqlx::Pool;

use super::{Backend, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

const DBMATE: &[(&str, &str)] = &[
    (
        "20240131120000_users.sql",
        "-- migrate:up\nCREATE TABLE users (id INT);\nINSERT INTO done VALUES ('1');\n\n-- migrate:down\nDROP TABLE users;\n",
    ),
    (
        "20240131120001-orders.sql",
        "-- migrate:up transaction:false\nINSERT INTO done VALUES ('2');\n-- migrate:down\nDELETE FROM done WHERE what = '2';\n",
    ),
];

const GOLANG: &[(&str, &str)] = &[
    ("1_users.up.sql", "INSERT INTO done VALUES ('1');\n"),
    ("1_users.down.sql", "DELETE FROM done WHERE what = '1';\n"),
    (
        "0002_orders.up.sql",
        "BEGIN;\nINSERT INTO done VALUES ('2');\nCOMMIT;\n",
    ),
    (
        "2_drop_orders.down.sql",
        "DELETE FROM done WHERE what = '2';\n",
    ),
    ("10_third.up.sql", "INSERT INTO done VALUES ('3');\n"),
];

const ATLAS: &[(&str, &str)] = &[
    ("20240131120000.sql", "INSERT INTO done VALUES ('1');\n"),
    (
        "20240131120001_orders.sql",
        "-- atlas:txmode none\n\nINSERT INTO done VALUES ('2');\n",
    ),
    (
        "20240131120002_third.sql",
        "INSERT INTO done VALUES ('3');\n",
    ),
    ("atlas.sum", ATLAS_SUM),
];

/// Written by another program, which also reproduces the checksums that Atlas has published.
const ATLAS_SUM: &str = "\
h1:vZjMJxOS6cxUyPXAmqOroxByk8TF03hPv+4XfSsWS7E=\n\
20240131120000.sql h1:I6Xdb8UGh6Fds9xml81X8FFtnXMJdNZtGkNJX6HioZc=\n\
20240131120001_orders.sql h1:S5GXX72F3zQuVF+YIsIS4tiTMgVSJHfzszTd1NxbPdk=\n\
20240131120002_third.sql h1:JTQktzzg5lLWP4S1Hnapk6xUWHQW6iQ6lPQUmoeXBKA=\n";

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

#[tokio::test]
async fn dbmate_folder_is_read_unchanged() {
    let (_database, pool) = fresh().await;
    let files = folder(DBMATE);
    runner(&pool, files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2"]);
    let modes = modes(&pool).await;
    assert_eq!(modes[1], "20240131120001-orders|none");
    if NAME != "MariaDB" {
        assert_eq!(modes[0], "20240131120000_users|shared");
    }
    runner(&pool, files)
        .undo(UndoTarget::Count(2))
        .await
        .unwrap();
    try_execute(&pool, "SELECT * FROM users").await.unwrap_err();
    assert_eq!(done(&pool).await, ["1"]);
}

#[tokio::test]
async fn dbmate_history_is_adopted() {
    let (_database, pool) = fresh().await;
    let files = folder(DBMATE);
    execute(
        &pool,
        "CREATE TABLE schema_migrations (version VARCHAR(128) PRIMARY KEY)",
    )
    .await;
    execute(
        &pool,
        "INSERT INTO schema_migrations VALUES ('20240131120000')",
    )
    .await;
    let adoption = || Adoption::of(Tool::Dbmate);
    let run = runner(&pool, files).adopt_first(adoption()).run();
    assert_eq!(run.await.unwrap().counts().newly_applied, 1);
    assert_eq!(done(&pool).await, ["2"]);
    // Both tools use the same table name.
    let error = runner(&pool, files)
        .adopt(&Adoption::of(Tool::GolangMigrate))
        .await;
    let error = format!("{:#}", error.unwrap_err());
    assert!(
        error.contains("could not be read as golang-migrate's"),
        "{error}"
    );
    execute(&pool, "DROP TABLE schema_migrations").await;
    execute(
        &pool,
        "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN)",
    )
    .await;
    let error = runner(&pool, files).adopt(&adoption()).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("one of golang-migrate"),
        "{error}"
    );
}

async fn golang(pool: &Pool<Db>, version: i64, dirty: bool) {
    let _ = try_execute(pool, "DROP TABLE schema_migrations").await;
    let table = "CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, dirty BOOLEAN NOT NULL)";
    execute(pool, table).await;
    let row = format!("INSERT INTO schema_migrations VALUES ({version}, {dirty})");
    execute(pool, &row).await;
}

#[tokio::test]
async fn golang_migrate_folder_is_read_unchanged() {
    let (_database, pool) = fresh().await;
    let files = folder_of("golang-migrate", GOLANG);
    runner(&pool, files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2", "3"]);
    // A file with its own BEGIN and COMMIT runs outside a transaction.
    assert_eq!(
        modes(&pool).await,
        ["1_users|shared", "0002_orders|none", "10_third|shared"]
    );
    let undo = |id: &str| UndoTarget::Change(id.to_owned());
    runner(&pool, files)
        .undo(undo("0002_orders"))
        .await
        .unwrap();
    runner(&pool, files).undo(undo("1_users")).await.unwrap();
    assert_eq!(done(&pool).await, ["3"]);
}

#[tokio::test]
async fn golang_migrate_history_is_adopted_up_to_its_version() {
    let (_database, pool) = fresh().await;
    let files = folder_of("golang-migrate", GOLANG);
    let adoption = Adoption::of(Tool::GolangMigrate);
    golang(&pool, 2, true).await;
    let error = runner(&pool, files).adopt(&adoption).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("version 2, which is dirty"),
        "{error}"
    );
    golang(&pool, 3, false).await;
    let error = runner(&pool, files).adopt(&adoption).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("is at version 3, and no file here has it"),
        "{error}"
    );
    golang(&pool, 2, false).await;
    let adopted = runner(&pool, files).adopt(&adoption).await.unwrap();
    let ids: Vec<&str> = adopted
        .adopted
        .iter()
        .map(|one| one.change_id.as_str())
        .collect();
    assert_eq!(ids, ["1_users", "0002_orders"]);
    assert_eq!(adopted.not_in_history, ["10_third"]);
    runner(&pool, files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["3"]);
}

#[tokio::test]
async fn running_golang_migrate_is_detected() {
    let (_database, pool) = fresh().await;
    golang(&pool, 2, false).await;
    // The tool's own lock key: a checksum of the names, multiplied by its salt.
    let lock = match NAME {
        "PostgreSQL" => {
            let database = strings(&pool, "SELECT current_database()").await.remove(0);
            let key = key(&format!("public\0schema_migrations\0{database}"));
            Some(format!("SELECT pg_advisory_lock({key})"))
        }
        "MariaDB" => {
            let database = strings(&pool, "SELECT DATABASE()").await.remove(0);
            let key = key(&format!("{database}:schema_migrations"));
            Some(format!("SELECT GET_LOCK('{key}', 0)"))
        }
        // It has none on this database.
        _ => None,
    };
    let files = folder_of("golang-migrate", GOLANG);
    let adopt = async || {
        let adoption = Adoption::of(Tool::GolangMigrate);
        runner(&pool, files).adopt(&adoption).await
    };
    if let Some(lock) = lock {
        let mut held = pool.acquire().await.unwrap();
        flamingock_tests::query(&mut *held, &lock).await.unwrap();
        let error = format!("{:#}", adopt().await.unwrap_err());
        assert!(error.contains("golang-migrate is running"), "{error}");
        held.close().await.unwrap();
    }
    assert_eq!(adopt().await.unwrap().adopted.len(), 2);
}

/// CRC-32 bit by bit, and the salt.
fn key(name: &str) -> u32 {
    let sum = name.bytes().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 * (sum & 1))
        })
    });
    (!sum).wrapping_mul(1_486_364_155)
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
async fn atlas_folder_is_read_unchanged() {
    let (_database, pool) = fresh().await;
    runner(&pool, folder(ATLAS)).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2", "3"]);
    assert_eq!(
        modes(&pool).await,
        [
            "20240131120000|shared",
            "20240131120001_orders|none",
            "20240131120002_third|shared",
        ]
    );
}

async fn revisions(pool: &Pool<Db>, table: &str, rows: &[(&str, u32, u32)]) {
    let text = if NAME == "MariaDB" {
        "VARCHAR(255)"
    } else {
        "TEXT"
    };
    execute(
        pool,
        &format!(
            "CREATE TABLE {table} (version {text} NOT NULL PRIMARY KEY, description {text} NOT NULL, type BIGINT NOT NULL, applied BIGINT NOT NULL, total BIGINT NOT NULL, executed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, execution_time BIGINT NOT NULL, error {text}, error_stmt {text}, hash {text} NOT NULL, partial_hashes {text}, operator_version {text} NOT NULL)"
        ),
    )
    .await;
    for (version, kind, applied) in rows {
        execute(
            pool,
            &format!(
                "INSERT INTO {table} (version, description, type, applied, total, execution_time, hash, operator_version) VALUES ('{version}', 'x', {kind}, {applied}, 1, 1, 'h', 'v')"
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn atlas_history_is_adopted_with_its_baseline() {
    let (_database, pool) = fresh().await;
    let table = if NAME == "PostgreSQL" {
        // The schema that Atlas uses unless its connection is bound to one.
        execute(&pool, "CREATE SCHEMA atlas_schema_revisions").await;
        "atlas_schema_revisions.atlas_schema_revisions"
    } else {
        "atlas_schema_revisions"
    };
    revisions(
        &pool,
        table,
        &[("20240131120001", 1, 1), (".atlas_cloud_identifier", 2, 0)],
    )
    .await;
    let run = runner(&pool, folder(ATLAS)).adopt_first(Adoption::of(Tool::Atlas));
    run.run().await.unwrap();
    assert_eq!(done(&pool).await, ["3"]);
}

#[tokio::test]
async fn atlas_revision_that_stopped_midway_is_refused() {
    let (_database, pool) = fresh().await;
    revisions(&pool, "atlas_schema_revisions", &[("20240131120000", 2, 0)]).await;
    let adopted = runner(&pool, folder(ATLAS))
        .adopt(&Adoption::of(Tool::Atlas))
        .await;
    let error = format!("{:#}", adopted.unwrap_err());
    assert!(
        error.contains("20240131120000 x (0 of 1 statements)"),
        "{error}"
    );
}

/// A file with its own id is still the file in the history.
#[tokio::test]
async fn file_with_its_own_id_is_found_by_its_name() {
    let (_database, pool) = fresh().await;
    golang(&pool, 1, false).await;
    let text = "-- flamingock: id=users\nINSERT INTO done VALUES ('1');\n";
    let files = folder_of("golang-migrate", &[("1_users.up.sql", text)]);
    let adopted = runner(&pool, files)
        .adopt(&Adoption::of(Tool::GolangMigrate))
        .await;
    assert_eq!(adopted.unwrap().adopted[0].change_id, "users");
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

#[tokio::test]
async fn skipped_files_are_named_by_plan_and_check() {
    let (_database, pool) = fresh().await;
    let mut all = ATLAS.to_vec();
    let old = [
        "old/1.sql",
        "old/2.sql",
        "old/3.sql",
        "old/4.sql",
        "old/5.sql",
        "old/6.sql",
    ];
    all.extend(old.map(|file| (file, "nothing;")));
    let files = folder(&all);
    let expected = "changes/old/1.sql, changes/old/2.sql, changes/old/3.sql, changes/old/4.sql, changes/old/5.sql and 1 other file passed over: not named with the names of Atlas, and left out by that tool, too";
    let planned = runner(&pool, files).plan().await.unwrap();
    assert_eq!(planned.warnings, [expected]);
    let error = runner(&pool, files)
        .mode(Mode::Check)
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.report().unwrap().warnings, [expected]);
    let report = runner(&pool, files).run().await.unwrap();
    assert_eq!(report.warnings, [""; 0]);
    let checked = runner(&pool, files).mode(Mode::Check).run().await.unwrap();
    assert_eq!(checked.warnings, [expected]);
}

#[tokio::test]
async fn atlas_folder_that_does_not_match_its_checksums_is_refused() {
    let (_database, pool) = fresh().await;
    assert_eq!(atlas_sum(&ATLAS[..3]), ATLAS_SUM);
    let mut edited = ATLAS.to_vec();
    edited[1].1 = "INSERT INTO done VALUES ('4');\n";
    let error = refused(runner(&pool, folder(&edited))).await;
    for part in [
        "changes/atlas.sum:3: ",
        "`20240131120001_orders.sql`",
        "`atlas migrate hash`",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = refused(runner(&pool, folder_of("atlas", &ATLAS[..3]))).await;
    assert!(
        error.contains("changes/20240131120000.sql:1: beside it there is no `atlas.sum`"),
        "{error}"
    );
    assert!(done(&pool).await.is_empty());
    let sum = atlas_sum(&edited[..3]);
    let last = edited.len() - 1;
    edited[last].1 = sum.leak();
    runner(&pool, folder(&edited)).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "3", "4"]);
}

#[tokio::test]
async fn misspelled_dbmate_annotation_is_refused() {
    let (_database, pool) = fresh().await;
    let text =
        "-- migrate:up\nINSERT INTO done VALUES ('1');\n  -- migrate:down\nDELETE FROM done;\n";
    let error = refused(runner(&pool, folder(&[("1_a.sql", text)]))).await;
    assert!(error.contains("changes/1_a.sql:3: "), "{error}");
    let entries = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
    assert!(entries.is_err());
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 0);
}
