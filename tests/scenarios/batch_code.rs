//! The code of a change in batches differs from that of its unfinished attempt, or a batch was
//! committed before its end.

use std::time::Duration;

use flamingock::report::Cause;
use flamingock::{
    Batch, BoxError, Error, ErrorKind, LockOptions, Next, Report, Resolution, Runner, TargetSystem,
    change, changes,
};
use flamingock_tests::{Backend as _, Gate, done, execute, query, strings, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

async fn two_batches(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    let number = batch.cursor().copied().unwrap_or(0) + 1;
    query(db, &format!("INSERT INTO done VALUES ('batch {number}')")).await?;
    match number {
        3 => Err("the batch fails".into()),
        number => Ok(Next::after(number)),
    }
}

async fn all_of_it(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('all')").await.map(drop)
}

#[change(id = "fill", order = "001", batch, register = false)]
async fn in_batches(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    two_batches(batch, db).await
}

#[change(id = "fill", order = "001", recovery = "retry", register = false)]
async fn whole(db: &mut Connection) -> Result<(), sqlx::Error> {
    all_of_it(db).await
}

#[change(id = "fill", order = "001", batch, target = "other", register = false)]
async fn in_batches_there(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    two_batches(batch, db).await
}

#[change(id = "fill", order = "001", target = "other", register = false)]
async fn whole_there(db: &mut Connection) -> Result<(), sqlx::Error> {
    all_of_it(db).await
}

fn runner(pool: &Pool<Db>, other: &Pool<Db>) -> Runner {
    let lock = LockOptions::default().lease(Duration::from_secs(2));
    Runner::new(pool)
        .target(TargetSystem::sqlx("other", other))
        .lock(lock)
}

/// The change is an issue, and nothing more is done.
async fn is_an_issue(runner: Runner, cause: Cause) -> Error {
    let issues = runner.issues().await.unwrap();
    let causes: Vec<&Cause> = issues.iter().map(|issue| &issue.cause).collect();
    assert_eq!(causes, [&cause]);
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error:#}");
    error
}

#[tokio::test]
async fn code_without_batches_does_not_repeat_committed_ones() {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 3).await;
    let other = with_table(&databases[1], 3).await;
    let runner = || runner(&pool, &other);
    runner()
        .changes(changes![in_batches])
        .run()
        .await
        .unwrap_err();
    for whole in [changes![whole], changes![whole_there]] {
        let error = is_an_issue(runner().changes(whole), Cause::NoBatches).await;
        let text = format!("{error:#}");
        assert!(text.contains("would do everything again"), "{text}");
        assert_eq!(done(&pool).await, ["batch 1", "batch 2"]);
        assert_eq!(done(&other).await, [""; 0]);
    }

    execute(&pool, "DELETE FROM done").await;
    let emptied = runner().changes(changes![whole]);
    let resolved = emptied.resolve("fill", Resolution::RolledBack, "emptied");
    resolved.await.unwrap();
    runner().changes(changes![whole]).run().await.unwrap();
    assert_eq!(done(&pool).await, ["all"]);
}

#[tokio::test]
async fn code_without_batches_does_not_repeat_those_of_a_killed_process() {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 3).await;
    let other = with_table(&databases[1], 3).await;
    let runner = || runner(&pool, &other);
    let batches = runner().changes(changes![in_batches_there]);
    batches.run().await.unwrap_err();
    // As if the process had been killed in its third batch.
    execute(&pool, "DELETE FROM flamingock_audit WHERE state = 'FAILED'").await;
    is_an_issue(runner().changes(changes![whole_there]), Cause::NoBatches).await;
    assert_eq!(done(&other).await, ["batch 1", "batch 2"]);
}

/// The marker of the attempt shows that it was committed.
#[tokio::test]
async fn code_that_gets_batches_finds_a_committed_attempt() {
    let (refuse, allow) = match Backend::NAME {
        "SQLite" => (
            "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit WHEN NEW.state = 'APPLIED'
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "DROP TRIGGER refuse",
        ),
        "PostgreSQL" => (
            "ALTER TABLE flamingock_audit ADD CONSTRAINT refuse CHECK (state <> 'APPLIED')",
            "ALTER TABLE flamingock_audit DROP CONSTRAINT refuse",
        ),
        _ => (
            "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit FOR EACH ROW
             BEGIN IF NEW.state = 'APPLIED' THEN SIGNAL SQLSTATE '45000'; END IF; END",
            "DROP TRIGGER refuse",
        ),
    };
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 3).await;
    let other = with_table(&databases[1], 3).await;
    let runner = || runner(&pool, &other);
    execute(&pool, &Runner::new(&pool).schema().unwrap()).await;
    execute(&pool, refuse).await;
    let unrecorded = runner().changes(changes![whole_there]).run().await;
    assert_eq!(unrecorded.unwrap_err().kind(), ErrorKind::InDoubt);
    execute(&pool, allow).await;

    let report = runner().changes(changes![in_batches_there]).run().await;
    assert_eq!(report.unwrap().counts().already_applied, 1);
    assert_eq!(done(&other).await, ["all"]);
}

