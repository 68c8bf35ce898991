//! Rows that cannot be done, while the others are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use flamingock::{
    Batch, BoxError, ErrorKind, Key, Keyset, Next, Outcome, Resolution, Runner, UndoTarget, change,
    changes, rollback,
};
use flamingock_tests::{Backend as _, audit, execute, query, strings};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};
use super::{SIZE, fresh, times};

/// The rows that cannot be done, and how many may fail.
#[derive(Clone, Debug)]
struct Refusing {
    rows: Arc<Mutex<BTreeSet<i64>>>,
    max: usize,
    asks: bool,
}

impl Refusing {
    fn of(rows: &[i64]) -> Refusing {
        Refusing {
            rows: Arc::new(Mutex::new(rows.iter().copied().collect())),
            max: 10,
            asks: true,
        }
    }

    fn accept(&self, row: i64) {
        self.rows.lock().unwrap().remove(&row);
    }
}

/// Does each row by itself.
#[change(id = "fill", order = "001", batch, register = false)]
async fn fill(
    batch: Batch<i64>,
    db: &mut Connection,
    refusing: &Refusing,
) -> Result<Next<i64>, BoxError> {
    let again = match refusing.asks {
        true => batch.rows_to_retry(),
        false => &[],
    };
    let after = batch.cursor().copied().unwrap_or(0);
    let (keys, mut next) = match again {
        [] => {
            let keys = format!("SELECT id FROM items WHERE id > {after} ORDER BY id LIMIT {SIZE}");
            let keys = query(db, &keys).await?;
            let keys: Vec<i64> = keys.iter().map(|key| key.parse().unwrap()).collect();
            let next = keys
                .last()
                .map_or_else(Next::finished, |last| Next::after(*last));
            (keys, next)
        }
        again => (again.to_vec(), Next::finished()),
    };
    let mut done = 0;
    for key in keys {
        if refusing.rows.lock().unwrap().contains(&key) {
            next = next.failed_row(key, "it is refused");
            continue;
        }
        query(
            db,
            &format!("UPDATE items SET times = times + 1 WHERE id = {key}"),
        )
        .await?;
        done += 1;
    }
    Ok(next.done_rows(done).max_failed_rows(refusing.max))
}

#[rollback(fill)]
async fn empty(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "UPDATE items SET times = 0").await.map(drop)
}

fn runner(pool: &Pool<Db>, refusing: &Refusing) -> Runner {
    Runner::new(pool)
        .changes(changes![fill])
        .provide(refusing.clone())
        .operator("ada")
}

/// The key of a row.
fn key(row: i64) -> i64 {
    row * 1000 + row % 7
}

async fn failed(runner: &Runner) -> Vec<(String, String)> {
    let rows = runner.failed_rows("fill").await.unwrap().into_iter();
    rows.map(|row| (row.key, row.error)).collect()
}

#[tokio::test]
async fn rows_that_fail_are_done_again_by_the_next_run() {
    let (_database, pool) = fresh().await;
    let refusing = Refusing::of(&[key(3), key(50), key(100)]);
    let runner = runner(&pool, &refusing);
    for left in [[3, 50, 100].as_slice(), &[50, 100], &[100]] {
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let change = error.report().unwrap().changes().next().unwrap().clone();
        assert_eq!((change.outcome, change.issue), (Outcome::Failed, None));
        let batches = change.batches.unwrap();
        assert_eq!(batches.failed_rows, left.len());
        let done = i64::try_from(left.len()).unwrap();
        assert_eq!(batches.done_rows, 100 - done);
        let text = format!("{error:?}");
        let told = format!("{}: it is refused", key(left[0]));
        assert!(text.contains(&told), "{text}");
        let expected: Vec<(String, String)> = left
            .iter()
            .map(|row| (key(*row).to_string(), "it is refused".to_owned()))
            .collect();
        assert_eq!(failed(&runner).await, expected);
        let status = runner.progress().await.unwrap()[0].to_string();
        assert!(status.contains("failed"), "{status}");
        assert_eq!(
            times(&pool).await,
            [format!("0|{done}"), format!("1|{}", 100 - done)]
        );
        refusing.accept(key(left[0]));
    }
    let report = runner.run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(times(&pool).await, ["1|100"]);
    assert_eq!(failed(&runner).await, []);
    assert_eq!(audit(&pool).await.last().unwrap(), "fill 4 APPLIED shared");
}

