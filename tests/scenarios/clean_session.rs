//! Each change gets a clean session, whatever the previous one left on its own: one run that
//! applies all changes has the same result as many runs that apply one change each.

use flamingock::Definition;
use flamingock::{Runner, Stage, change, changes};
use flamingock_tests::{
    Backend as _, TestDatabase, audit, done, execute, folder, query, with_table,
};
use sqlx::{Column, Executor, Pool, Row};

use super::{Backend, Connection, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// What the first change leaves on its session, what the next one executes, and what `done`
/// contains afterwards.
type Case = (&'static str, &'static str, &'static str);

fn cases() -> &'static [Case] {
    const NEXT: &str = "INSERT INTO done VALUES ('next')";
    match NAME {
        "PostgreSQL" => &[
            ("SELECT 'lost' AS what INTO TEMP done", NEXT, "next"),
            (
                "DO $$ BEGIN CREATE TEMP TABLE done (what TEXT); END $$",
                NEXT,
                "next",
            ),
            (
                "DO $$ BEGIN PERFORM set_config('my.secret', 'left', false); END $$",
                "INSERT INTO done VALUES (coalesce(current_setting('my.secret', true), 'none'))",
                "none",
            ),
            (
                "DO $$ BEGIN EXECUTE 'SET search_path TO pg_catalog'; END $$",
                NEXT,
                "next",
            ),
            (
                "DO $$ BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END $$",
                "PREPARE p AS SELECT 2; INSERT INTO done VALUES ('prepared')",
                "prepared",
            ),
            (
                "DO $$ BEGIN EXECUTE 'SET datestyle TO German'; END $$",
                "INSERT INTO done VALUES (DATE '2024-02-03')",
                "2024-02-03",
            ),
            (
                "SELECT pg_advisory_lock(5)",
                "INSERT INTO done SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 5 AND pid = pg_backend_pid()",
                "0",
            ),
        ],
        "MariaDB" => &[
            (
                "SELECT 7 INTO @n",
                "INSERT INTO done VALUES (COALESCE(@n, 'none'))",
                "none",
            ),
            (
                "INSERT INTO done VALUES (@n := 'left'); DELETE FROM done",
                "INSERT INTO done VALUES (COALESCE(@n, 'none'))",
                "none",
            ),
            (
                "EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE done (what VARCHAR(200))'",
                NEXT,
                "next",
            ),
            (
                "BEGIN NOT ATOMIC SET SESSION sql_mode = 'ANSI'; END",
                "INSERT INTO done VALUES (\"next\")",
                "next",
            ),
            (
                "EXECUTE IMMEDIATE 'SET @n = 7'",
                "INSERT INTO done VALUES (COALESCE(@n, 'none'))",
                "none",
            ),
            (
                "BEGIN NOT ATOMIC PREPARE p FROM 'SELECT 1'; END",
                "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION INSERT INTO done VALUES ('clean'); EXECUTE p; INSERT INTO done VALUES ('left'); END",
                "clean",
            ),
        ],
        _ => &[
            ("CREATE TABLE temp.done (what TEXT)", NEXT, "next"),
            ("CREATE TEMP TABLE done (what TEXT)", NEXT, "next"),
            (
                "CREATE TEMP VIEW many AS SELECT 1 AS one",
                "CREATE TEMP VIEW many AS SELECT 2; INSERT INTO done VALUES ('made')",
                "made",
            ),
            (
                "PRAGMA case_sensitive_like = 1",
                "INSERT INTO done SELECT 'a' LIKE 'A'",
                "1",
            ),
            (
                "PRAGMA recursive_triggers = 1",
                "INSERT INTO done SELECT recursive_triggers FROM pragma_recursive_triggers",
                "0",
            ),
            (
                "INSERT INTO done (rowid, what) VALUES (77, 'x'); DELETE FROM done",
                "INSERT INTO done VALUES (last_insert_rowid())",
                "0",
            ),
        ],
    }
}

/// The statements of the changes.
#[derive(Clone, Copy, Debug)]
struct Texts(&'static str, &'static str);

#[change(id = "leaves", order = "0001", register = false)]
async fn leaves(db: &mut Connection, texts: &Texts) -> Result<(), sqlx::Error> {
    query(db, texts.0).await.map(drop)
}

#[change(id = "finds", order = "0002", register = false)]
async fn finds(db: &mut Connection, texts: &Texts) -> Result<(), sqlx::Error> {
    query(db, texts.1).await.map(drop)
}

#[change(id = "leaves", order = "0001", transaction = false, register = false)]
async fn leaves_plainly(db: &mut Connection, texts: &Texts) -> Result<(), sqlx::Error> {
    query(db, texts.0).await.map(drop)
}

#[change(id = "finds", order = "0002", transaction = false, register = false)]
async fn finds_plainly(db: &mut Connection, texts: &Texts) -> Result<(), sqlx::Error> {
    query(db, texts.1).await.map(drop)
}

/// A change in code, or its text as a file.
#[derive(Clone, Copy, Debug)]
enum Form {
    Code(&'static Definition),
    File { head: &'static str },
}

fn with(runner: Runner, forms: [Form; 2], texts: Texts, count: usize) -> Runner {
    let names = [("0001__leaves.sql", texts.0), ("0002__finds.sql", texts.1)];
    let mut changes = Vec::new();
    let mut files: Vec<(&'static str, String)> = Vec::new();
    for (form, (name, text)) in forms.into_iter().zip(names).take(count) {
        match form {
            Form::Code(change) => changes.push(change),
            Form::File { head } => files.push((name, format!("{head}{text};\n"))),
        }
    }
    let files: Vec<(&'static str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    runner.provide(texts).changes(changes).files(folder(&files))
}

/// Whether one run applies both changes, or one run each.
async fn apply(database: &TestDatabase<Backend>, forms: [Form; 2], texts: Texts, in_one: bool) {
    for count in if in_one { vec![2] } else { vec![1, 2] } {
        // As if by another process.
        let pool = database.pool(3).await;
        let report = with(Runner::new(&pool), forms, texts, count).run().await;
        let report = report.unwrap_or_else(|error| panic!("{forms:?} {texts:?}: {error:?}"));
        assert!(report.is_success(), "{forms:?} {texts:?}: {report}");
        pool.close().await;
    }
}

#[tokio::test]
async fn each_change_gets_a_clean_session() {
    const FILE: Form = Form::File { head: "" };
    const PLAIN: Form = Form::File {
        head: "-- flamingock: transaction=false\n",
    };
    let code = || changes![leaves, finds].map(Form::Code);
    let plainly = || changes![leaves_plainly, finds_plainly].map(Form::Code);
    let all: [[Form; 2]; 6] = [
        [FILE, FILE],
        code(),
        [PLAIN, FILE],
        [plainly()[0], code()[1]],
        [FILE, code()[1]],
        [code()[0], plainly()[1]],
    ];
    for (left, next, expected) in cases() {
        for (index, forms) in all.into_iter().enumerate() {
            // The result of several runs is the reference for that of one run: once is enough.
            let runs: &[bool] = if index == 0 { &[true, false] } else { &[true] };
            for in_one in runs.iter().copied() {
                let database = Backend::fresh().await;
                let watch = with_table(&database, 1).await;
                apply(&database, forms, Texts(left, next), in_one).await;
                assert_eq!(
                    done(&watch).await,
                    [*expected],
                    "{forms:?} {left}, in one run: {in_one}"
                );
                watch.close().await;
            }
        }
    }
}

/// The columns of a table, by a statement that the driver caches.
async fn columns(db: &mut Connection) -> Result<String, sqlx::Error> {
    let row = db.fetch_one(sqlx::query("SELECT * FROM kept")).await?;
    let names: Vec<&str> = row.columns().iter().map(Column::name).collect();
    Ok(names.join(","))
}

#[change(id = "reads", order = "0001", register = false)]
async fn reads(db: &mut Connection) -> Result<(), sqlx::Error> {
    columns(db).await.map(drop)
}

#[change(id = "reads-again", order = "0003", register = false)]
async fn reads_again(db: &mut Connection) -> Result<(), sqlx::Error> {
    let names = columns(db).await?;
    query(db, &format!("INSERT INTO done VALUES ('{names}')"))
        .await
        .map(drop)
}

#[tokio::test]
async fn cached_statements_do_not_outlive_their_change() {
    let alter = match NAME {
        "PostgreSQL" => "ALTER TABLE kept RENAME a TO c; ALTER TABLE kept ALTER b TYPE TEXT",
        "MariaDB" => "ALTER TABLE kept CHANGE a c INT, MODIFY b VARCHAR(20)",
        _ => "ALTER TABLE kept RENAME a TO c",
    };
    for alter in [alter, "ALTER TABLE kept ADD COLUMN d INT"] {
        let mut found = Vec::new();
        for runs in [vec![3], vec![1, 2, 3]] {
            let database = Backend::fresh().await;
            let watch = with_table(&database, 1).await;
            execute(&watch, "CREATE TABLE kept (a INT, b INT)").await;
            execute(&watch, "INSERT INTO kept VALUES (1, 2)").await;
            for count in runs {
                let pool = database.pool(1).await;
                let both = changes![reads, reads_again];
                let codes = if count == 3 { &both[..] } else { &both[..1] };
                let files: &[_] = &[("0002__alters.sql", alter)];
                let files = if count == 1 { &[] } else { files };
                let runner = Runner::new(&pool).changes(codes.to_vec());
                let report = runner.files(folder(files)).run().await;
                report.unwrap_or_else(|error| panic!("{alter}: {error:?}"));
                pool.close().await;
            }
            assert_eq!(audit(&watch).await.len(), 3, "{alter}");
            found.push(done(&watch).await);
        }
        assert_eq!(found[0], found[1], "{alter}");
        assert!(found[0][0].contains(['c', 'd']), "{alter}: {found:?}");
    }
}

#[change(id = "renames", order = "0002", register = false)]
async fn renames(db: &mut Connection) -> Result<(), sqlx::Error> {
    let rename = match NAME {
        "MariaDB" => "ALTER TABLE kept CHANGE a c INT",
        _ => "ALTER TABLE kept RENAME a TO c",
    };
    query(db, rename).await.map(drop)
}

#[tokio::test]
async fn cached_statements_do_not_outlive_their_change_in_an_atomic_stage() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "CREATE TABLE kept (a INT, b INT)").await;
    execute(&pool, "INSERT INTO kept VALUES (1, 2)").await;
    let runner = Runner::new(&pool).stage(Stage::new("default").atomic());
    let runner = runner.changes(changes![reads, renames, reads_again]);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["c,b"]);
}

#[change(id = "sees", order = "0001", register = false)]
async fn sees(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, NOTED).await.map(drop)
}

#[change(
    id = "sees-plainly",
    order = "0003",
    transaction = false,
    register = false
)]
async fn sees_plainly(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, NOTED).await.map(drop)
}

