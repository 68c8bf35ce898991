//! How operators list all services and release a lock.

use flamingock::audit::{Entry, HistoryFilter, Origin, State};
use flamingock::report::{Note, ServiceStatus};
use flamingock::{
    BoxError, ErrorKind, Outcome, Resolution, Runner, UndoTarget, change, changes, rollback,
};
use flamingock_tests::{Backend as _, Gate, execute, query, with_table};

use super::{Backend, Connection, Db};

type Pool = sqlx::Pool<Db>;

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

#[change(id = "counted", order = "002", register = false)]
async fn counted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('counted')")
        .await
        .map(drop)
}

#[rollback(counted)]
async fn not_counted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'counted'")
        .await
        .map(drop)
}

#[change(id = "breaks", order = "003", register = false)]
async fn breaks(_: &Gate) -> Result<(), BoxError> {
    Err("half-way".into())
}

fn everything() -> HistoryFilter {
    HistoryFilter::default()
}

fn is_release(entry: &&Entry) -> bool {
    entry.state == State::LockReleased
}

/// An owner that waits at the gate and has the lock.
async fn an_owner(pool: &Pool, service: &str, gate: &Gate) -> tokio::task::JoinHandle<bool> {
    let runner = Runner::new(pool)
        .service(service)
        .changes(changes![gated, counted])
        .provide(gate.clone());
    let running = runner.run();
    let owner = tokio::spawn(async {
        matches!(running.await, Err(error) if error.kind() == ErrorKind::LeaseLost)
    });
    gate.reached().await;
    owner
}

#[tokio::test]
async fn forced_release_is_recorded_without_a_change() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 2).await, database.pool(1).await);
    let gate = Gate::default();
    let operator = || {
        Runner::new(&other)
            .changes(changes![gated, counted])
            .provide(gate.clone())
            .metadata("ticket", "42")
    };
    assert_eq!(operator().release_lock("nobody").await.unwrap(), None);
    let owner = an_owner(&pool, "default", &gate).await;
    let held = operator().lock_status().await.unwrap().unwrap();
    let no_reason = operator().release_lock(" ").await.unwrap_err();
    assert!(no_reason.to_string().contains("needs a reason"));
    let plan = operator().plan().await.unwrap();
    let running = plan.changes().next().unwrap();
    assert_eq!(running.outcome, Outcome::NotReached);
    assert_eq!(running.notes, [Note::Running]);

    let taken_from = operator().release_lock("its machine burns").await.unwrap();
    let taken_from = taken_from.unwrap();
    assert_eq!(
        (taken_from.fencing_token, &taken_from.owner),
        (held.fencing_token, &held.owner)
    );
    let history = operator().history(&everything()).await.unwrap();
    let releases: Vec<&Entry> = history.iter().filter(is_release).collect();
    let [release] = releases.as_slice() else {
        panic!("{history:?}")
    };
    let entry = *release;
    assert!(!release.is_of_a_change());
    assert_eq!(entry.origin, Origin::Operator);
    assert_eq!(entry.reason.as_deref(), Some("its machine burns"));
    // With the grant that it acquired.
    assert_eq!(release.fencing_token, held.fencing_token + 1);
    let description = entry.description.as_deref().unwrap();
    assert!(description.contains(&held.owner), "{entry:?}");
    let json = serde_json::to_value(release).unwrap();
    assert_eq!(json["state"], "MANUAL_LOCK_RELEASED");
    assert_eq!(
        json["metadata"]["taken_from"]["run_id"],
        serde_json::json!(held.run_id)
    );
    for unknown in ["change_id", "stage", "author", "digest", "recovery"] {
        assert!(json[unknown].is_null(), "{json}");
    }
    assert_eq!(json["metadata"]["ticket"], "42");
    let lock = operator().lock_status().await.unwrap().unwrap();
    assert!(!lock.held, "{lock:?}");
    gate.open();
    assert!(owner.await.unwrap(), "the owner has lost its lease");

    // It is not mistaken for a change.
    let plan = operator().plan().await.unwrap();
    assert_eq!((plan.counts().total, plan.missing.len()), (2, 0));
    let issues = operator().issues().await.unwrap();
    let ids: Vec<&str> = issues.iter().map(|one| one.change_id.as_str()).collect();
    assert_eq!(ids, ["gated"]);
    let nameless = operator().resolve("", Resolution::Applied, "x").await;
    assert!(
        nameless
            .unwrap_err()
            .to_string()
            .contains("knows no change")
    );
    let resolved = operator()
        .resolve("gated", Resolution::Applied, "it is there")
        .await;
    resolved.unwrap();
    assert_eq!(operator().run().await.unwrap().counts().newly_applied, 1);
    let before = operator().lock_status().await.unwrap().unwrap();
    let report = operator().run().await.unwrap();
    assert!(
        report.is_up_to_date() && report.missing.is_empty(),
        "{report}"
    );
    let after = operator().lock_status().await.unwrap().unwrap();
    assert_eq!(before.fencing_token, after.fencing_token);
    let latest = HistoryFilter::default().latest_only();
    let latest = operator().history(&latest).await.unwrap();
    assert_eq!(latest.len(), 3);
    assert_eq!(latest.iter().filter(is_release).count(), 1);
}

