//! The format of the tables: an older and a newer one are refused by name, and an older one is upgraded.

use flamingock::audit::{Entry, HistoryFilter, State};
use flamingock::{Error, ErrorKind, Resolution, Runner, UndoTarget, change, changes, rollback};
use flamingock_tests::{Backend as _, execute, query, strings, with_table};

use super::{Backend, Connection, Db};

#[change(id = "counted", order = "001", register = false)]
async fn counted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('counted')")
        .await
        .map(drop)
}

#[rollback(counted)]
async fn uncounted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'counted'")
        .await
        .map(drop)
}

#[change(id = "also-counted", order = "002", register = false)]
async fn also_counted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('also counted')")
        .await
        .map(drop)
}

fn runner(pool: &sqlx::Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![counted])
}

fn later(pool: &sqlx::Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![counted, also_counted])
}

/// Makes of the tables what the first version made.
async fn downgrade(pool: &sqlx::Pool<Db>) {
    for statement in [
        "ALTER TABLE flamingock_audit RENAME COLUMN fencing_token TO fence",
        "ALTER TABLE flamingock_audit DROP COLUMN operator",
        "ALTER TABLE flamingock_audit DROP COLUMN idempotency_key",
        "ALTER TABLE flamingock_lock RENAME COLUMN fencing_token TO token",
        "ALTER TABLE flamingock_lock DROP COLUMN format_version",
        "DROP TABLE flamingock_progress",
    ] {
        execute(pool, statement).await;
    }
}

/// Every way to the tables, each of which must be refused.
async fn every_way(pool: &sqlx::Pool<Db>) -> Vec<(&'static str, Result<(), Error>)> {
    let all = HistoryFilter::default();
    let runner = later(pool);
    vec![
        ("run", runner.run().await.map(drop)),
        ("plan", runner.plan().await.map(drop)),
        ("undo", runner.undo(UndoTarget::Last).await.map(drop)),
        (
            "plan_undo",
            runner.plan_undo(UndoTarget::Last).await.map(drop),
        ),
        ("verify", runner.verify().await.map(drop)),
        ("history", runner.history(&all).await.map(drop)),
        ("issues", runner.issues().await.map(drop)),
        (
            "resolve",
            runner
                .resolve("counted", Resolution::Applied, "seen")
                .await
                .map(drop),
        ),
        ("lock_status", runner.lock_status().await.map(drop)),
        ("release_lock", runner.release_lock("gone").await.map(drop)),
        ("services", runner.services().await.map(drop)),
        (
            "baseline",
            runner.baseline("counted", "seen").await.map(drop),
        ),
        (
            "adopt_from_service",
            runner.adopt_from_service("other").await.map(drop),
        ),
    ]
}

async fn all_are_refused(pool: &sqlx::Pool<Db>, expected: &[&str]) {
    for (way, result) in every_way(pool).await {
        let Err(error) = result else {
            panic!("{way} was not refused");
        };
        assert_eq!(error.kind(), ErrorKind::Store, "{way}: {error:#}");
        let text = format!("{error:#}");
        for part in expected {
            assert!(text.contains(part), "{way}: {part:?} is not in: {text}");
        }
    }
}

/// What an entry says, but for the key, which entries of an older version do not have.
fn told(entry: &Entry) -> String {
    let mut entry = serde_json::to_value(entry).unwrap();
    entry["idempotency_key"] = serde_json::Value::Null;
    entry.to_string()
}

async fn history(pool: &sqlx::Pool<Db>) -> Vec<String> {
    let entries = runner(pool).history(&HistoryFilter::default()).await;
    entries.unwrap().iter().map(told).collect()
}

#[tokio::test]
async fn older_format_is_refused_and_upgraded_without_loss() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    runner(&pool).run().await.unwrap();
    let before = history(&pool).await;
    downgrade(&pool).await;

    let other = database.pool(2).await;
    let expected = [
        "an older format",
        "flamingock_audit.fencing_token",
        "flamingock_lock.format_version",
        "flamingock_progress.shard",
        "schema --upgrade",
    ];
    all_are_refused(&other, &expected).await;
    assert_eq!(strings(&other, "SELECT what FROM done").await, ["counted"]);

    let upgrade = runner(&other).schema_upgrade().await.unwrap();
    let first = upgrade.lines().next().unwrap_or_default();
    assert!(
        first.contains("RENAME COLUMN fence TO fencing_token"),
        "{upgrade}"
    );
    for statement in upgrade.split(";\n").filter(|text| !text.trim().is_empty()) {
        execute(&other, statement).await;
    }
    assert_eq!(runner(&other).schema_upgrade().await.unwrap(), "");
    assert_eq!(history(&other).await, before);
    let report = later(&other).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1, "{report}");
    let progress = strings(&other, "SELECT state FROM flamingock_progress").await;
    assert_eq!(progress, Vec::<String>::new());
}

