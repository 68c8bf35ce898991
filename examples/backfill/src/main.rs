//! A backfill in batches whose process is killed, and the run that continues it. The program starts
//! itself as the process to kill.

use std::time::Duration;

use flamingock::{Batch, BoxError, Key, Keyset, LockOptions, Next, Runner, change, changes};
use sqlx::{SqliteConnection, SqlitePool};
use tokio::process::Command;

const USERS: i64 = 100_000;

/// Fills `users.lower` with the address in lower case, and counts how often it did.
#[change(id = "lower-emails", order = "0001", batch, register = false)]
async fn lower_emails(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
    pace: &Pace,
) -> Result<Next<Key>, sqlx::Error> {
    tokio::time::sleep(pace.0).await;
    let users = Keyset::table("users").key("id").count_rows();
    let update = "UPDATE users SET lower = lower(email), times = times + 1 WHERE {range}";
    users.execute(update, &batch, db).await
}

/// A pause in each batch, so that there is time to kill the process.
struct Pace(Duration);

fn runner(pool: &SqlitePool, pace: Duration) -> Runner {
    // A process that is killed keeps the lock until its lease ends.
    let lock = LockOptions::default().lease(Duration::from_secs(2));
    Runner::new(pool)
        .service("backfill")
        .lock(lock)
        .changes(changes![lower_emails])
        .provide(Pace(pace))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let pool = SqlitePool::connect("sqlite:backfill.db?mode=rwc").await?;
    if std::env::args().nth(1).as_deref() == Some("slowly") {
        runner(&pool, Duration::from_millis(100)).run().await?;
        return Ok(());
    }
    fill(&pool).await?;
    println!("{USERS} users, with gaps between their ids");

    let mut process = Command::new(std::env::current_exe()?)
        .arg("slowly")
        .kill_on_drop(true)
        .spawn()?;
    while committed(&pool).await? < 3 {
        if let Some(status) = process.try_wait()? {
            return Err(format!("the process ended early: {status}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process.kill().await?;
    let before = committed(&pool).await?;
    println!("a process has committed some batches, and is killed");

    println!("{}", runner(&pool, Duration::ZERO).run().await?);
    if committed(&pool).await? <= before {
        return Err("the next run did not continue".into());
    }
    let times = "SELECT times, count(*) FROM users GROUP BY times";
    for (times, users) in sqlx::query_as::<_, (i64, i64)>(times)
        .fetch_all(&pool)
        .await?
    {
        println!("done {times} time: {users} users");
    }
    Ok(())
}

/// Creates the users anew.
async fn fill(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let text = "DROP TABLE IF EXISTS users;
        DROP TABLE IF EXISTS flamingock_audit;
        DROP TABLE IF EXISTS flamingock_lock;
        DROP TABLE IF EXISTS flamingock_lease;
        DROP TABLE IF EXISTS flamingock_progress;
        CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, lower TEXT, times INTEGER DEFAULT 0)";
    sqlx::raw_sql(text).execute(pool).await?;
    let users = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)
        INSERT INTO users (id, email) SELECT i * i, 'User' || i || '@Example.COM' FROM n";
    sqlx::query(users).bind(USERS).execute(pool).await?;
    Ok(())
}

/// Returns the number of committed batches.
async fn committed(pool: &SqlitePool) -> Result<i64, flamingock::Error> {
    let progress = runner(pool, Duration::ZERO).progress().await?;
    Ok(progress.first().map_or(0, |progress| progress.batches))
}
