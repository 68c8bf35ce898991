//! Runs wait until target systems are ready.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flamingock::{
    BoxError, ErrorKind, LockOptions, Outcome, Runner, Stage, TargetSystem, UndoTarget, change,
    changes, rollback, verify,
};
use flamingock_tests::{
    Backend as _, Gate, Recorder, audit, done, execute, query, strings, until, with_table,
};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const LONG: Duration = Duration::from_secs(30);

/// Longer than the first pause of a readiness check, so that it is called more than once.
const SHORT: Duration = Duration::from_millis(250);

/// Steals the lock, like a run that finds the lease expired.
const TAKE_OVER: &str = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'";

#[change(id = "table", order = "001", register = false)]
async fn table(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('table')")
        .await
        .map(drop)
}

#[change(id = "stream", order = "002", target = "events", register = false)]
async fn stream() {}

#[rollback(stream)]
async fn no_stream() {}

#[verify(stream)]
async fn is_stream() -> bool {
    true
}

#[change(id = "after", order = "003", register = false)]
async fn after() {}

/// A system that is down for the first few readiness checks.
#[derive(Clone, Debug, Default)]
struct System {
    down_for: usize,
    asked: Arc<AtomicUsize>,
}

impl System {
    fn down_for(down_for: usize) -> System {
        System {
            down_for,
            ..System::default()
        }
    }

    async fn ping(self) -> Result<(), BoxError> {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        if before < self.down_for {
            return Err("connection refused".into());
        }
        Ok(())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn target(&self, timeout: Duration) -> TargetSystem {
        let system = self.clone();
        TargetSystem::new("events").ready(move || system.clone().ping(), timeout)
    }
}

pub(super) fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![table, stream, after])
}

#[tokio::test]
async fn run_waits_for_a_system_that_starts_late() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let (system, recorder) = (System::down_for(2), Recorder::default());
    let report = runner(&pool)
        .target(system.target(LONG))
        .listener(recorder.listener())
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 3);
    assert_eq!(system.asked(), 3);
    let expected = [
        "run started",
        "lock obtained",
        "planned 3",
        "stage default started",
        "table 1 started",
        "table 1 newly applied",
        "target events waited: connection refused",
        "target events ready",
        "stream 1 started",
        "stream 1 newly applied",
        "after 1 started",
        "after 1 newly applied",
        "stage default ended",
        "lock released",
        "run ended: well",
    ];
    assert_eq!(recorder.lines(), expected);
}

#[tokio::test]
async fn readiness_is_checked_once_and_only_for_pending_changes() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let system = System::default();
    let runner = |changes: Vec<_>, tags: &str| {
        let runner = Runner::new(&pool).changes(changes).tags([tags]);
        runner.target(system.target(LONG)).run()
    };
    let some = || changes![table, after, first_consumer].to_vec();
    let report = runner(some(), "!events").await.unwrap();
    assert_eq!((report.counts().newly_applied, system.asked()), (2, 0));
    let all = || changes![table, after, first_consumer, stream].to_vec();
    for newly_applied in [2, 0] {
        let report = runner(all(), "events").await.unwrap();
        assert_eq!(report.counts().newly_applied, newly_applied);
        assert_eq!(system.asked(), 1);
    }
}

#[change(id = "first-consumer", order = "004", target = "events", tags = ["events"], register = false)]
async fn first_consumer() {}

#[change(
    id = "consumer",
    order = "001",
    stage = "consumers",
    target = "events",
    register = false
)]
async fn consumer() {}

#[change(id = "index", order = "001", stage = "search", register = false)]
async fn index() {}

#[change(id = "report", order = "001", stage = "reports", register = false)]
async fn dependent() {}