#[tokio::test]
async fn part_of_an_upgrade_is_refused_until_the_rest_is_done() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    runner(&pool).run().await.unwrap();
    downgrade(&pool).await;
    let upgrade = runner(&pool).schema_upgrade().await.unwrap();
    let statements: Vec<&str> = upgrade
        .split(";\n")
        .filter(|text| !text.is_empty())
        .collect();
    let (last, first) = statements.split_last().unwrap();
    for statement in first {
        execute(&pool, statement).await;
    }
    let expected = [
        "an older format",
        "they lack flamingock_lock.format_version",
    ];
    all_are_refused(&pool, &expected).await;
    assert_eq!(
        runner(&pool).schema_upgrade().await.unwrap(),
        format!("{last};\n")
    );
    execute(&pool, last).await;
    assert!(runner(&pool).run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn newer_format_is_refused_and_left_alone() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    runner(&pool).run().await.unwrap();
    let before = history(&pool).await;
    // Another service may have been the first one of the newer version.
    let upgraded = "INSERT INTO flamingock_lock (service, lane, fencing_token, run_id, owner, acquired_at, \
                    format_version) SELECT 'newer', lane, 0, '', '', acquired_at, 2 FROM flamingock_lock";
    execute(&pool, upgraded).await;
    let expected = ["have the format 2", "knows 1", "Run a version"];
    all_are_refused(&pool, &expected).await;
    assert_eq!(runner(&pool).schema_upgrade().await.unwrap(), "");
    execute(&pool, "DELETE FROM flamingock_lock WHERE service = 'newer'").await;
    assert_eq!(history(&pool).await, before);
    assert_eq!(strings(&pool, "SELECT what FROM done").await, ["counted"]);
}

#[tokio::test]
async fn database_without_tables_has_nothing_to_upgrade() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    assert_eq!(runner(&pool).schema_upgrade().await.unwrap(), "");
}

#[tokio::test]
async fn entries_name_the_operator() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let named = "Zoë O'Hara \\ \"ops\"";
    runner(&pool).run().await.unwrap();
    runner(&pool)
        .operator(named)
        .undo(UndoTarget::Last)
        .await
        .unwrap();
    later(&pool)
        .operator("ada")
        .baseline("also-counted", "by hand")
        .await
        .unwrap();
    let entries = runner(&pool)
        .history(&HistoryFilter::default())
        .await
        .unwrap();
    let operators = |change: &str, state: State| {
        let of = entries
            .iter()
            .filter(|entry| entry.change_id.as_deref() == Some(change) && entry.state == state);
        of.map(|entry| entry.operator.clone()).collect::<Vec<_>>()
    };
    assert_eq!(operators("counted", State::Applied), [None]);
    assert_eq!(
        operators("counted", State::RolledBack),
        [Some(named.to_owned())]
    );
    assert_eq!(
        operators("also-counted", State::MarkedApplied),
        [Some("ada".to_owned())]
    );
    let value = serde_json::to_value(&entries[0]).unwrap();
    assert_eq!(value["operator"], serde_json::Value::Null);
    assert_eq!(value["idempotency_key"].as_str().map(str::len), Some(32));
    let keys: std::collections::BTreeSet<_> = entries
        .iter()
        .map(|entry| entry.idempotency_key.clone())
        .collect();
    assert_eq!(keys.len(), entries.len(), "each entry has a key of its own");
}

#[tokio::test]
async fn operator_without_a_name_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    for name in ["", " ", "a\u{1b}[2K", "a\0b"] {
        let error = runner(&pool).operator(name).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:#}");
        assert!(format!("{error:#}").contains("operator"), "{error:#}");
    }
}
