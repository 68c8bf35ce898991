//! Batches over the rows of a table in the order of its key.

use flamingock::{Batch, BoxError, Key, Keyset, Next, Runner, change, changes};
use flamingock_tests::{Backend as _, count, execute, query, strings, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// The table to go through.
#[derive(Debug)]
struct Table {
    keys: &'static [&'static str],
    /// Adds rows behind the last one in each batch.
    grows: bool,
}

#[change(id = "mark-rows", order = "001", batch, register = false)]
async fn mark_rows(
    batch: Batch<Key>,
    db: &mut Connection,
    table: &Table,
) -> Result<Next<Key>, sqlx::Error> {
    if table.grows {
        let grow = "INSERT INTO items (id, times) SELECT max(id) + 1000, 0 FROM items";
        query(db, grow).await?;
    }
    let items = table
        .keys
        .iter()
        .fold(Keyset::table("items"), |items, key| items.key(*key));
    let update = "UPDATE items SET times = times + 1 WHERE {range}";
    items.execute(update, &batch, db).await
}

async fn run(pool: &Pool<Db>, keys: &'static [&'static str], grows: bool) {
    let runner = Runner::new(pool).changes(changes![mark_rows]);
    runner.provide(Table { keys, grows }).run().await.unwrap();
}

async fn times(pool: &Pool<Db>) -> Vec<String> {
    strings(
        pool,
        "SELECT times, count(*) FROM items GROUP BY times ORDER BY times",
    )
    .await
}

async fn insert(pool: &Pool<Db>, columns: &str, rows: &[String]) {
    for part in rows.chunks(500) {
        let values = part.join(", ");
        execute(
            pool,
            &format!("INSERT INTO items ({columns}, times) VALUES {values}"),
        )
        .await;
    }
}

#[tokio::test]
async fn sparse_numbers_are_done_once_while_rows_are_inserted() {
    for grows in [false, true] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        execute(
            &pool,
            "CREATE TABLE items (id BIGINT PRIMARY KEY, times INT NOT NULL)",
        )
        .await;
        let keys = (0..3000_i64).map(|row| row * row * 1_000 - 5_000_000_000);
        let rows: Vec<String> = keys.map(|key| format!("({key}, 0)")).collect();
        insert(&pool, "id", &rows).await;
        run(&pool, &["id"], grows).await;
        let times = times(&pool).await;
        // The first batch adds a row before it looks for the last key.
        let done = if grows { "1|3001" } else { "1|3000" };
        assert_eq!(times.last().unwrap(), done, "{times:?}");
        let progress = "SELECT done_rows FROM flamingock_progress";
        assert_eq!(
            count(&pool, progress).await,
            if grows { 3001 } else { 3000 }
        );
        assert!(count(&pool, "SELECT batches FROM flamingock_progress").await > 2);
    }
}

#[tokio::test]
async fn keys_of_several_columns_are_done_once() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let table = "CREATE TABLE items (tenant VARCHAR(40) NOT NULL, number INT NOT NULL,
                 part INT NOT NULL, times INT NOT NULL, PRIMARY KEY (tenant, number, part))";
    execute(&pool, table).await;
    let tenants = ["a", "b''s", "\u{e4}\u{1f600}", "z%'' OR 1=1 --", ""];
    let mut rows = Vec::new();
    for tenant in tenants {
        for number in 0..40 {
            rows.extend(
                (0..10).map(|part| format!("('{tenant}', {}, {part}, 0)", number * number)),
            );
        }
    }
    insert(&pool, "tenant, number, part", &rows).await;
    run(&pool, &["tenant", "number", "part"], false).await;
    assert_eq!(times(&pool).await, ["1|2000"]);
}

#[tokio::test]
async fn texts_and_other_types_are_done_once() {
    let types: &[&str] = match NAME {
        "PostgreSQL" => &["uuid", "text", "timestamptz", "numeric(30, 3)"],
        "SQLite" => &["TEXT", "ANY", ""],
        _ => &[
            "VARCHAR(60) CHARACTER SET latin1",
            "VARCHAR(60) COLLATE utf8mb4_unicode_ci",
            "DATETIME(6)",
            "DECIMAL(30, 3)",
            "BIGINT UNSIGNED",
        ],
    };
    for kind in types {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        let table =
            format!("CREATE TABLE items (id {kind} NOT NULL PRIMARY KEY, times INT NOT NULL)");
        execute(&pool, &table).await;
        let key = |row: u32| match *kind {
            "uuid" => format!("'00000000-0000-4000-8000-{:012x}'", row * 7919),
            "timestamptz" | "DATETIME(6)" => {
                format!(
                    "'2026-01-{:02} {:02}:{:02}:00.000001'",
                    1 + row / 200,
                    row / 60 % 24,
                    row % 60
                )
            }
            "numeric(30, 3)" | "DECIMAL(30, 3)" => {
                format!("{row}00000000000000000.{:03}", row % 1000)
            }
            "BIGINT UNSIGNED" => format!("18446744073709{:06}", row * 7),
            // Numbers and texts side by side, which SQLite keeps apart.
            "ANY" | "" if row.is_multiple_of(2) => row.to_string(),
            _ => format!("'{}-key\u{e9}'", row * 31),
        };
        let rows: std::collections::BTreeSet<String> =
            (0..1200).map(|row| format!("({}, 0)", key(row))).collect();
        let rows: Vec<String> = rows.into_iter().collect();
        insert(&pool, "id", &rows).await;
        run(&pool, &["id"], false).await;
        assert_eq!(times(&pool).await, [format!("1|{}", rows.len())], "{kind}");
    }
}

