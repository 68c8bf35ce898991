//! SQLite has no wire to observe: the driver reports each statement, and the database each commit.
//! The driver reports those of the whole process, so this test has its own process.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flamingock::{Runner, change, changes};
use flamingock_tests::{
    Backend as _, Gate, Sqlite, execute, many, query, strings, until, with_table,
};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqliteConnection, SqlitePool};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The statements of the whole process, as the driver reports them.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Text<'a>(&'a Statements);

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "summary" | "db.statement") {
            let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The driver reports a summary first; the whole text replaces a shortened one.
            match field.name() {
                "db.statement" if !value.is_empty() => {
                    all.pop();
                    all.push(value.to_owned());
                }
                "summary" => all.push(value.to_owned()),
                _ => {}
            }
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Text(self));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[change(id = "base", order = "000", register = false)]
async fn base(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('base')")
        .await
        .map(drop)
}

#[change(id = "slow", order = "99999", register = false)]
async fn slow(gate: &Gate) {
    gate.pass().await;
}

/// A pool of one connection that counts its commits.
async fn counting(url: &str, commits: &Arc<AtomicUsize>) -> SqlitePool {
    let commits = Arc::clone(commits);
    let options = SqlitePoolOptions::new().max_connections(1);
    let options = options.after_connect(move |connection, _| {
        let commits = Arc::clone(&commits);
        Box::pin(async move {
            connection.lock_handle().await?.set_commit_hook(move || {
                commits.fetch_add(1, Ordering::Relaxed);
                true
            });
            Ok(())
        })
    });
    options.connect(url).await.unwrap()
}

const GROW: &str = "INSERT INTO flamingock_audit (service, run_id, attempt, stage, change_id, \
    change_order, author, description, target, state, transaction_mode, recovery, origin, digest, fencing_token, idempotency_key, \
    started_at, host, pid, location) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
    WHERE i < 9) SELECT service, run_id, attempt, stage, change_id, change_order, author, description, \
    target, state, transaction_mode, recovery, origin, digest, fencing_token, idempotency_key, started_at, host, pid, location \
    FROM flamingock_audit CROSS JOIN n";

#[tokio::test]
async fn run_costs_one_statement_and_a_change_ten_with_one_commit() {
    let statements = Statements::default();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    for count in [10, 10_000] {
        let database = Sqlite::fresh().await;
        let direct = with_table(&database, 2).await;
        let changes = many(changes![base][0], count);
        let all_but_one = &changes[..count - 1];
        let runner = |pool: &SqlitePool, changes: &[_]| Runner::new(pool).changes(changes.to_vec());
        let known = runner(&direct, all_but_one);
        known
            .baseline(changes[count - 2].id, "for the test")
            .await
            .unwrap();
        runner(&direct, &changes).run().await.unwrap();
        for _ in 0..2 {
            let commits = Arc::default();
            let pool = counting(&database.url, &commits).await;
            for changes in [&changes[..], all_but_one] {
                statements.take();
                assert!(runner(&pool, changes).run().await.unwrap().is_up_to_date());
                let sent = statements.take();
                assert_eq!(sent.len(), 1, "{sent:#?}");
                assert_eq!(commits.load(Ordering::Relaxed), 0);
                let plan = strings(&direct, &format!("EXPLAIN QUERY PLAN {}", sent[0])).await;
                let plan = plan.join("\n");
                assert!(
                    plan.contains("USING COVERING INDEX flamingock_audit_index"),
                    "{plan}"
                );
                assert!(!plan.contains("SCAN a"), "{plan}");
            }
            execute(&direct, GROW).await;
        }
    }
    let mut costs = Vec::new();
    for count in [1, 2] {
        let database = Sqlite::fresh().await;
        let _direct = with_table(&database, 1).await;
        let commits = Arc::default();
        let pool = counting(&database.url, &commits).await;
        statements.take();
        let changes = many(changes![base][0], count);
        Runner::new(&pool).changes(changes).run().await.unwrap();
        let texts = statements.take();
        let count = texts.join(";\n").split(";\n").count();
        costs.push([texts.len(), count, commits.load(Ordering::Relaxed)]);
    }
    // The change's own statement, the proof that the transaction is intact, and the entry with the
    // lease. Before them, on a connection that is opened for the change: the pool's pragmas,
    // whether it can roll back, and, because foreign keys are enforced, the tables.
    let one_more: [usize; 3] = std::array::from_fn(|index| costs[1][index] - costs[0][index]);
    assert_eq!(one_more, [9, 10, 1], "{costs:?}");

    // The poll of a waiter during another run.
    let database = Sqlite::fresh().await;
    let direct = with_table(&database, 2).await;
    let gate = Gate::default();
    let run = || Runner::new(&direct).changes(changes![base, slow]);
    let first = tokio::spawn(run().provide(gate.clone()).run());
    gate.reached().await;
    let waiter = tokio::spawn(run().provide(gate.clone()).run());
    let mut poll = None;
    until("a waiter that polls", || {
        let sent = statements.take();
        let found = sent.into_iter().find(|text| text.contains("a.seq > "));
        poll = found.or(poll.take());
        std::future::ready(poll.is_some())
    })
    .await;
    let plan = format!("EXPLAIN QUERY PLAN {}", poll.unwrap());
    let plan = strings(&direct, &plan).await.join("\n");
    let by_place = "SEARCH a USING INTEGER PRIMARY KEY (rowid>?)";
    assert!(plan.contains(by_place), "{plan}");
    gate.open();
    first.await.unwrap().unwrap();
    assert!(waiter.await.unwrap().unwrap().is_up_to_date());
}
