//! `backfill.md`: a large table in batches, also outside of the deployment.

use flamingock::{
    Batch, BoxError, Key, Keyset, Next, Runner, UndoTarget, change, changes, rollback,
};
use serde::{Deserialize, Serialize};
use sqlx::{SqliteConnection, SqlitePool};

/// Fills `orders.currency`, which older orders do not have.
#[change(id = "fill-currency", order = "0001", batch, register = false)]
async fn fill_currency(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
) -> Result<Next<Key>, sqlx::Error> {
    let orders = Keyset::table("orders").key("id").count_rows();
    let update = "UPDATE orders SET currency = 'EUR' WHERE {range} AND currency IS NULL";
    orders.execute(update, &batch, db).await
}

/// Empties the column again.
#[rollback(fill_currency, batch)]
async fn empty_currency(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
) -> Result<Next<Key>, sqlx::Error> {
    let orders = Keyset::table("orders").key("id");
    let update = "UPDATE orders SET currency = NULL WHERE {range}";
    orders.execute(update, &batch, db).await
}

/// Where the next batch begins.
#[derive(Serialize, Deserialize)]
struct Position {
    customer: i64,
}

/// Sums up the orders of each customer.
#[change(id = "sum-orders", order = "0002", batch, register = false)]
async fn sum_orders(
    batch: Batch<Position>,
    db: &mut SqliteConnection,
) -> Result<Next<Position>, BoxError> {
    let after = batch.cursor().map_or(0, |position| position.customer);
    let customers: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM customers WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after)
            .bind(batch.size())
            .fetch_all(&mut *db)
            .await?;
    let Some(last) = customers.last().copied() else {
        return Ok(Next::finished());
    };
    let sums = "UPDATE customers SET total =
                (SELECT coalesce(sum(amount), 0) FROM orders WHERE customer = customers.id)
                WHERE id > ? AND id <= ?";
    let done = sqlx::query(sums).bind(after).bind(last).execute(db).await?;
    Ok(Next::after(Position { customer: last }).done_rows(done.rows_affected()))
}

struct SearchIndex(std::sync::Mutex<Vec<i64>>);

impl SearchIndex {
    async fn put(&self, ids: &[i64]) -> Result<(), BoxError> {
        self.0.lock().map_err(|_| "poisoned")?.extend(ids);
        Ok(())
    }
}

/// Sends a message to each customer. Those whom it cannot be sent are tried again later.
#[change(id = "tell-customers", order = "0004", batch, register = false)]
async fn tell_customers(
    batch: Batch<i64>,
    pool: &SqlitePool,
    mail: &Mail,
) -> Result<Next<i64>, BoxError> {
    let (ids, mut next) = match batch.rows_to_retry() {
        [] => {
            let ids: Vec<i64> =
                sqlx::query_scalar("SELECT id FROM customers WHERE id > ? ORDER BY id LIMIT ?")
                    .bind(batch.cursor().copied().unwrap_or(0))
                    .bind(batch.size())
                    .fetch_all(pool)
                    .await?;
            let next = ids.last().map_or(Next::finished(), |id| Next::after(*id));
            (ids, next)
        }
        failed => (failed.to_vec(), Next::finished()),
    };
    for id in ids {
        if let Err(error) = mail.send(id).await {
            next = next.failed_row(id, error);
        }
    }
    Ok(next.max_failed_rows(100))
}

/// A server that knows no customer with this id.
struct Mail(std::sync::atomic::AtomicI64);

impl Mail {
    async fn send(&self, id: i64) -> Result<(), &'static str> {
        match id == self.0.load(std::sync::atomic::Ordering::SeqCst) {
            true => Err("unknown address"),
            false => Ok(()),
        }
    }
}

/// Copies all orders to the search index.
#[change(id = "index-orders", order = "0003", batch, register = false)]
async fn index_orders(
    batch: Batch<i64>,
    pool: &SqlitePool,
    index: &SearchIndex,
) -> Result<Next<i64>, BoxError> {
    let ids: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM orders WHERE id > ? ORDER BY id LIMIT ?")
            .bind(batch.cursor().copied().unwrap_or(0))
            .bind(batch.size())
            .fetch_all(pool)
            .await?;
    index.put(&ids).await?;
    Ok(match ids.last() {
        Some(last) => Next::after(*last).done_rows(ids.len() as u64),
        None => Next::finished(),
    })
}

async fn backfill(pool: &SqlitePool) -> Result<(), flamingock::Error> {
    Runner::new(pool)
        .service("orders-backfill")
        .changes(changes![fill_currency])
        .run()
        .await?;
    Ok(())
}

const TABLES: &str = "CREATE TABLE customers (id INTEGER PRIMARY KEY, total INTEGER);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount INTEGER, currency TEXT);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2500)
    INSERT INTO orders SELECT i * 10, i % 700 + 1, 1, NULL FROM n;
    INSERT INTO customers SELECT DISTINCT customer, 0 FROM orders";

#[tokio::test]
async fn every_row_is_done() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    backfill(&pool).await?;
    let progress = include_str!("backfill/progress.sql");
    let progress = sqlx::raw_sql(progress).fetch_all(&pool).await?;
    assert_eq!(progress.len(), 1);
    let count = async |condition: &'static str| {
        let text = format!("SELECT count(*) FROM orders WHERE {condition}");
        let text = sqlx::AssertSqlSafe(text);
        sqlx::query_scalar::<_, i64>(text).fetch_one(&pool).await
    };
    assert_eq!(count("currency IS NULL").await?, 0);

    let index = std::sync::Arc::new(SearchIndex(std::sync::Mutex::default()));
    let runner = Runner::new(&pool)
        .changes(changes![sum_orders, index_orders])
        .provide_arc(std::sync::Arc::clone(&index));
    runner.run().await?;
    let total: i64 = sqlx::query_scalar("SELECT sum(total) FROM customers")
        .fetch_one(&pool)
        .await?;
    assert_eq!(total, 2500);
    assert_eq!(index.0.lock().unwrap().len(), 2500);

    let mail = std::sync::Arc::new(Mail(7.into()));
    let runner = Runner::new(&pool)
        .service("mail")
        .changes(changes![tell_customers])
        .provide_arc(std::sync::Arc::clone(&mail));
    assert!(runner.run().await.is_err());
    let failed = runner.failed_rows("tell-customers").await?;
    assert_eq!((failed[0].key.as_str(), failed.len()), ("7", 1));
    mail.0.store(0, std::sync::atomic::Ordering::SeqCst);
    runner.run().await?;

    let backfill = Runner::new(&pool)
        .service("orders-backfill")
        .changes(changes![fill_currency]);
    backfill.undo(UndoTarget::Last).await?;
    assert_eq!(count("currency IS NULL").await?, 2500);
    backfill.run().await?;
    assert_eq!(count("currency IS NULL").await?, 0);
    Ok(())
}