/// Refuses every entry, like a full disk or a missing right.
fn close_the_audit() -> &'static str {
    match Backend::NAME {
        "SQLite" => {
            "CREATE TRIGGER closed BEFORE INSERT ON flamingock_audit
             BEGIN SELECT RAISE(ABORT, 'the audit is closed'); END"
        }
        "PostgreSQL" => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'the audit is closed'; END $$;
             CREATE TRIGGER closed BEFORE INSERT ON flamingock_audit
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        }
        _ => {
            "CREATE TRIGGER closed BEFORE INSERT ON flamingock_audit
             FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the audit is closed'"
        }
    }
}

#[tokio::test]
async fn forced_release_that_cannot_be_recorded_is_an_error_and_restores_the_lock() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 2).await, database.pool(1).await);
    let gate = Gate::default();
    let owner = an_owner(&pool, "default", &gate).await;
    execute(&other, close_the_audit()).await;
    let operator = || Runner::new(&other).changes(changes![gated]);

    let error = operator().release_lock("gone").await.unwrap_err();
    let said = format!("{error:?}");
    assert_eq!(error.kind(), ErrorKind::Store, "{said}");
    assert!(
        said.contains("released, but that could not be recorded"),
        "{said}"
    );
    assert!(said.contains("the audit is closed"), "{said}");
    let lock = operator().lock_status().await.unwrap().unwrap();
    assert_eq!((lock.held, lock.fencing_token), (false, 2));
    let history = operator().history(&everything()).await.unwrap();
    assert_eq!(history.iter().filter(is_release).count(), 0);
    gate.open();
    // It cannot record its end either.
    owner.await.unwrap();
}

#[tokio::test]
async fn every_service_of_the_database_is_listed() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 2).await, database.pool(1).await);
    let looking = || Runner::new(&other).changes([]);
    assert!(looking().services().await.unwrap().is_empty());

    let (open, gate) = (Gate::default(), Gate::default());
    open.open();
    let orders = || {
        Runner::new(&pool)
            .service("orders")
            .changes(changes![gated, counted, breaks])
            .provide(open.clone())
    };
    orders().run().await.unwrap_err();
    let undo = UndoTarget::Change("counted".to_owned());
    orders().undo(undo).await.unwrap();
    let owner = an_owner(&pool, "billing", &gate).await;

    let services = looking().services().await.unwrap();
    let numbers = |one: &ServiceStatus| {
        let service = one.service.clone();
        let counts = [one.applied, one.rolled_back, one.running, one.issues];
        (service, counts, one.failed)
    };
    let found: Vec<_> = services.iter().map(numbers).collect();
    assert_eq!(
        found,
        [
            ("billing".to_owned(), [0, 0, 1, 0], 0),
            ("orders".to_owned(), [1, 1, 0, 1], 0)
        ]
    );
    let [billing, orders_now] = services.as_slice() else {
        panic!("{services:?}")
    };
    let held = |one: &ServiceStatus| one.lock.as_ref().is_some_and(|lock| lock.held);
    assert!(held(billing) && !held(orders_now), "{services:?}");
    let last = orders_now.last_run.as_ref().unwrap();
    assert_eq!(last.origin, Origin::Undo);
    let json = serde_json::to_value(billing).unwrap();
    assert_eq!(json["lock"]["held"], true, "{json}");

    gate.open();
    assert!(!owner.await.unwrap());
    let services = looking().services().await.unwrap();
    assert_eq!(
        numbers(&services[0]),
        ("billing".to_owned(), [2, 0, 0, 0], 0)
    );

    // A row that was deleted by hand.
    execute(
        &pool,
        "DELETE FROM flamingock_lock WHERE service = 'orders'",
    )
    .await;
    let services = looking().services().await.unwrap();
    assert_eq!(services.len(), 2);
    assert!(services[1].lock.is_none());
}
