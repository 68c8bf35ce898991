//! A file in a transaction is sent in one message with everything around it: what remains when the
//! message does not complete. On database servers; alone, and on a connection that it shares with
//! the files before it.

use std::time::Duration;

use flamingock::report::Note;
use flamingock::{
    ChangeReport, EmbeddedFolder, Error, ErrorKind, Outcome, Report, Runner, TargetSystem,
};
use flamingock_tests::{
    Backend as _, Proxy, TestDatabase, behind_fillers, count, done, execute, folder, query,
    strings, until, until_every, with_table,
};

use sqlx::Pool;
use sqlx::pool::PoolConnection;

use super::{Backend, Db, IS_SHARED};

const POSTGRES: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"PostgreSQL"
);

/// As many files as it takes until consecutive ones share a connection.
const FILES_BEFORE: usize = 5;

const LONG: Duration = Duration::from_secs(60);

/// A folder with this file as the last one, and files before it that leave no trace in `done`.
fn script(text: &str) -> &'static EmbeddedFolder {
    let before = if IS_SHARED { FILES_BEFORE } else { 0 };
    behind_fillers(before, &[("0100__script.sql", text)])
}

/// The audit without the files before.
async fn audit(pool: &Pool<Db>) -> Vec<String> {
    let mut lines = flamingock_tests::audit(pool).await;
    lines.retain(|line| !line.starts_with("filler"));
    lines
}

/// Whether a message without any answer is sent again, once its session has ended: its connection
/// was opened some time ago, so it may have been dead.
fn is_retried(target: &str) -> bool {
    IS_SHARED && target == "default"
}

/// The change of the file.
fn change_of(report: &Report) -> &ChangeReport {
    report.changes().last().unwrap()
}

/// A statement that keeps the server busy for this many seconds.
fn sleep(seconds: u32) -> String {
    if POSTGRES {
        format!("SELECT pg_sleep({seconds})")
    } else {
        format!("SELECT SLEEP({seconds})")
    }
}

/// Waits until this query counts at least one row.
async fn until_counted(pool: &Pool<Db>, counts: &str) {
    // MariaDB refreshes its InnoDB tables only after a tenth of a second without a query.
    let pause = Duration::from_millis(150);
    let counted = async || count(pool, counts).await > 0;
    until_every(pause, &format!("this is not zero: {counts}"), counted).await;
}

/// A commit in its own message on MariaDB's wire.
const COMMIT_ALONE: &str = "\u{3}COMMIT";

/// A file for one of two databases, reached through a proxy. The audit is in "default".
struct OnItsWay {
    _databases: [TestDatabase<Backend>; 2],
    proxy: Proxy,
    /// Through the proxy, like the file.
    through: Pool<Db>,
    /// Without the proxy.
    audited: Pool<Db>,
    other: Pool<Db>,
    to_the_audit: bool,
    text: String,
}

impl OnItsWay {
    async fn to(target: &str) -> OnItsWay {
        let databases = [Backend::fresh().await, Backend::fresh().await];
        let [audited, other] = &databases;
        let to_the_audit = target == "default";
        let url = &if to_the_audit { audited } else { other }.url;
        let proxy = Proxy::in_front_of(url).unwrap();
        let through: Pool<Db> = proxy.pool(url, 2).await;
        OnItsWay {
            proxy,
            through,
            audited: with_table(audited, 1).await,
            other: with_table(other, 1).await,
            to_the_audit,
            text: format!("-- flamingock: target={target}\nINSERT INTO done VALUES ('unique one')"),
            _databases: databases,
        }
    }

    async fn run(&self) -> Result<Report, Error> {
        let (audited, other) = match self.to_the_audit {
            true => (&self.through, &self.other),
            false => (&self.audited, &self.through),
        };
        let runner = Runner::new(audited).target(TargetSystem::sqlx("other", other));
        let run = runner.files(script(&self.text)).run();
        tokio::time::timeout(LONG, run).await.unwrap()
    }

    /// The effect of the file.
    async fn done(&self) -> Vec<String> {
        done(match self.to_the_audit {
            true => &self.audited,
            false => &self.other,
        })
        .await
    }

    async fn latest_entry(&self) -> String {
        audit(&self.audited).await.pop().unwrap()
    }
}