#[tokio::test]
async fn change_of_a_system_that_is_not_ready_in_time_is_not_started() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let (system, recorder) = (System::down_for(usize::MAX), Recorder::default());
    let runner = || {
        Runner::new(&pool)
            .changes(changes![table, stream, after, consumer, index, dependent])
            .stage(Stage::new("consumers"))
            .stage(Stage::new("search"))
            .stage(Stage::new("reports").after("consumers"))
    };
    let error = runner()
        .target(system.target(SHORT))
        .listener(recorder.listener())
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let report = error.report().unwrap();
    let outcomes: Vec<_> = report
        .changes()
        .map(|change| (change.id.as_str(), change.outcome))
        .collect();
    let expected = [
        ("table", Outcome::NewlyApplied),
        ("stream", Outcome::NotReached),
        ("after", Outcome::Blocked),
        ("consumer", Outcome::NotReached),
        ("index", Outcome::NewlyApplied),
        ("report", Outcome::Blocked),
    ];
    assert_eq!(outcomes, expected);
    let stream = report.changes().nth(1).unwrap();
    let causes = [
        "the target system \"events\" was not ready in 250ms, and nothing was started at it",
        "connection refused",
    ];
    assert_eq!(stream.error.as_ref().unwrap().causes(), causes);
    assert_eq!(stream.duration, None);
    let text = format!("{error:#}");
    assert!(
        text.starts_with("\"stream\", \"consumer\" failed\n"),
        "{text}"
    );
    assert!(text.contains(&causes.join(": ")), "{text}");
    // A change that was not started has no entry and is pending.
    let recorded = audit(&pool).await.join("\n");
    assert!(!recorded.contains("stream") && !recorded.contains("consumer"));
    let lines = recorder.lines();
    let of_stream: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("stream") || line.starts_with("target"))
        .collect();
    let ended = format!("stream 1 not reached: {}", causes[0]);
    assert_eq!(
        of_stream,
        ["target events waited: connection refused", ended.as_str()]
    );
    // The second change of the target did not wait again.
    let asked = system.asked();
    assert!((2..=5).contains(&asked), "{asked}");
    let report = runner().target(System::default().target(SHORT)).run().await;
    assert_eq!(report.unwrap().counts().newly_applied, 4);
}

#[tokio::test]
async fn readiness_check_can_panic_or_hang() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let panics = TargetSystem::new("events").ready(
        || async {
            if pool_is_there() {
                panic!("no address");
            }
            Ok::<(), BoxError>(())
        },
        SHORT,
    );
    let hangs = TargetSystem::new("events").ready(pending::<Result<(), BoxError>>, SHORT);
    for (target, said) in [
        (panics, "its readiness check panicked: no address"),
        (hangs, "its readiness check did not answer"),
    ] {
        let error = runner(&pool).target(target).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert!(format!("{error:#}").contains(said), "{error}");
    }
}

fn pool_is_there() -> bool {
    true
}

#[tokio::test]
async fn readiness_check_can_use_the_only_connection() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let its_own = pool.clone();
    let check = move || {
        let pool = its_own.clone();
        async move {
            let rows = strings(&pool, "SELECT what FROM done").await;
            // Earlier changes are committed.
            assert_eq!(rows, ["table"]);
            Ok::<(), BoxError>(())
        }
    };
    let runner = runner(&pool).target(TargetSystem::new("events").ready(check, LONG));
    let report = tokio::time::timeout(LONG, runner.run()).await;
    assert_eq!(report.unwrap().unwrap().counts().newly_applied, 3);
}

/// A system that is ready when its gate is open.
fn gated(gate: &Gate) -> TargetSystem {
    let gate = gate.clone();
    let check = move || {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok::<(), BoxError>(())
        }
    };
    TargetSystem::new("events").ready(check, LONG)
}

fn short_lease() -> LockOptions {
    LockOptions::default().lease(Duration::from_secs(2))
}

#[tokio::test]
async fn lock_is_kept_while_the_run_waits_for_a_system() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 2).await, database.pool(1).await);
    let gate = Gate::default();
    let run = runner(&pool).target(gated(&gate)).lock(short_lease());
    let run = tokio::spawn(run.run());
    gate.reached().await;
    let end = || strings(&other, "SELECT expires_at FROM flamingock_lease");
    let first = end().await;
    until("the lease is renewed", async || end().await != first).await;
    let lock = runner(&other)
        .target(gated(&gate))
        .lock_status()
        .await
        .unwrap();
    let activity = lock.unwrap().activity.unwrap();
    assert_eq!(activity, "waiting for the target system events");
    gate.open();
    assert_eq!(run.await.unwrap().unwrap().counts().newly_applied, 3);
}

