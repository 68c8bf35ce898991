//! A store that writes an entry, or does not, without an answer: a change that never ran is not an
//! issue. And a store whose history lacks an entry.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flamingock::audit::{
    AcquireRequest, Acquired, AuditStore, Entry, HistoryFilter, LeaseRenewer, LockGrant,
    LockProgress, LockStore, NewEntry, Origin, Snapshot, State, StoreError, StoreErrorKind,
};
use flamingock::report::Cause;
use flamingock::{
    ErrorKind, LockOptions, MemoryStore, Runner, TargetSystem, UndoTarget, change, changes,
    rollback,
};
use flamingock_tests::{Backend as _, Sqlite, done, query, with_table};
use sqlx::SqliteConnection;

/// Loses the answer to one entry.
#[derive(Clone, Debug)]
struct Forgetful {
    store: MemoryStore,
    loses: Arc<Mutex<Option<Loses>>>,
    /// Whether its history is empty, whatever its snapshot contains.
    hides: Arc<AtomicBool>,
}

/// The entry whose answer is lost, and how.
#[derive(Clone, Debug)]
struct Loses {
    state: State,
    origin: Origin,
    is_written: bool,
    kind: StoreErrorKind,
}

#[async_trait]
impl AuditStore for Forgetful {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        self.store.snapshot(service, digest).await
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        self.store.lock_progress(service, digest, since).await
    }

    fn schema(&self, service: &str) -> Option<String> {
        self.store.schema(service)
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        self.store.create(service).await
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        self.store.register(service).await
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let loses = {
            let mut loses = self.loses.lock().unwrap();
            let is_meant = |loses: &mut Loses| {
                let mut states = entries.iter().map(|entry| (&entry.state, &entry.origin));
                states.any(|entry| entry == (&loses.state, &loses.origin))
            };
            loses.take_if(is_meant)
        };
        match loses {
            None => self.store.append(grant, entries).await,
            Some(loses) => {
                if loses.is_written {
                    self.store.append(grant, entries).await?;
                }
                let action = "could not write to the audit";
                Err(StoreError::new(loses.kind, action, "no answer"))
            }
        }
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        if self.hides.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        self.store.history(service, filter).await
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        self.store.services().await
    }
}

#[async_trait]
impl LeaseRenewer for Forgetful {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.store.renew(grant, lease, activity).await
    }
}

#[async_trait]
impl LockStore for Forgetful {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        self.store.acquire(claim).await
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        self.store.release(grant, digest).await
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        self.store.renewer()
    }
}

/// The number of calls of the change and of its rollback.
#[derive(Debug, Default)]
struct Calls {
    applied: AtomicUsize,
    undone: AtomicUsize,
}

#[change(id = "topic", order = "001", register = false)]
async fn topic(calls: &Calls) {
    calls.applied.fetch_add(1, Ordering::Relaxed);
}

#[rollback(topic)]
async fn delete_topic(calls: &Calls) {
    calls.undone.fetch_add(1, Ordering::Relaxed);
}

const KINDS: [StoreErrorKind; 4] = [
    StoreErrorKind::Disconnected,
    StoreErrorKind::Busy,
    StoreErrorKind::Conflict,
    StoreErrorKind::Other,
];

fn losing(state: State, origin: Origin) -> impl Iterator<Item = Loses> {
    let each = move |is_written| {
        let (state, origin) = (state.clone(), origin.clone());
        KINDS.into_iter().map(move |kind| Loses {
            state: state.clone(),
            origin: origin.clone(),
            is_written,
            kind,
        })
    };
    [true, false].into_iter().flat_map(each)
}

struct Scene {
    store: Arc<Forgetful>,
    calls: Arc<Calls>,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            store: Arc::new(Forgetful {
                store: MemoryStore::new(),
                loses: Arc::default(),
                hides: Arc::default(),
            }),
            calls: Arc::default(),
        }
    }

    fn runner(&self) -> Runner {
        let lock = LockOptions::default().wait(Duration::from_secs(5));
        Runner::new(Arc::clone(&self.store))
            .changes(changes![topic])
            .lock(lock)
            .provide_arc(Arc::clone(&self.calls))
    }

    fn lose(&self, loses: &Loses) {
        *self.store.loses.lock().unwrap() = Some(loses.clone());
    }

    fn calls(&self) -> (usize, usize) {
        let count = |calls: &AtomicUsize| calls.load(Ordering::Relaxed);
        (count(&self.calls.applied), count(&self.calls.undone))
    }
}

