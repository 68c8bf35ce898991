//! A table that is rebuilt keeps the rows of the tables that refer to it, or nothing of it is applied.

use flamingock::EmbeddedFolder;
use flamingock::{Error, ErrorKind, Runner, Stage, change, changes};
use flamingock_tests::{Backend, Sqlite, TestDatabase, audit, execute, folder, query, strings};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqliteConnection, SqlitePool};

pub(crate) const REBUILD: &str =
    "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO parent_new SELECT * FROM parent;
DROP TABLE parent;
ALTER TABLE parent_new RENAME TO parent;
";

fn tables(action: &str, of_parent: &str, of_child: &str) -> String {
    format!(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT) {of_parent};
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE {action}) {of_child};
         INSERT INTO parent VALUES (1, 'a'), (2, 'b');
         INSERT INTO child VALUES (10, 1), (11, 1), (12, 2);"
    )
}

pub(crate) const CHILDREN: &str = "SELECT id, parent_id FROM child ORDER BY id";
const ALL: [&str; 3] = ["10|1", "11|1", "12|2"];

pub(crate) async fn prepared(
    action: &str,
    of_parent: &str,
    of_child: &str,
) -> (TestDatabase<Sqlite>, SqlitePool) {
    let database = Sqlite::fresh().await;
    let pool = database.pool(2).await;
    execute(&pool, &tables(action, of_parent, of_child)).await;
    (database, pool)
}

pub(crate) async fn fresh() -> (TestDatabase<Sqlite>, SqlitePool) {
    prepared("CASCADE", "", "").await
}

/// The table is rebuilt, and the rows are kept.
async fn assert_kept(pool: &SqlitePool, what: &str) {
    assert_eq!(strings(pool, CHILDREN).await, ALL, "{what}");
    let columns = strings(pool, "SELECT \"notnull\" FROM pragma_table_info('parent')").await;
    assert_eq!(columns, ["0", "1"], "{what}");
    let broken = strings(pool, "PRAGMA foreign_key_check").await;
    assert_eq!(broken, Vec::<String>::new(), "{what}");
    assert_eq!(strings(pool, "PRAGMA foreign_keys").await, ["1"], "{what}");
}

/// Nothing of it remains, and the error says what to do.
pub(crate) async fn assert_refused(pool: &SqlitePool, error: Error, what: &str) {
    let said = format!("{error:?}");
    assert!(said.contains("child"), "{what}: {said}");
    assert!(said.contains("PRAGMA foreign_keys = OFF"), "{what}: {said}");
    assert_eq!(strings(pool, CHILDREN).await, ALL, "{what}");
    let entries = audit(pool).await;
    assert!(
        !entries.iter().any(|entry| entry.contains("APPLIED")),
        "{what}: {entries:?}"
    );
}