#[tokio::test]
async fn stopped_run_does_not_wait_for_a_system() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let run = runner(&pool)
        .target(gated(&gate))
        .run()
        .cancel_on(async move { at_the_gate.reached().await });
    let error = tokio::time::timeout(LONG, run).await.unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    let report = error.report().unwrap();
    let counts = report.counts();
    assert_eq!((counts.newly_applied, counts.not_reached), (1, 2));
    assert_eq!(done(&pool).await, ["table"]);
    assert!(!audit(&pool).await.join("\n").contains("stream"));
}

#[tokio::test]
async fn run_that_lost_its_lock_does_not_wait_for_a_system() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    let check = move || {
        let other = other.clone();
        async move {
            execute(&other, TAKE_OVER).await;
            pending::<Result<(), BoxError>>().await
        }
    };
    let run = runner(&pool)
        .target(TargetSystem::new("events").ready(check, LONG * 10))
        .lock(short_lease());
    let error = tokio::time::timeout(LONG, run.run()).await.unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert!(!audit(&pool).await.join("\n").contains("stream"));
}

#[tokio::test]
async fn undo_and_verify_wait_for_a_system_too() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![stream]);
    let ready = System::default();
    runner().target(ready.target(LONG)).run().await.unwrap();
    let before = audit(&pool).await;

    let down = System::down_for(usize::MAX);
    let undo = runner().target(down.target(SHORT)).undo(UndoTarget::Last);
    let error = undo.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let report = error.report().unwrap();
    let stream = report.changes().next().unwrap();
    assert_eq!(stream.outcome, Outcome::NotReached, "{error}");
    assert!(format!("{error:#}").contains("was not ready in"), "{error}");
    assert_eq!(audit(&pool).await, before);

    let answers = runner().target(down.target(SHORT)).verify().await.unwrap();
    let said = answers[0].error.as_ref().unwrap().to_string();
    assert!(said.ends_with(": connection refused"), "{said}");

    let late = System::down_for(1);
    let answers = runner().target(late.target(LONG)).verify().await.unwrap();
    assert_eq!((answers[0].present, late.asked()), (Some(true), 2));
    let late = System::down_for(1);
    let undo = runner().target(late.target(LONG)).undo(UndoTarget::Last);
    assert_eq!(undo.await.unwrap().counts().undone, 1);
    assert_eq!(late.asked(), 2);
}

#[tokio::test]
async fn default_target_takes_the_place_of_the_audits_database() {
    let (of_audit, of_changes) = (Backend::fresh().await, Backend::fresh().await);
    let pool = of_audit.pool(2).await;
    let other = with_table(&of_changes, 2).await;
    let runner = || {
        let runner = Runner::new(&pool).changes(changes![table]);
        runner.default_target(&other)
    };
    runner().run().await.unwrap();
    assert_eq!(done(&other).await, ["table"]);
    assert_eq!(
        audit(&pool).await.last().unwrap(),
        "table 1 APPLIED separate"
    );
    assert!(runner().run().await.unwrap().is_up_to_date());

    // The audit's own database is still shared.
    let shared = Runner::new(&other).changes(changes![table]);
    let shared = shared.service("shared").default_target(&other);
    shared.run().await.unwrap();
    assert_eq!(done(&other).await, ["table", "table"]);
    assert_eq!(
        audit(&other).await.last().unwrap(),
        "table 1 APPLIED shared"
    );

    let twice = runner().default_target(&other).run().await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Invalid);
    let named = TargetSystem::sqlx("default", &other);
    let named = Runner::new(&pool).changes(changes![table]).target(named);
    let error = named.run().await.unwrap_err();
    assert!(
        format!("{error:?}").contains("Runner::default_target"),
        "{error:?}"
    );
}

#[tokio::test]
async fn audit_in_memory_has_a_default_target() {
    let of_changes = Backend::fresh().await;
    let pool = with_table(&of_changes, 2).await;
    let store = flamingock::MemoryStore::new();
    let runner = || {
        Runner::new(&store)
            .changes(changes![table])
            .default_target(&pool)
    };
    runner().run().await.unwrap();
    assert!(runner().run().await.unwrap().is_up_to_date());
    assert_eq!(done(&pool).await, ["table"]);
}