const HOOK: &str = match NAME.as_bytes() {
    b"PostgreSQL" => "SELECT set_config('my.hook', 'hooked', false)",
    b"MariaDB" => "SET @hook = 'hooked'",
    _ => "PRAGMA cache_size = 123",
};

const NOTED: &str = match NAME.as_bytes() {
    b"PostgreSQL" => "INSERT INTO done VALUES (coalesce(current_setting('my.hook', true), 'none'))",
    b"MariaDB" => "INSERT INTO done VALUES (COALESCE(@hook, 'none'))",
    _ => "INSERT INTO done SELECT cache_size FROM pragma_cache_size",
};

#[tokio::test]
async fn every_change_gets_the_session_settings_of_the_pool() {
    for most in [1, 2, 5] {
        let database = Backend::fresh().await;
        let watch = with_table(&database, 1).await;
        let pool = database.pool_with_hook(most, HOOK).await;
        let files = folder(&[
            ("0002__file.sql", NOTED),
            (
                "0004__plain.sql",
                &format!("-- flamingock: transaction=false\n{NOTED}"),
            ),
            ("0005__last.sql", NOTED),
        ]);
        let runner = Runner::new(&pool).changes(changes![sees, sees_plainly]);
        runner.files(files).run().await.unwrap();
        let hooked = if NAME == "SQLite" { "123" } else { "hooked" };
        assert_eq!(done(&watch).await, [hooked; 5], "{most}");
    }
}

#[change(id = "counts", order = "0002", register = false)]
async fn counts(db: &mut Connection, pool: &Pool<Db>) -> Result<(), sqlx::Error> {
    query(db, "SELECT 1").await?;
    let mut other = pool.acquire().await?;
    query(&mut *other, "SELECT 1").await.map(drop)
}

/// A change can use every connection of its pool except its own.
#[tokio::test]
async fn changes_can_use_all_connections_of_the_pool() {
    if NAME == "SQLite" {
        // On this database, a change does not get both.
        return;
    }
    let database = Backend::fresh().await;
    let watch = with_table(&database, 1).await;
    let pool = database.pool(2).await;
    let insert = "INSERT INTO done VALUES ('one')";
    let files = folder(&[
        ("0001__one.sql", insert),
        ("0003__three.sql", insert),
        ("0004__four.sql", insert),
    ]);
    let runner = Runner::new(&pool).changes(changes![counts]).files(files);
    runner.run().await.unwrap();
    assert_eq!(done(&watch).await.len(), 3);
}