#[tokio::test]
async fn message_that_never_arrived_is_applied_by_the_next_run() {
    for target in ["default", "other"] {
        let file = OnItsWay::to(target).await;
        file.proxy.cut_before("unique one", 1);
        if is_retried(target) {
            file.run().await.unwrap();
            assert_eq!(file.done().await, ["unique one"]);
            let entry = file.latest_entry().await;
            assert!(entry.starts_with("script 1 APPLIED"), "{entry}");
            continue;
        }
        let error = file.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert_eq!(file.done().await, Vec::<String>::new());
        file.run().await.unwrap();
        assert_eq!(file.done().await, ["unique one"]);
        let entry = file.latest_entry().await;
        assert!(entry.starts_with("script 2 APPLIED"), "{entry}");
    }
}

#[tokio::test]
async fn commit_whose_answer_is_lost_is_detected() {
    for target in ["default", "other"] {
        let file = OnItsWay::to(target).await;
        // The message contains the insert and, where everything is sent in one message, the commit.
        let whole = POSTGRES || target == "default";
        let last = if whole { "unique one" } else { COMMIT_ALONE };
        file.proxy.cut_after(last, 1);
        let report = file.run().await.unwrap();
        assert_eq!(change_of(&report).outcome, Outcome::NewlyApplied);
        assert_eq!(file.done().await, ["unique one"]);
        let entry = file.latest_entry().await;
        assert!(entry.starts_with("script 1 APPLIED"), "{entry}");
    }
}

/// The server continues with a message whose client is gone, and would reach the commit.
#[tokio::test]
async fn server_that_still_executes_is_stopped_before_anything_is_recorded() {
    let database = Backend::fresh().await;
    let direct = with_table(&database, 2).await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool: Pool<Db> = proxy.pool(&database.url, 2).await;
    // PostgreSQL sends no answer before the end of the message.
    let is_retried = POSTGRES && is_retried("default");
    let busy = if is_retried { 5 } else { 20 };
    let text = format!("INSERT INTO done VALUES ('one');\n{};\n", sleep(busy));
    let runner = Runner::new(&pool).files(script(&text));
    let cut = async {
        let sleeping = if POSTGRES {
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        } else {
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep' AND DB = DATABASE()"
        };
        until_counted(&direct, sleeping).await;
        proxy.reset();
    };
    let (ended, ()) = tokio::join!(tokio::time::timeout(LONG, runner.run()), cut);
    let (expected, effects) = if is_retried {
        ended.unwrap().unwrap();
        (vec!["script 1 APPLIED shared"], vec!["one"])
    } else {
        let error = ended.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        let failed = vec!["script 1 FAILED shared", "script 1 ROLLED_BACK shared"];
        (failed, vec![])
    };
    assert_eq!(audit(&direct).await, expected);
    assert_eq!(done(&direct).await, effects);
    // The locks of the transaction are free, so no session is still executing it.
    execute(&direct, "DROP TABLE done").await;
    assert_eq!(audit(&direct).await, expected);
}

/// A table with one row, and a session whose transaction has updated it.
async fn locked_gate(pool: &Pool<Db>) -> PoolConnection<Db> {
    let gate = "CREATE TABLE gate (n INT); INSERT INTO gate VALUES (1)";
    execute(pool, gate).await;
    let mut session = pool.acquire().await.unwrap();
    let update = "BEGIN; UPDATE gate SET n = 2";
    query(&mut *session, update).await.unwrap();
    session
}

#[tokio::test]
async fn takeover_rolls_back_the_file() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    // The file itself waits for the takeover, which comes from another session.
    let mut thief = locked_gate(&other).await;
    let text = "INSERT INTO done VALUES ('robbed');\nUPDATE gate SET n = 3;\n";
    let run = tokio::spawn(Runner::new(&pool).files(script(text)).run());
    let watch = database.pool(1).await;
    let waits = if POSTGRES {
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    } else {
        "SELECT count(*) FROM information_schema.INNODB_TRX \
         WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%UPDATE gate SET n = 3%'"
    };
    until_counted(&watch, waits).await;
    let steal = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'; COMMIT";
    query(&mut *thief, steal).await.unwrap();
    let error = tokio::time::timeout(LONG, run)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(done(&watch).await, Vec::<String>::new());
    assert_eq!(audit(&watch).await, Vec::<String>::new());
    assert_eq!(strings(&watch, "SELECT n FROM gate").await, ["2"]);
}