#[derive(Clone, Debug, Default)]
struct Waits(Gate);

/// Its second batch waits behind DDL, which commits on MariaDB.
#[change(id = "ddl", order = "001", batch, register = false)]
async fn with_ddl(
    batch: Batch<i64>,
    db: &mut Connection,
    waits: &Waits,
) -> Result<Next<i64>, BoxError> {
    let number = batch.cursor().copied().unwrap_or(0) + 1;
    query(db, &format!("INSERT INTO done VALUES ('batch {number}')")).await?;
    query(db, &format!("CREATE TABLE part_{number} (a INT)")).await?;
    if number == 2 {
        waits.0.pass().await;
    }
    Ok(match number {
        3 => Next::finished(),
        number => Next::after(number),
    })
}

async fn after_a_process_that_died_behind_ddl() -> (Result<Report, Error>, Vec<String>) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let (url, waits) = (database.url.clone(), Waits::default());
    let given = waits.clone();
    let process = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    process.spawn(async move {
        let pool = Pool::<Db>::connect(&url).await.unwrap();
        let runner = runner(&pool, &pool).changes(changes![with_ddl]);
        runner.provide(given).run().await
    });
    waits.0.reached().await;
    process.shutdown_background();
    waits.0.open();
    let next = runner(&pool, &pool).changes(changes![with_ddl]);
    let report = next.provide(waits).run().await;
    if Backend::NAME == "MariaDB" {
        let again = runner(&pool, &pool).changes(changes![with_ddl]);
        is_an_issue(again.provide(Waits::default()), Cause::Failed).await;
    }
    (report, done(&pool).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_whose_ddl_committed_before_its_process_died_is_no_silent_repetition() {
    let (report, done) = after_a_process_that_died_behind_ddl().await;
    match Backend::NAME {
        "MariaDB" => {
            let text = format!("{:#}", report.unwrap_err());
            assert!(
                text.contains("batch 2 was committed before its end"),
                "{text}"
            );
            assert_eq!(done, ["batch 1", "batch 2"]);
        }
        _ => {
            report.unwrap();
            assert_eq!(done, ["batch 1", "batch 2", "batch 3"]);
        }
    }
}

/// Longer than the lease, which only the batch itself can renew on SQLite.
#[change(id = "long", order = "001", batch, register = false)]
async fn long(batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
    let number = batch.cursor().copied().unwrap_or(0) + 1;
    query(db, &format!("INSERT INTO done VALUES ('batch {number}')")).await?;
    // The test needs real time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(match number {
        2 => Next::finished(),
        number => Next::after(number),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_longer_than_the_lease_keep_the_lock() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 8).await;
    let run = || tokio::spawn(runner(&pool, &pool).changes(changes![long]).run());
    let (one, other) = (run(), run());
    for ran in [one, other] {
        ran.await.unwrap().unwrap();
    }
    assert_eq!(done(&pool).await, ["batch 1", "batch 2"]);
    let tokens = "SELECT DISTINCT fencing_token FROM flamingock_audit";
    assert_eq!(strings(&pool, tokens).await.len(), 1);
}

#[tokio::test]
async fn change_whose_progress_is_gone_is_an_issue_until_the_row_is_restored() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 3).await;
    let runner = || runner(&pool, &pool).changes(changes![in_batches]);
    runner().run().await.unwrap_err();
    execute(
        &pool,
        "CREATE TABLE kept AS SELECT * FROM flamingock_progress",
    )
    .await;
    execute(&pool, "DELETE FROM flamingock_progress").await;
    let gone = "its progress is not in the table `flamingock_progress` any more";
    for _ in 0..2 {
        let error = format!("{:#}", runner().run().await.unwrap_err());
        assert!(error.contains(gone), "{error}");
        let issues = runner().issues().await.unwrap();
        let causes: Vec<&Cause> = issues.iter().map(|issue| &issue.cause).collect();
        assert_eq!(causes, [&Cause::ProgressGone]);
    }
    assert_eq!(done(&pool).await, ["batch 1", "batch 2"]);
    execute(&pool, "INSERT INTO flamingock_progress SELECT * FROM kept").await;
    let error = format!("{:#}", runner().run().await.unwrap_err());
    assert!(error.contains("batch 3 failed"), "{error}");
    assert_eq!(runner().issues().await.unwrap().len(), 0);
}
