//! An atomic stage conflicts with a transaction of the application: it is retried as a whole, or is
//! absent as a whole.

use flamingock::report::Note;
use flamingock::{BoxError, ErrorKind, Outcome, Report, Runner, Stage, change, changes};
use flamingock_tests::{
    Backend as _, audit, count, done, execute, folder, query, strings, with_table,
};
use sqlx::pool::PoolOptions;
use sqlx::{Connection as _, Pool};

use super::{Backend, CONFLICT, Connection, Db, PATIENT, WAITING, strict};

const TABLE: &str = "CREATE TABLE counter (id INT PRIMARY KEY, n INT NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0); CREATE TABLE ballast (n INT)";

/// The application's write to the row, and how often it happens.
#[derive(Debug)]
struct Rival {
    url: String,
    strikes: std::sync::atomic::AtomicU32,
}

impl Rival {
    fn new(url: &str, strikes: u32) -> Rival {
        Rival {
            url: url.to_owned(),
            strikes: strikes.into(),
        }
    }

    async fn strike(&self) -> Result<(), sqlx::Error> {
        use std::sync::atomic::Ordering::SeqCst;
        let left = |left: u32| left.checked_sub(1);
        if self.strikes.fetch_update(SeqCst, SeqCst, left).is_ok() {
            let mut other = Connection::connect(&self.url).await?;
            query(&mut other, "UPDATE counter SET n = n + 10 WHERE id = 1").await?;
        }
        Ok(())
    }
}

#[change(id = "first", order = "001", stage = "seed", register = false)]
async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

/// Reads a row, and writes it after the application has changed it.
#[change(id = "contested", order = "002", stage = "seed", register = false)]
async fn contested(db: &mut Connection, rival: &Rival) -> Result<(), BoxError> {
    query(db, "SELECT n FROM counter WHERE id = 1").await?;
    rival.strike().await?;
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 1").await?;
    Ok(())
}

#[change(id = "third", order = "003", stage = "seed", register = false)]
async fn third(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.changes().map(|change| change.outcome).collect()
}

fn seed(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).stage(Stage::new("seed").atomic())
}

/// Transactions of this pool refuse to overwrite changes that they have not seen.
async fn scene(database: &flamingock_tests::TestDatabase<Backend>) -> (Pool<Db>, Pool<Db>) {
    let watch = with_table(database, 2).await;
    execute(&watch, TABLE).await;
    let options = PoolOptions::<Db>::new().max_connections(2);
    let pool = strict(options).connect(&database.url).await.unwrap();
    (watch, pool)
}

#[tokio::test]
async fn stage_with_one_conflict_is_retried_from_its_first_change() {
    let database = Backend::fresh().await;
    let (watch, pool) = scene(&database).await;
    let runner = seed(&pool).changes(changes![first, contested, third]);
    let report = runner
        .provide(Rival::new(&database.url, 1))
        .run()
        .await
        .unwrap();
    assert_eq!(outcomes(&report), [Outcome::NewlyApplied; 3]);
    for change in report.changes() {
        assert_eq!(change.notes, [Note::Retried { times: 1 }], "{}", change.id);
    }
    assert_eq!(done(&watch).await, ["first", "third"]);
    assert_eq!(
        count(&watch, "SELECT n FROM counter WHERE id = 1").await,
        11
    );
    let expected = [
        "first 1 APPLIED shared",
        "contested 1 APPLIED shared",
        "third 1 APPLIED shared",
    ];
    assert_eq!(audit(&watch).await, expected);
}

#[tokio::test]
async fn stage_with_repeated_conflicts_is_rolled_back_and_recorded_once() {
    let database = Backend::fresh().await;
    let (watch, pool) = scene(&database).await;
    let runner = || seed(&pool).changes(changes![first, contested, third]);
    let error = runner()
        .provide(Rival::new(&database.url, 100))
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let told = format!("{error:#}");
    assert!(told.contains(CONFLICT), "{told}");
    let (back, blocked) = (Outcome::RolledBack, Outcome::Blocked);
    assert_eq!(
        outcomes(error.report().unwrap()),
        [back, back, blocked],
        "{told}"
    );
    assert_eq!(done(&watch).await, Vec::<String>::new());
    assert_eq!(
        count(&watch, "SELECT n FROM counter WHERE id = 1").await,
        40
    );
    let expected = [
        "first 1 ROLLED_BACK shared",
        "contested 1 FAILED shared",
        "contested 1 ROLLED_BACK shared",
    ];
    assert_eq!(audit(&watch).await, expected);
    let errors = "SELECT error FROM flamingock_audit WHERE state = 'FAILED'";
    assert!(strings(&watch, errors).await[0].contains(CONFLICT));

    let report = runner()
        .provide(Rival::new(&database.url, 0))
        .run()
        .await
        .unwrap();
    assert_eq!(outcomes(&report), [Outcome::NewlyApplied; 3]);
    assert_eq!(done(&watch).await, ["first", "third"]);
}

/// Files sent as one message, which becomes the victim of a deadlock once, in its second file.
#[tokio::test]
async fn message_of_files_ended_by_a_deadlock_is_retried_from_its_first_file() {
    let database = Backend::fresh().await;
    let watch = with_table(&database, 3).await;
    execute(&watch, TABLE).await;
    let pool = database.pool(2).await;
    let rival = async {
        let mut other = Connection::connect(&database.url).await.unwrap();
        // The server ends the transaction that has written less; PostgreSQL the one that has waited
        // longer.
        let ballast = vec!["(1)"; 200].join(",");
        let begin = format!(
            "{PATIENT}BEGIN; INSERT INTO ballast VALUES {ballast}; UPDATE counter SET n = n + 10 WHERE id = 2"
        );
        query(&mut other, &begin).await.unwrap();
        other
    };
    let mut rival = rival.await;
    let header = "-- flamingock: stage=seed\n";
    let one = format!("{header}INSERT INTO done VALUES ('one');\n");
    let two = format!(
        "{header}UPDATE counter SET n = n + 1 WHERE id = 1;\nUPDATE counter SET n = n + 1 WHERE id = 2;\n"
    );
    let three = format!("{header}INSERT INTO done VALUES ('three');\n");
    let files = folder(&[
        ("0001__one.sql", &one),
        ("0002__two.sql", &two),
        ("0003__three.sql", &three),
    ]);
    let run = tokio::spawn(seed(&pool).files(files).run());
    let waits = async {
        while count(&watch, WAITING).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waits)
        .await
        .unwrap();
    query(
        &mut rival,
        "UPDATE counter SET n = n + 10 WHERE id = 1; COMMIT",
    )
    .await
    .unwrap();
    let report = run.await.unwrap().unwrap();
    assert_eq!(outcomes(&report), [Outcome::NewlyApplied; 3], "{report}");
    for change in report.changes() {
        assert_eq!(change.notes, [Note::Retried { times: 1 }], "{report}");
    }
    assert_eq!(done(&watch).await, ["one", "three"]);
    assert_eq!(
        strings(&watch, "SELECT n FROM counter ORDER BY id").await,
        ["11", "11"]
    );
    let expected = ["one", "two", "three"].map(|id| format!("{id} 1 APPLIED shared"));
    assert_eq!(audit(&watch).await, expected);
}