#[tokio::test]
async fn lock_timeout_is_retried() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    let mut owner = locked_gate(&other).await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    drop(pool);
    let pool: Pool<Db> = proxy.pool(&database.url, 1).await;
    let text = "-- flamingock: lock_timeout=1s\nINSERT INTO done VALUES ('unique one');\nUPDATE gate SET n = n + 1;\n";
    let run = tokio::spawn(Runner::new(&pool).files(script(text)).run());
    // The second try has been sent.
    until("the file is retried", async || {
        proxy.count("unique one") > 1
    })
    .await;
    query(&mut *owner, "COMMIT").await.unwrap();
    drop(owner);
    let report = tokio::time::timeout(LONG, run)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let change = change_of(&report);
    assert_eq!(change.outcome, Outcome::NewlyApplied);
    assert!(
        matches!(change.notes[..], [Note::Retried { .. }]),
        "{:?}",
        change.notes
    );
    assert_eq!(done(&other).await, ["unique one"]);
    assert_eq!(strings(&other, "SELECT n FROM gate").await, ["3"]);
    assert_eq!(audit(&other).await, ["script 1 APPLIED shared"]);
}

#[tokio::test]
async fn statement_of_a_file_is_limited_by_its_timeout() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let quick = format!(
        "{};\n",
        if POSTGRES {
            "SELECT pg_sleep(0.2)"
        } else {
            "SELECT SLEEP(0.2)"
        }
    );
    // The timeout limits each statement, not all of them together.
    let text = format!(
        "-- flamingock: statement_timeout=500ms\n{}INSERT INTO done VALUES ('one');",
        quick.repeat(4)
    );
    Runner::new(&pool).files(script(&text)).run().await.unwrap();
    let slow = if POSTGRES {
        "SELECT pg_sleep(30)"
    } else {
        "INSERT INTO done SELECT SLEEP(30)"
    };
    let slow = format!(
        "-- flamingock: statement_timeout=500ms\nINSERT INTO done VALUES ('two');\n{slow};"
    );
    let files = folder(&[("0001__script.sql", &text), ("0002__slow.sql", &slow)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert!(
        format!("{error:#}").contains("changes/0002__slow.sql:3: `"),
        "{error}"
    );
    assert_eq!(done(&pool).await, ["one"]);
    let rows = audit(&pool).await;
    assert_eq!(
        rows[1..],
        ["slow 1 FAILED shared", "slow 1 ROLLED_BACK shared"]
    );
}

#[tokio::test]
async fn stopped_run_rolls_back_the_running_file() {
    let database = Backend::fresh().await;
    let (pool, watch) = (with_table(&database, 1).await, database.pool(1).await);
    let text = format!("INSERT INTO done VALUES ('one');\n{};\n", sleep(30));
    let (stop, asked) = tokio::sync::oneshot::channel::<()>();
    let runner = Runner::new(&pool).files(script(&text));
    let run = tokio::spawn(runner.run().cancel_on(async { drop(asked.await) }));
    let sleeping = if POSTGRES {
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    } else {
        "SELECT count(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep' AND DB = DATABASE()"
    };
    until_counted(&watch, sleeping).await;
    stop.send(()).unwrap();
    let error = tokio::time::timeout(LONG, run)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(done(&watch).await, Vec::<String>::new());
    assert_eq!(count(&watch, sleeping).await, 0);
    Runner::new(&pool)
        .files(script("INSERT INTO done VALUES ('one')"))
        .run()
        .await
        .unwrap();
    assert_eq!(done(&watch).await, ["one"]);
}

#[tokio::test]
async fn routine_that_commits_is_detected() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let create = if POSTGRES {
        "CREATE PROCEDURE sneaky() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$"
    } else {
        "CREATE PROCEDURE sneaky() COMMIT"
    };
    execute(&pool, create).await;
    let text =
        "INSERT INTO done VALUES ('one');\nCALL sneaky();\nINSERT INTO nowhere VALUES ('two');";
    let error = Runner::new(&pool)
        .files(script(text))
        .run()
        .await
        .unwrap_err();
    let change = change_of(error.report().unwrap()).clone();
    if POSTGRES {
        // A procedure must not do so in a transaction that was begun outside it.
        assert_eq!(change.outcome, Outcome::RolledBack, "{error}");
        assert_eq!(done(&pool).await, Vec::<String>::new());
    } else {
        assert_eq!(change.outcome, Outcome::Failed, "{error}");
        assert_eq!(change.notes, [Note::CommittedMidway]);
        assert_eq!(done(&pool).await, ["one"]);
        assert_eq!(audit(&pool).await, ["script 1 FAILED none"]);
        // It returns more results than it has statements, so no line is reported.
        assert!(
            format!("{error:#}").contains("changes/0100__script.sql: it failed"),
            "{error}"
        );
    }
}