#[tokio::test]
async fn empty_table_and_one_row_are_done() {
    for rows in [0, 1] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        execute(
            &pool,
            "CREATE TABLE items (id INT PRIMARY KEY, times INT NOT NULL)",
        )
        .await;
        if rows == 1 {
            execute(&pool, "INSERT INTO items VALUES (-3, 0)").await;
        }
        run(&pool, &["id"], false).await;
        assert_eq!(
            count(&pool, "SELECT count(*) FROM items WHERE times = 1").await,
            rows
        );
    }
}

#[change(id = "wrong", order = "001", batch, register = false)]
async fn wrong(
    batch: Batch<Key>,
    db: &mut Connection,
    wrong: &Wrong,
) -> Result<Next<Key>, BoxError> {
    let keyset = wrong
        .0
        .iter()
        .fold(Keyset::table("items"), |items, key| items.key(*key));
    Ok(keyset.execute(wrong.1, &batch, db).await?)
}

#[derive(Debug)]
struct Wrong(&'static [&'static str], &'static str);

#[tokio::test]
async fn mistakes_name_the_rule() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "CREATE TABLE items (id INT, times INT NOT NULL)").await;
    execute(&pool, "INSERT INTO items VALUES (NULL, 0)").await;
    let update = "UPDATE items SET times = 1 WHERE {range}";
    for (keys, statement, expected) in [
        (&[][..], update, "the columns of its key"),
        (&["id"], "UPDATE items SET times = 1", "{range}"),
        (&["id"], update, "`id` of `items` is NULL in a row"),
        (&["number"], update, "number"),
    ] {
        let runner = Runner::new(&pool).changes(changes![wrong]);
        let error = runner
            .provide(Wrong(keys, statement))
            .run()
            .await
            .unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(times(&pool).await, ["0|1"]);
}

/// A row with NULL is found by no condition on the key, so it would be skipped.
#[tokio::test]
async fn null_in_any_column_of_the_key_is_refused() {
    for (rows, keys, expected) in [
        (
            "(1, 1, 0), (2, NULL, 0), (3, 1, 0)",
            &["id", "part"][..],
            "`part`",
        ),
        (
            "(1, 1, 0), (NULL, 2, 0), (3, 1, 0)",
            &["id", "part"],
            "`id`",
        ),
        ("(1, 1, 0), (NULL, 2, 0), (3, 1, 0)", &["id"], "`id`"),
    ] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        execute(
            &pool,
            "CREATE TABLE items (id INT, part INT, times INT NOT NULL)",
        )
        .await;
        execute(&pool, &format!("INSERT INTO items VALUES {rows}")).await;
        let update = "UPDATE items SET times = 1 WHERE {range}";
        let runner = Runner::new(&pool)
            .changes(changes![wrong])
            .provide(Wrong(keys, update));
        let text = format!("{:?}", runner.run().await.unwrap_err());
        assert!(
            text.contains(&format!("{expected} of `items` is NULL in a row")),
            "{text}"
        );
        assert_eq!(times(&pool).await, ["0|3"]);
        // Without such rows, a column that could be NULL is fine.
        execute(&pool, "DELETE FROM items WHERE id IS NULL OR part IS NULL").await;
        runner.run().await.unwrap();
        assert_eq!(times(&pool).await, ["1|2"]);
    }
}

#[tokio::test]
async fn types_that_would_skip_rows_are_refused() {
    let types: &[(&str, &str)] = match NAME {
        "PostgreSQL" => &[],
        "SQLite" => &[("REAL", "1.5"), ("BLOB", "X'00ff'")],
        _ => &[
            ("TIMESTAMP", "'2026-01-01 00:00:00'"),
            ("ENUM('b', 'a')", "'a'"),
            ("DOUBLE", "1.5"),
            ("BINARY(2)", "X'00ff'"),
        ],
    };
    for (kind, value) in types {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        let table =
            format!("CREATE TABLE items (id {kind} NOT NULL PRIMARY KEY, times INT NOT NULL)");
        execute(&pool, &table).await;
        execute(&pool, &format!("INSERT INTO items VALUES ({value}, 0)")).await;
        let runner = Runner::new(&pool)
            .changes(changes![wrong])
            .provide(Wrong(&["id"], "UPDATE items SET times = 1 WHERE {range}"));
        let text = format!("{:?}", runner.run().await.unwrap_err());
        assert!(
            text.contains("the column `id` of `items` has a"),
            "{kind}: {text}"
        );
        assert_eq!(times(&pool).await, ["0|1"]);
    }
}
