//! The connection that changes work on has died between two of them: the next one goes on on another.
//! On the databases that are servers.

use flamingock::{Runner, Stage, TargetSystem, change, changes};
use flamingock_tests::{
    Backend as _, audit, done, execute, folder, query, strings, until, with_table,
};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const POSTGRES: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"PostgreSQL"
);

/// Notes the session that it runs in.
#[change(id = "notes", order = "0001", detached)]
async fn notes(db: &mut Connection) -> Result<(), sqlx::Error> {
    let id = if POSTGRES {
        "SELECT pg_backend_pid()"
    } else {
        "SELECT CONNECTION_ID()"
    };
    let ids = query(db, id).await?;
    let text = format!("INSERT INTO done VALUES ('{}')", ids[0]);
    query(db, &text).await.map(drop)
}

/// Where that session is.
#[derive(Debug)]
struct Victims(Pool<Db>);

/// Ends that session, from a database of its own.
#[change(id = "kills", order = "0002", target = "killer", detached)]
async fn kills(db: &mut Connection, Victims(victims): &Victims) -> Result<(), sqlx::Error> {
    query(db, "SELECT 1").await?;
    let id = strings(victims, "SELECT what FROM done").await.remove(0);
    let (there, end) = if POSTGRES {
        (
            format!("SELECT 1 FROM pg_stat_activity WHERE pid = {id}"),
            format!("SELECT pg_terminate_backend({id})"),
        )
    } else {
        (
            format!("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {id}"),
            format!("KILL CONNECTION {id}"),
        )
    };
    execute(victims, &end).await;
    until("the session is gone", async || {
        strings(victims, &there).await.is_empty()
    })
    .await;
    Ok(())
}

#[change(id = "function", order = "0003", detached)]
async fn function(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

const FILE: &str = "INSERT INTO done VALUES ('third');\nINSERT INTO done VALUES ('fourth');\n";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Third {
    Function,
    File,
    Files,
    AtThisTarget,
}

async fn assert_goes_on(third: Third) {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let killer = with_table(&databases[1], 2).await;
    // Where `this` is the target, the audit is elsewhere.
    let (audited, noted) = match third {
        Third::AtThisTarget => (&killer, &pool),
        Third::Function | Third::File | Third::Files => (&pool, &pool),
    };
    let mut runner = Runner::new(audited).provide(Victims(noted.clone()));
    runner = match third {
        Third::AtThisTarget => runner
            .target(TargetSystem::sqlx("this", noted))
            .target(TargetSystem::sqlx("killer", &killer))
            .changes(changes![notes_there, kills])
            .files(folder(&[(
                "0003__file.sql",
                &format!("-- flamingock: target=this\n{FILE}"),
            )])),
        Third::Function => runner
            .target(TargetSystem::sqlx("killer", &killer))
            .changes(changes![notes, kills, function]),
        Third::File => runner
            .target(TargetSystem::sqlx("killer", &killer))
            .changes(changes![notes, kills])
            .files(folder(&[("0003__file.sql", FILE)])),
        Third::Files => runner
            .target(TargetSystem::sqlx("killer", &killer))
            .changes(changes![notes, kills])
            .stage(Stage::new("default"))
            .stage(Stage::new("seed").after("default").atomic())
            .files(folder(&[
                (
                    "0003__third.sql",
                    "-- flamingock: stage=seed\nINSERT INTO done VALUES ('third');\n",
                ),
                (
                    "0004__fourth.sql",
                    "-- flamingock: stage=seed\nINSERT INTO done VALUES ('fourth');\n",
                ),
            ])),
    };
    let report = runner.run().await.unwrap();
    assert!(report.is_success(), "{third:?}: {report}");
    let done = done(noted).await;
    assert_eq!(done.len(), if third == Third::Function { 2 } else { 3 });
    assert!(done.contains(&"third".to_owned()), "{third:?}: {done:?}");
    // Nothing tells of a failure that was none.
    let entries = audit(audited).await;
    assert!(
        entries.iter().all(|entry| !entry.contains("FAILED")),
        "{third:?}: {entries:?}"
    );
}

#[change(id = "notes", order = "0001", target = "this", detached)]
async fn notes_there(db: &mut Connection) -> Result<(), sqlx::Error> {
    let id = if POSTGRES {
        "SELECT pg_backend_pid()"
    } else {
        "SELECT CONNECTION_ID()"
    };
    let ids = query(db, id).await?;
    let text = format!("INSERT INTO done VALUES ('{}')", ids[0]);
    query(db, &text).await.map(drop)
}

#[tokio::test]
async fn a_function_goes_on_on_another_connection() {
    assert_goes_on(Third::Function).await;
}

#[tokio::test]
async fn a_file_goes_on_on_another_connection() {
    assert_goes_on(Third::File).await;
}

#[tokio::test]
async fn files_of_an_atomic_stage_go_on_on_another_connection() {
    assert_goes_on(Third::Files).await;
}

#[tokio::test]
async fn a_file_at_another_target_goes_on_on_another_connection() {
    assert_goes_on(Third::AtThisTarget).await;
}