fn within(text: &str) -> [(&'static str, String); 1] {
    [("0001__rebuild.sql", text.to_owned())]
}

fn embed(files: &[(&'static str, String)]) -> &'static EmbeddedFolder {
    let files: Vec<(&'static str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    folder(&files)
}

#[tokio::test]
async fn rebuild_whose_file_switches_enforcement_off_keeps_the_child_rows() {
    let recipes = [
        format!("PRAGMA foreign_keys=OFF;\n{REBUILD}PRAGMA foreign_keys=ON;\n"),
        format!("-- A recipe.\npragma foreign_keys(0);\n{REBUILD}"),
        format!("PRAGMA main.foreign_keys = 'no';\n{REBUILD}PRAGMA foreign_key_check;\n"),
        format!("SELECT 1;\nPRAGMA foreign_keys = false;\n{REBUILD}PRAGMA foreign_keys = true;\n"),
    ];
    for recipe in recipes {
        for (of_parent, of_child) in [("", ""), ("WITHOUT ROWID", "WITHOUT ROWID")] {
            let (_database, pool) = prepared("CASCADE", of_parent, of_child).await;
            let next = "INSERT INTO child VALUES (13, 99)";
            let files = [&within(&recipe)[..], &[("0002__next.sql", next.to_owned())]].concat();
            let error = Runner::new(&pool)
                .files(embed(&files))
                .run()
                .await
                .unwrap_err();
            // The next file runs with enforcement again.
            assert!(
                format!("{error:?}").contains("FOREIGN KEY"),
                "{recipe}: {error:?}"
            );
            assert_kept(&pool, &recipe).await;
            assert_eq!(
                audit(&pool).await[0],
                "rebuild 1 APPLIED shared",
                "{recipe}"
            );
        }
        let (_database, pool) = fresh().await;
        let files = [("0001_rebuild.sql", recipe.clone())];
        Runner::new(&pool).files(embed(&files)).run().await.unwrap();
        assert_kept(&pool, &recipe).await;
    }
}

#[tokio::test]
async fn rebuild_that_breaks_a_reference_is_rolled_back() {
    let (_database, pool) = fresh().await;
    let text = format!("PRAGMA foreign_keys = OFF;\n{REBUILD}DELETE FROM parent WHERE id = 2;\n");
    let error = Runner::new(&pool).files(embed(&within(&text))).run().await;
    let said = format!("{:?}", error.unwrap_err());
    assert!(
        said.contains("child") && said.contains("foreign key"),
        "{said}"
    );
    assert_eq!(strings(&pool, CHILDREN).await, ALL);
    assert_eq!(strings(&pool, "SELECT count(*) FROM parent").await, ["2"]);
    assert!(
        !audit(&pool)
            .await
            .iter()
            .any(|entry| entry.contains("APPLIED"))
    );
    // A reference that was broken before is not this file's mistake.
    let (_database, pool) = fresh().await;
    execute(
        &pool,
        "PRAGMA foreign_keys = 0; INSERT INTO child VALUES (13, 99); PRAGMA foreign_keys = 1",
    )
    .await;
    let text = format!("PRAGMA foreign_keys = OFF;\n{REBUILD}");
    let runner = Runner::new(&pool).files(embed(&within(&text)));
    runner.run().await.unwrap();
    assert_eq!(strings(&pool, CHILDREN).await.len(), 4);
}

#[tokio::test]
async fn rebuild_under_enforcement_is_rolled_back_with_a_remedy() {
    for (action, of_parent, of_child) in [
        ("CASCADE", "", ""),
        ("SET NULL", "", ""),
        ("CASCADE", "WITHOUT ROWID", ""),
        ("CASCADE", "", "WITHOUT ROWID"),
        ("SET NULL", "WITHOUT ROWID", "WITHOUT ROWID"),
        ("SET DEFAULT", "", ""),
    ] {
        let texts = [
            REBUILD.to_owned(),
            format!("PRAGMA defer_foreign_keys = ON;\n{REBUILD}"),
            "DROP TABLE parent;\n".to_owned(),
        ];
        for text in texts {
            for name in ["0001__rebuild.sql", "0001_rebuild.sql", "V1__rebuild.sql"] {
                let what = format!("{action} {of_parent} {of_child} {name} {text}");
                let (_database, pool) = prepared(action, of_parent, of_child).await;
                let files = embed(&[(name, text.clone())]);
                match Runner::new(&pool).files(files).run().await {
                    Err(error) => assert_refused(&pool, error, &what).await,
                    Ok(_) => panic!("{what}: {:?}", strings(&pool, CHILDREN).await),
                }
            }
        }
    }
}

#[tokio::test]
async fn rebuild_without_transaction_is_refused_before_rows_are_lost() {
    let (_database, pool) = fresh().await;
    let text = format!("-- flamingock: transaction=false\n{REBUILD}");
    let files = || embed(&within(&text));
    let error = Runner::new(&pool).files(files()).run().await.unwrap_err();
    assert_refused(&pool, error, &text).await;

    let (_database, pool) = fresh().await;
    let text = format!("-- flamingock: transaction=false\nPRAGMA foreign_keys = OFF;\n{REBUILD}");
    let files = embed(&within(&text));
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_kept(&pool, &text).await;
}

#[tokio::test]
async fn rebuild_of_a_tool_that_leaves_enforcement_off_keeps_the_child_rows() {
    let goose = format!("-- +goose Up\n{REBUILD}");
    let plain = format!("-- +goose NO TRANSACTION\n{goose}");
    let both =
        format!("-- +goose Up\nPRAGMA foreign_keys = OFF;\n{REBUILD}PRAGMA foreign_keys = ON;\n");
    let folders: [&[(&'static str, String)]; 5] = [
        &[("00001_a.sql", goose)],
        &[("00001_a.sql", plain)],
        &[("00001_a.sql", both)],
        &[("V1.1__a.sql", REBUILD.to_owned())],
        &[("2024-01-01-000000_a/up.sql", REBUILD.to_owned())],
    ];
    for files in folders {
        let (_database, pool) = fresh().await;
        Runner::new(&pool).files(embed(files)).run().await.unwrap();
        assert_kept(&pool, &files[0].1).await;
        assert!(audit(&pool).await.last().unwrap().contains("APPLIED"));
    }
}

#[change(id = "rebuilds", order = "0001", register = false)]
async fn rebuilds(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "PRAGMA foreign_keys = OFF").await?;
    query(db, REBUILD).await.map(drop)
}

#[change(id = "defers", order = "0001", register = false)]
async fn defers(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "PRAGMA defer_foreign_keys = ON").await?;
    query(db, REBUILD).await.map(drop)
}

#[change(id = "plainly", order = "0001", transaction = false, register = false)]
async fn plainly(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "PRAGMA foreign_keys = OFF").await?;
    query(db, REBUILD).await.map(drop)
}

/// Deletes child rows, and deletes others by deleting a parent, as intended.
#[change(id = "cleans", order = "0001", register = false)]
async fn cleans(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM parent WHERE id = 1").await?;
    query(db, "CREATE TABLE other (id INTEGER)").await?;
    query(db, "DROP TABLE other").await.map(drop)
}

/// Its own statement deletes the child rows first.
#[change(id = "drops", order = "0001", register = false)]
async fn drops(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM child").await?;
    query(db, "DROP TABLE parent").await.map(drop)
}

#[change(id = "drops-both", order = "0001", register = false)]
async fn drops_both(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE parent").await?;
    query(db, "DROP TABLE child").await.map(drop)
}

#[tokio::test]
async fn rebuild_by_code_is_rolled_back_if_it_would_delete_child_rows() {
    for change in changes![rebuilds, defers] {
        let (_database, pool) = fresh().await;
        let error = Runner::new(&pool)
            .changes([change])
            .run()
            .await
            .unwrap_err();
        assert_refused(&pool, error, change.id).await;
    }
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![plainly])
        .run()
        .await
        .unwrap();
    assert_kept(&pool, "plainly").await;
}

#[tokio::test]
async fn intended_deletion_of_rows_is_kept() {
    for (change, left) in changes![cleans, drops, drops_both]
        .into_iter()
        .zip(["1", "0", "none"])
    {
        let (_database, pool) = fresh().await;
        Runner::new(&pool).changes([change]).run().await.unwrap();
        let there = strings(&pool, "SELECT name FROM sqlite_master WHERE name = 'child'").await;
        let rows = match there.is_empty() {
            true => vec!["none".to_owned()],
            false => strings(&pool, "SELECT count(*) FROM child").await,
        };
        assert_eq!(rows, [left], "{}", change.id);
    }
}

#[tokio::test]
async fn rebuild_in_an_atomic_stage_never_deletes_child_rows() {
    let atomic = |pool: &SqlitePool, files: &[(&'static str, String)]| {
        let runner = Runner::new(pool).stage(Stage::new("default").atomic());
        runner.files(embed(files)).run()
    };
    let other = ("0002__other.sql", "CREATE TABLE other (id INT);".to_owned());
    let (_database, pool) = fresh().await;
    let files = [&within(REBUILD)[..], std::slice::from_ref(&other)].concat();
    let error = atomic(&pool, &files).await.unwrap_err();
    assert_refused(&pool, error, "atomic").await;

    let (_database, pool) = fresh().await;
    let text = format!("\nPRAGMA foreign_keys = OFF;\n{REBUILD}");
    let files = [&within(&text)[..], &[other]].concat();
    let error = atomic(&pool, &files).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let said = problems[0].to_string();
    assert!(said.starts_with("changes/0001__rebuild.sql:2: "), "{said}");
    assert_eq!(strings(&pool, CHILDREN).await, ALL);

    let (_database, pool) = fresh().await;
    let goose = |text: &str| format!("-- +goose Up\n{text}");
    let files = [
        ("00001_a.sql", goose(REBUILD)),
        ("00002_b.sql", goose("CREATE TABLE other (id INT);")),
    ];
    atomic(&pool, &files).await.unwrap();
    assert_kept(&pool, "goose").await;
}

#[tokio::test]
async fn rebuild_in_memory_keeps_the_child_rows_and_the_enforcement() {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await.unwrap();
    execute(&pool, &tables("CASCADE", "", "")).await;
    let text = format!("PRAGMA foreign_keys = OFF;\n{REBUILD}");
    let files = embed(&within(&text));
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_kept(&pool, "in memory").await;
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await.unwrap();
    execute(&pool, &tables("CASCADE", "", "")).await;
    let files = embed(&[("00001_a.sql", format!("-- +goose Up\n{REBUILD}"))]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_kept(&pool, "in memory").await;
}
