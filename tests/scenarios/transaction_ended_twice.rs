//! Changes that end their own transaction, begin another one, and fail there.

use flamingock::{ErrorKind, Runner, Stage, TargetSystem, change, changes, rollback};
use flamingock_tests::{Backend as _, audit, done, query, strings, with_table};

use super::{Backend, Connection};

const MARIADB: bool = is("MariaDB");
const POSTGRES: bool = is("PostgreSQL");

const fn is(name: &str) -> bool {
    matches!(
        (
            <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
            name.as_bytes()
        ),
        (b"MariaDB", b"MariaDB") | (b"PostgreSQL", b"PostgreSQL")
    )
}

/// The statements of a change, in order. Errors of statements that begin with a question mark are
/// ignored.
#[derive(Debug)]
struct Says(&'static [&'static str]);

async fn say(db: &mut Connection, says: &Says) -> Result<(), sqlx::Error> {
    for text in says.0 {
        match text.strip_prefix('?') {
            Some(text) => drop(query(db, text).await),
            None => drop(query(db, text).await?),
        }
    }
    Ok(())
}

#[change(id = "before", order = "001", register = false)]
async fn before(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('change before')")
        .await
        .map(drop)
}

#[change(id = "says", order = "002", register = false)]
async fn says(db: &mut Connection, texts: &Says) -> Result<(), sqlx::Error> {
    say(db, texts).await
}

#[change(id = "behind", order = "003", register = false)]
async fn behind(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('behind')")
        .await
        .map(drop)
}

#[change(id = "elsewhere", order = "002", target = "other", register = false)]
async fn elsewhere(db: &mut Connection, texts: &Says) -> Result<(), sqlx::Error> {
    say(db, texts).await
}

#[change(id = "applied", order = "001", register = false)]
async fn applied(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('applied')")
        .await
        .map(drop)
}

#[rollback(applied)]
async fn not_applied(db: &mut Connection, texts: &Says) -> Result<(), sqlx::Error> {
    say(db, texts).await
}

const INSERT_FIRST: &str = "INSERT INTO done VALUES ('first')";
const INSERT_SECOND: &str = "INSERT INTO done VALUES ('second')";
const FAIL: &str = "SELECT * FROM nowhere";

/// The effects of the first part that remain.
const COMMITS_FIRST: &[&[&str]] = &[
    &[INSERT_FIRST, "COMMIT", "BEGIN", INSERT_SECOND, FAIL],
    &[INSERT_FIRST, "COMMIT", "BEGIN", FAIL],
    &[INSERT_FIRST, "COMMIT; BEGIN; SELECT 1", FAIL],
];

/// On databases that have such a command.
const COMMITS_AND_CHAINS: &[&str] = &[INSERT_FIRST, "COMMIT AND CHAIN", INSERT_SECOND, FAIL];

/// The effects of the second part that remain.
const COMMITS_SECOND: &[&str] = &[
    INSERT_FIRST,
    "ROLLBACK",
    "BEGIN",
    INSERT_SECOND,
    "COMMIT",
    "BEGIN",
    FAIL,
];

fn sequences() -> Vec<(&'static [&'static str], &'static str)> {
    let mut all: Vec<_> = COMMITS_FIRST
        .iter()
        .map(|texts| (*texts, "first"))
        .collect();
    if MARIADB || POSTGRES {
        all.push((COMMITS_AND_CHAINS, "first"));
    }
    // For an aborted transaction, PostgreSQL reports only whether the first one was committed.
    if !POSTGRES {
        all.push((COMMITS_SECOND, "second"));
    }
    all
}

#[tokio::test]
async fn commit_in_a_failed_change_is_not_recorded_as_rolled_back() {
    for (texts, stays) in sequences() {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = || {
            Runner::new(&pool)
                .changes(changes![before, says])
                .provide(Says(texts))
        };
        let error = runner().run().await.unwrap_err();
        assert!(
            format!("{error:#}").contains("was not rolled back"),
            "{texts:?}: {error}"
        );
        assert_eq!(
            audit(&pool).await,
            ["before 1 APPLIED shared", "says 1 FAILED none"],
            "{texts:?}"
        );
        assert_eq!(done(&pool).await, ["change before", stays], "{texts:?}");
        // An operator decides about the remaining effects.
        let again = runner().run().await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Issues, "{texts:?}: {again}");
        assert_eq!(audit(&pool).await.len(), 2, "{texts:?}");
    }
}