#[tokio::test]
async fn undo_with_an_unconfirmed_start_never_ran_and_is_no_issue() {
    for loses in losing(State::Started, Origin::Undo) {
        let scene = Scene::new();
        scene.runner().run().await.unwrap();
        scene.lose(&loses);
        let error = scene.runner().undo(UndoTarget::Last).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let report = error.report().unwrap();
        assert!(report.changes().all(|change| change.issue.is_none()));
        assert!(
            format!("{error:#}").contains("the undo did not run"),
            "{error}"
        );
        assert_eq!(scene.calls(), (1, 0), "{loses:?}");
        // It is still applied, for the list and for the next run.
        let issues = scene.runner().issues().await.unwrap();
        assert!(issues.is_empty(), "{loses:?}: {issues:?}");
        let next = scene.runner().run().await.unwrap();
        assert!(next.is_up_to_date(), "{loses:?}: {next}");
        let undone = scene.runner().undo(UndoTarget::Last).await.unwrap();
        assert_eq!(undone.counts().undone, 1, "{loses:?}: {undone}");
        assert_eq!(scene.calls(), (1, 1), "{loses:?}");
    }
}

#[tokio::test]
async fn attempt_with_an_unconfirmed_start_never_ran_and_is_no_issue() {
    for loses in losing(State::Started, Origin::Run) {
        let scene = Scene::new();
        scene.lose(&loses);
        let error = scene.runner().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let report = error.report().unwrap();
        assert!(report.changes().all(|change| change.issue.is_none()));
        assert_eq!(scene.calls(), (0, 0), "{loses:?}");
        let issues = scene.runner().issues().await.unwrap();
        assert!(issues.is_empty(), "{loses:?}: {issues:?}");
        let next = scene.runner().run().await.unwrap();
        assert_eq!(next.counts().newly_applied, 1, "{loses:?}: {next}");
        assert_eq!(scene.calls(), (1, 0), "{loses:?}");
    }
}

#[change(id = "there", order = "001", target = "other", register = false)]
async fn there(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('there')")
        .await
        .map(drop)
}

/// The start entry of an attempt names its marker. Without the entry, the outcome of the attempt is
/// unknown, and nothing is guessed.
#[tokio::test]
async fn attempt_missing_from_the_history_is_an_issue() {
    let database = Sqlite::fresh().await;
    let other = with_table(&database, 2).await;
    let scene = Scene::new();
    let runner = || {
        let lock = LockOptions::default()
            .lease(Duration::from_millis(200))
            .wait(Duration::from_secs(20));
        Runner::new(Arc::clone(&scene.store))
            .changes(changes![there])
            .target(TargetSystem::sqlx("other", &other))
            .lock(lock)
    };
    // Committed there, and not recorded here.
    scene.lose(&Loses {
        state: State::Applied,
        origin: Origin::Run,
        is_written: false,
        kind: StoreErrorKind::Refused,
    });
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error:?}");
    assert_eq!(done(&other).await, ["there"]);
    scene.store.hides.store(true, Ordering::Relaxed);
    for nth in 1..=2 {
        let error = runner().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "run {nth}: {error:?}");
        let issues = runner().issues().await.unwrap();
        let causes: Vec<_> = issues.iter().map(|issue| &issue.cause).collect();
        assert_eq!(causes, [&Cause::IncompleteHistory], "run {nth}");
    }
    // The store has its entries again: the marker shows the outcome.
    scene.store.hides.store(false, Ordering::Relaxed);
    let report = runner().run().await.unwrap();
    assert_eq!(report.counts().already_applied, 1, "{report}");
    assert_eq!(done(&other).await, ["there"]);
}
