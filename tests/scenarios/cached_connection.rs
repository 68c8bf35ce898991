//! The connection that was opened for a change dies before the change begins: the change gets
//! another one. On database servers.

use flamingock::{Runner, TargetSystem, change, changes};
use flamingock_tests::{
    Backend as _, audit, done, execute, folder, query, strings, until, with_table,
};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const POSTGRES: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"PostgreSQL"
);

/// Later sessions have greater ids.
const NOW: &str = if POSTGRES {
    "SELECT clock_timestamp()"
} else {
    "SELECT CONNECTION_ID()"
};

/// Records that it runs. The connection of the next change at this database is opened later.
#[change(id = "notes", order = "0001", register = false)]
async fn notes(db: &mut Connection) -> Result<(), sqlx::Error> {
    let now = query(db, NOW).await?;
    let text = format!("INSERT INTO done VALUES ('{}')", now[0]);
    query(db, &text).await.map(drop)
}

/// Where the connection is.
#[derive(Debug)]
struct Victims(Pool<Db>);

/// Ends the sessions that were opened since, from a database of its own.
#[change(id = "kills", order = "0002", target = "killer", register = false)]
async fn kills(db: &mut Connection, Victims(victims): &Victims) -> Result<(), sqlx::Error> {
    query(db, "SELECT 1").await?;
    let since = strings(victims, "SELECT what FROM done").await.remove(0);
    let later = if POSTGRES {
        format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
             AND backend_start > '{since}' AND pid <> pg_backend_pid()"
        )
    } else {
        format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() \
             AND ID > {since} AND ID <> CONNECTION_ID()"
        )
    };
    until("the next change's connection is open", async || {
        !strings(victims, &later).await.is_empty()
    })
    .await;
    let ids = strings(victims, &later).await;
    for id in &ids {
        let end = if POSTGRES {
            format!("SELECT pg_terminate_backend({id})")
        } else {
            format!("KILL CONNECTION {id}")
        };
        execute(victims, &end).await;
    }
    until("the sessions are gone", async || {
        // Other connections can be opened meanwhile.
        let left = strings(victims, &later).await;
        !left.iter().any(|id| ids.contains(id))
    })
    .await;
    Ok(())
}

#[change(id = "function", order = "0003", register = false)]
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
    AtThisTarget,
}

async fn assert_goes_on(third: Third) {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let killer = with_table(&databases[1], 2).await;
    // If `this` is the target, the audit is in another database.
    let (audited, noted) = match third {
        Third::AtThisTarget => (&killer, &pool),
        Third::Function | Third::File => (&pool, &pool),
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
    };
    let report = runner.run().await.unwrap();
    assert!(report.is_success(), "{third:?}: {report}");
    let done = done(noted).await;
    assert_eq!(done.len(), if third == Third::Function { 2 } else { 3 });
    assert!(done.contains(&"third".to_owned()), "{third:?}: {done:?}");
    // The report mentions no failure, because there was none.
    let entries = audit(audited).await;
    assert!(
        entries.iter().all(|entry| !entry.contains("FAILED")),
        "{third:?}: {entries:?}"
    );
}

#[change(id = "notes", order = "0001", target = "this", register = false)]
async fn notes_there(db: &mut Connection) -> Result<(), sqlx::Error> {
    let now = query(db, NOW).await?;
    let text = format!("INSERT INTO done VALUES ('{}')", now[0]);
    query(db, &text).await.map(drop)
}

#[tokio::test]
async fn function_recovers_on_another_connection() {
    assert_goes_on(Third::Function).await;
}

#[tokio::test]
async fn file_recovers_on_another_connection() {
    assert_goes_on(Third::File).await;
}

#[tokio::test]
async fn file_at_another_target_recovers_on_another_connection() {
    assert_goes_on(Third::AtThisTarget).await;
}
