//! Folders of Atlas.

use flamingock::Mode;
use flamingock::adopt::{Adoption, Tool};
use flamingock_tests::{atlas_sum, done, execute, folder, folder_of};
use sqlx::Pool;

use super::{Db, NAME, fresh, modes, refused, runner};

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