#[tokio::test]
async fn batch_with_more_rows_that_fail_than_may_is_rolled_back() {
    let (_database, pool) = fresh().await;
    let mut refusing = Refusing::of(&[key(3), key(9), key(10)]);
    refusing.max = 2;
    let runner = runner(&pool, &refusing);
    let error = runner.run().await.unwrap_err();
    let text = format!("{error:?}");
    let told = format!(
        "3 rows failed, and 2 may: the last one is {}: it is refused",
        key(10)
    );
    assert!(text.contains(&told), "{text}");
    assert!(text.contains("batch 2 failed"), "{text}");
    assert_eq!(times(&pool).await, ["0|94", "1|6"]);
    refusing.accept(key(10));
    let error = runner.run().await.unwrap_err();
    assert!(format!("{error:?}").contains("2 rows failed"), "{error:?}");
    assert_eq!(times(&pool).await, ["0|2", "1|98"]);
}

#[tokio::test]
async fn function_that_does_not_ask_for_rows_to_retry_fails() {
    let (_database, pool) = fresh().await;
    let mut refusing = Refusing::of(&[key(3)]);
    runner(&pool, &refusing).run().await.unwrap_err();
    refusing.accept(key(3));
    refusing.asks = false;
    let error = runner(&pool, &refusing).run().await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("`batch.rows_to_retry()`"), "{text}");
    assert_eq!(times(&pool).await, ["0|1", "1|99"]);
}

#[tokio::test]
async fn change_with_rows_that_failed_is_cancelled_and_undone_or_marked() {
    let (_database, pool) = fresh().await;
    let refusing = Refusing::of(&[key(3)]);
    let runner = runner(&pool, &refusing);
    runner.run().await.unwrap_err();
    runner.cancel("fill", "the rows are wrong").await.unwrap();
    let of_change = UndoTarget::Change("fill".to_owned());
    let undone = runner.undo(of_change).await.unwrap();
    assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
    assert_eq!(times(&pool).await, ["0|100"]);
    runner.run().await.unwrap_err();
    assert_eq!(times(&pool).await, ["0|1", "1|99"]);
    let marked = runner.resolve("fill", Resolution::Applied, "it is not needed");
    marked.await.unwrap();
    assert!(runner.run().await.unwrap().is_up_to_date());
    assert_eq!(times(&pool).await, ["0|1", "1|99"]);
}

/// Adds one to each row; those of a check fail.
#[change(id = "fill", order = "001", batch, register = false)]
async fn add(
    batch: Batch<Key>,
    db: &mut Connection,
    items: &Keyset,
) -> Result<Next<Key>, sqlx::Error> {
    let add = "UPDATE limited SET times = times + 1 WHERE {range}";
    items.execute(add, &batch, db).await
}

#[tokio::test]
async fn rows_of_a_keyset_that_violate_a_check_are_collected() {
    for keys in [["a"].as_slice(), &["a", "b"]] {
        let (_database, pool) = fresh().await;
        let create = "CREATE TABLE limited (a INT NOT NULL, b INT NOT NULL,
                      times INT NOT NULL CHECK (times < 5), PRIMARY KEY (a, b))";
        execute(&pool, create).await;
        let rows =
            (1..=1000).map(|row| format!("({row}, 1, {})", if row % 400 == 7 { 4 } else { 0 }));
        let rows: Vec<String> = rows.collect();
        execute(
            &pool,
            &format!("INSERT INTO limited VALUES {}", rows.join(", ")),
        )
        .await;
        let items = keys
            .iter()
            .fold(Keyset::table("limited"), |items, key| items.key(*key));
        let runner = |items: Keyset| {
            let runner = Runner::new(&pool).changes(changes![add]).operator("ada");
            runner.provide(items)
        };
        // Without it, the first row makes the batch fail.
        let error = runner(items.clone()).run().await.unwrap_err();
        assert!(format!("{error:?}").contains("batch 1 failed"), "{error:?}");
        let counts = "SELECT times, count(*) FROM limited GROUP BY times ORDER BY times";
        assert_eq!(strings(&pool, counts).await, ["0|997", "4|3"]);

        let collecting = runner(items.collect_failed_rows(5));
        let error = collecting.run().await.unwrap_err();
        assert!(format!("{error:?}").contains("3 rows failed"), "{error:?}");
        assert_eq!(strings(&pool, counts).await, ["1|997", "4|3"]);
        let found: Vec<String> = failed(&collecting)
            .await
            .into_iter()
            .map(|row| row.0)
            .collect();
        let digits = |key: &String| key.replace(|c: char| !c.is_ascii_digit() && c != ',', "");
        let found: Vec<String> = found.iter().map(digits).collect();
        let expected = match keys {
            [_] => ["7", "407", "807"],
            _ => ["7,1", "407,1", "807,1"],
        };
        assert_eq!(found, expected);

        execute(&pool, "UPDATE limited SET times = 0 WHERE a = 407").await;
        let error = collecting.run().await.unwrap_err();
        assert!(format!("{error:?}").contains("2 rows failed"), "{error:?}");
        execute(&pool, "UPDATE limited SET times = 0 WHERE times = 4").await;
        collecting.run().await.unwrap();
        assert_eq!(strings(&pool, counts).await, ["1|1000"]);
    }
}