#[tokio::test]
async fn commit_in_a_failed_atomic_stage_is_not_recorded_as_rolled_back() {
    for texts in COMMITS_FIRST {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let error = Runner::new(&pool)
            .changes(changes![before, says, behind])
            .stage(Stage::new("default").atomic())
            .provide(Says(texts))
            .run()
            .await
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("was not rolled back"),
            "{texts:?}: {error}"
        );
        assert_eq!(
            audit(&pool).await,
            ["before 1 APPLIED shared", "says 1 FAILED none"],
            "{texts:?}"
        );
        assert_eq!(done(&pool).await, ["change before", "first"], "{texts:?}");
    }
}

#[tokio::test]
async fn commit_in_a_failed_change_at_another_target_is_not_recorded_as_rolled_back() {
    for (texts, stays) in sequences() {
        let databases = [Backend::fresh().await, Backend::fresh().await];
        let pool = with_table(&databases[0], 1).await;
        let other = with_table(&databases[1], 1).await;
        let error = Runner::new(&pool)
            .target(TargetSystem::sqlx("other", &other))
            .changes(changes![elsewhere])
            .provide(Says(texts))
            .run()
            .await
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("was not rolled back"),
            "{texts:?}: {error}"
        );
        assert_eq!(
            audit(&pool).await,
            ["elsewhere 1 STARTED separate", "elsewhere 1 FAILED none"],
            "{texts:?}"
        );
        assert_eq!(done(&other).await, [stays], "{texts:?}");
    }
}

#[tokio::test]
async fn commit_in_a_failed_undo_is_not_recorded_as_still_applied() {
    for (texts, stays) in sequences() {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = || {
            Runner::new(&pool)
                .changes(changes![applied])
                .provide(Says(texts))
        };
        runner().run().await.unwrap();
        runner()
            .undo(flamingock::UndoTarget::Last)
            .await
            .unwrap_err();
        assert_eq!(
            audit(&pool).await,
            ["applied 1 APPLIED shared", "applied 1 FAILED none"],
            "{texts:?}"
        );
        assert_eq!(done(&pool).await, ["applied", stays], "{texts:?}");
    }
}

/// The function ignores the error and returns normally.
#[tokio::test]
async fn commit_in_a_change_that_ignores_its_failure_is_not_recorded_as_rolled_back() {
    let texts = &[
        INSERT_FIRST,
        "COMMIT",
        "BEGIN",
        INSERT_SECOND,
        "?SELECT * FROM nowhere",
    ];
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let run = Runner::new(&pool)
        .changes(changes![says])
        .provide(Says(texts))
        .run()
        .await;
    if MARIADB {
        // On this database an error does not end the transaction.
        run.unwrap();
        assert_eq!(audit(&pool).await, ["says 1 APPLIED none"]);
        return;
    }
    let error = run.unwrap_err();
    assert!(
        format!("{error:#}").contains("was not rolled back"),
        "{error}"
    );
    assert_eq!(audit(&pool).await, ["says 1 FAILED none"]);
    assert!(done(&pool).await.contains(&"first".to_owned()));
}

/// If the database rolled everything back, the entry records that.
#[tokio::test]
async fn failed_change_that_only_rolled_back_left_nothing() {
    for texts in [
        &[INSERT_FIRST, FAIL][..],
        &[INSERT_FIRST, "ROLLBACK AND CHAIN", INSERT_SECOND, FAIL][..],
    ] {
        if texts.len() > 2 && !POSTGRES {
            continue;
        }
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let error = Runner::new(&pool)
            .changes(changes![says])
            .provide(Says(texts))
            .run()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{texts:?}: {error}");
        assert_eq!(
            audit(&pool).await,
            ["says 1 FAILED shared", "says 1 ROLLED_BACK shared"]
        );
        assert_eq!(done(&pool).await, Vec::<String>::new());
        let errors = strings(
            &pool,
            "SELECT error FROM flamingock_audit WHERE error IS NOT NULL",
        );
        assert!(errors.await[0].contains("nowhere"));
    }
}
