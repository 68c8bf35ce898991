//! A backfill in batches: its process is killed, another one is paused, a row fails, and in the end all
//! of it is undone. The program starts itself as the processes to kill and to pause.

use std::time::Duration;

use flamingock::audit::ProgressState;
use flamingock::{
    Batch, BoxError, Key, Keyset, LockOptions, Next, Report, Runner, UndoTarget, change, changes,
    rollback,
};
use sqlx::{SqliteConnection, SqlitePool};
use tokio::process::{Child, Command};

const USERS: i64 = 100_000;

/// Fills `users.lower` with the address in lower case, and counts how often it did. An address that
/// the new column refuses does not stop the others.
#[change(id = "lower-emails", order = "0001", batch, register = false)]
async fn lower_emails(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
    pace: &Pace,
) -> Result<Next<Key>, sqlx::Error> {
    tokio::time::sleep(pace.0).await;
    let users = Keyset::table("users").key("id").count_rows();
    let update = "UPDATE users SET lower = lower(email), times = times + 1 WHERE {range}";
    users
        .collect_failed_rows(10)
        .execute(update, &batch, db)
        .await
}

/// Empties the column again, in batches as well.
#[rollback(lower_emails, batch)]
async fn empty_lower(
    batch: Batch<Key>,
    db: &mut SqliteConnection,
) -> Result<Next<Key>, sqlx::Error> {
    let users = Keyset::table("users").key("id");
    let update = "UPDATE users SET lower = NULL, times = times - 1 WHERE {range}";
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
        .operator("ada")
        .changes(changes![lower_emails])
        .provide(Pace(pace))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let pool = SqlitePool::connect("sqlite:backfill.db?mode=rwc").await?;
    if std::env::args().nth(1).as_deref() == Some("slowly") {
        // Paused, it ends with an error, which the other process knows about.
        let _ = runner(&pool, Duration::from_millis(100)).run().await;
        return Ok(());
    }
    fill(&pool).await?;
    println!("{USERS} users, with gaps between their ids");

    let mut process = work_slowly(&pool).await?;
    process.kill().await?;
    let before = committed(&pool).await?;
    println!("a process has committed some batches, and is killed");

    let mut process = work_slowly(&pool).await?;
    if committed(&pool).await? <= before {
        return Err("the next process did not continue".into());
    }
    let operator = runner(&pool, Duration::ZERO);
    operator.pause("lower-emails", "too much load").await?;
    process.wait().await?;
    if operator.progress().await?[0].state != ProgressState::Paused {
        return Err("the change is not paused".into());
    }
    println!("the next one continues, and is paused by an operator");

    operator.resume("lower-emails", "the load is over").await?;
    if operator.run().await.is_ok() {
        return Err("no row failed".into());
    }
    for row in operator.failed_rows("lower-emails").await? {
        println!("the user {} failed: {}", row.key, row.error);
    }

    let correct = "UPDATE users SET email = 'nobody@example.com' WHERE email = 'nobody'";
    sqlx::query(correct).execute(&pool).await?;
    let rows = done_rows(&operator.run().await?);
    println!("the address is corrected, and the next run applies the change: {rows} rows");
    show(&pool).await?;

    let rows = done_rows(&operator.undo(UndoTarget::Last).await?);
    println!("an undo reverses it in batches: {rows} rows");
    show(&pool).await
}

fn done_rows(report: &Report) -> i64 {
    let batches = report
        .changes()
        .filter_map(|change| change.batches.as_ref());
    batches.map(|batches| batches.done_rows).sum()
}

/// Starts a process that applies the change, and waits until it has committed some batches.
async fn work_slowly(pool: &SqlitePool) -> Result<Child, BoxError> {
    let enough = committed(pool).await? + 3;
    let mut process = Command::new(std::env::current_exe()?)
        .arg("slowly")
        .kill_on_drop(true)
        .spawn()?;
    while committed(pool).await? < enough {
        if let Some(status) = process.try_wait()? {
            return Err(format!("the process ended early: {status}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(process)
}

/// Creates the users anew. The address of one of them is none.
async fn fill(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let text = "DROP TABLE IF EXISTS users;
        DROP TABLE IF EXISTS flamingock_audit;
        DROP TABLE IF EXISTS flamingock_lock;
        DROP TABLE IF EXISTS flamingock_lease;
        DROP TABLE IF EXISTS flamingock_progress;
        CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT,
            lower TEXT CHECK (lower LIKE '%@%'), times INTEGER DEFAULT 0)";
    sqlx::raw_sql(text).execute(pool).await?;
    let users = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)
        INSERT INTO users (id, email) SELECT i * i, 'User' || i || '@Example.COM' FROM n";
    sqlx::query(users).bind(USERS).execute(pool).await?;
    let broken = "UPDATE users SET email = 'nobody' WHERE id = 49";
    sqlx::query(broken).execute(pool).await?;
    Ok(())
}

/// Returns the number of committed batches.
async fn committed(pool: &SqlitePool) -> Result<i64, flamingock::Error> {
    let progress = runner(pool, Duration::ZERO).progress().await?;
    Ok(progress.first().map_or(0, |progress| progress.batches))
}

async fn show(pool: &SqlitePool) -> Result<(), BoxError> {
    let times = "SELECT times, count(*) FROM users GROUP BY times";
    for (times, users) in sqlx::query_as::<_, (i64, i64)>(times)
        .fetch_all(pool)
        .await?
    {
        println!("done {times} times: {users} users");
    }
    Ok(())
}