#[tokio::test]
async fn statement_that_is_wrong_makes_the_batch_fail() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![add]).operator("ada");
    let items = Keyset::table("items").key("id").collect_failed_rows(5);
    let error = runner.provide(items).run().await.unwrap_err();
    assert!(format!("{error:?}").contains("batch 1 failed"), "{error:?}");
    assert_eq!(audit(&pool).await.last().unwrap(), "fill 1 FAILED shared");
    // Also for fewer rows than may fail.
    execute(&pool, "CREATE TABLE limited (a INT PRIMARY KEY)").await;
    execute(&pool, "INSERT INTO limited VALUES (1), (2)").await;
    let runner = Runner::new(&pool).changes(changes![add]).operator("ada");
    let items = Keyset::table("limited").key("a").collect_failed_rows(5);
    let error = runner.provide(items).run().await.unwrap_err();
    assert!(format!("{error:?}").contains("batch 1 failed"), "{error:?}");
    assert!(format!("{error:?}").contains("times"), "{error:?}");
}

#[tokio::test]
async fn rows_of_equal_keys_are_done_once() {
    let (_database, pool) = fresh().await;
    let create = "CREATE TABLE limited (a INT NOT NULL, times INT NOT NULL CHECK (times < 5))";
    execute(&pool, create).await;
    let rows = "(1, 0), (2, 0), (2, 0), (2, 0), (3, 4), (3, 0), (4, 0)";
    execute(&pool, &format!("INSERT INTO limited VALUES {rows}")).await;
    let items = Keyset::table("limited").key("a").collect_failed_rows(5);
    let runner = Runner::new(&pool).changes(changes![add]).operator("ada");
    let runner = runner.provide(items);
    let error = runner.run().await.unwrap_err();
    assert!(format!("{error:?}").contains("1 row failed"), "{error:?}");
    let all = "SELECT a, times FROM limited ORDER BY a, times";
    let expected = ["1|1", "2|1", "2|1", "2|1", "3|0", "3|4", "4|1"];
    assert_eq!(strings(&pool, all).await, expected);
    execute(&pool, "UPDATE limited SET times = 0 WHERE a = 3").await;
    runner.run().await.unwrap();
    let expected = ["1|1", "2|1", "2|1", "2|1", "3|1", "3|1", "4|1"];
    assert_eq!(strings(&pool, all).await, expected);
}

#[tokio::test]
async fn keyset_collects_only_in_a_transaction() {
    #[change(
        id = "fill",
        order = "001",
        transaction = false,
        batch,
        register = false
    )]
    async fn outside(
        batch: Batch<Key>,
        db: &mut Connection,
        items: &Keyset,
    ) -> Result<Next<Key>, sqlx::Error> {
        let add = "UPDATE items SET times = times + 1 WHERE {range}";
        items.execute(add, &batch, db).await
    }
    let (_database, pool) = fresh().await;
    let items = Keyset::table("items").key("id").collect_failed_rows(5);
    let runner = Runner::new(&pool)
        .changes(changes![outside])
        .operator("ada");
    let ran = runner.provide(items).run().await;
    if let Err(error) = ran {
        let told = "`collect_failed_rows` needs the transaction of the change";
        assert!(format!("{error:?}").contains(told), "{error:?}");
        assert_eq!(times(&pool).await, ["0|100"]);
    } else {
        // SQLite begins a transaction with a savepoint.
        assert_eq!(times(&pool).await, ["1|100"]);
    }
}

#[tokio::test]
async fn rows_whose_keys_are_equal_to_the_database_are_done_once() {
    let (_database, pool) = fresh().await;
    // MariaDB compares without case by itself, PostgreSQL does not.
    let text = match Backend::NAME {
        "SQLite" => "VARCHAR(10) COLLATE NOCASE",
        _ => "VARCHAR(10)",
    };
    let create =
        format!("CREATE TABLE limited (a {text} NOT NULL, times INT NOT NULL CHECK (times < 5))");
    execute(&pool, &create).await;
    execute(
        &pool,
        "INSERT INTO limited VALUES ('a', 0), ('A', 0), ('b', 4), ('c', 0)",
    )
    .await;
    let items = Keyset::table("limited").key("a").collect_failed_rows(5);
    let runner = Runner::new(&pool).changes(changes![add]).operator("ada");
    let error = runner.provide(items).run().await.unwrap_err();
    assert!(format!("{error:?}").contains("1 row failed"), "{error:?}");
    let counts = "SELECT times, count(*) FROM limited GROUP BY times ORDER BY times";
    assert_eq!(strings(&pool, counts).await, ["1|3", "4|1"]);
}
