//! A store whose answers come late, are lost, or never come.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flamingock::MemoryStore;
use flamingock::audit::{
    AcquireRequest, Acquired, AuditStore, Entry, HistoryFilter, LeaseRenewer, LockGrant, LockStore,
    NewEntry, Snapshot, StoreError, StoreErrorKind,
};
use flamingock_tests::Gate;

/// The calls of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Snapshot,
    Acquire,
    Renew,
    Append,
    Release,
}

/// The fate of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is executed, and the answer is late.
    Late(Duration),
    /// It is executed, and the connection is lost.
    Lost,
    /// It is not executed, and the connection is lost.
    Fails,
    /// It is not executed, and never answered.
    Never,
    /// The store has a bug.
    Panics,
}

type Rule = dyn Fn(Call, usize) -> Option<Fault> + Send + Sync;

/// A store in memory with a rule for its calls, which are counted from 1.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    calls: Arc<Mutex<Vec<Call>>>,
    rule: Arc<Rule>,
    forced: Option<Gate>,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

impl Faulty {
    /// The rule gets the call and its number among those of its kind.
    pub(crate) fn new(
        inner: &MemoryStore,
        rule: impl Fn(Call, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Faulty {
        Faulty {
            inner: inner.clone(),
            calls: Arc::default(),
            rule: Arc::new(rule),
            forced: None,
        }
    }

    /// A forced acquisition stops at the gate, after the lock was read.
    pub(crate) fn holding_forced(mut self, gate: &Gate) -> Self {
        self.forced = Some(gate.clone());
        self
    }

    pub(crate) fn count(&self, call: Call) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|one| **one == call).count()
    }

    async fn with<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.calls.lock().unwrap().push(call);
        let nth = self.count(call);
        match (self.rule)(call, nth) {
            None => work.await,
            Some(Fault::Late(by)) => {
                let answer = work.await;
                tokio::time::sleep(by).await;
                answer
            }
            Some(Fault::Lost) => {
                work.await?;
                Err(cut())
            }
            Some(Fault::Fails) => Err(cut()),
            Some(Fault::Never) => std::future::pending().await,
            Some(Fault::Panics) => panic!("a mistake in the store"),
        }
    }
}

fn cut() -> StoreError {
    let kind = StoreErrorKind::Disconnected;
    StoreError::new(kind, "could not hear the answer", "cut")
}

#[async_trait]
impl AuditStore for Faulty {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let work = self.inner.snapshot(service, digest);
        self.with(Call::Snapshot, work).await
    }

    fn schema(&self, service: &str) -> Option<String> {
        self.inner.schema(service)
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        self.inner.create(service).await
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        self.inner.register(service).await
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let work = self.inner.append(grant, entries);
        self.with(Call::Append, work).await
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.history(service, filter).await
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        self.inner.services().await
    }
}

#[async_trait]
impl LeaseRenewer for Faulty {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let work = self.inner.renew(grant, lease, activity);
        self.with(Call::Renew, work).await
    }
}

#[async_trait]
impl LockStore for Faulty {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        if let (Some(gate), Some(_)) = (&self.forced, claim.force) {
            gate.pass().await;
        }
        self.with(Call::Acquire, self.inner.acquire(claim)).await
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let work = self.inner.release(grant, digest);
        self.with(Call::Release, work).await
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        Some(Box::new(self.clone()))
    }
}
