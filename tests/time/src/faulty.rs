//! A store in front of another one, with answers that can be late, lost or repeated.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flamingock::__private::{BoxFuture, IntoStorage, OpenStorage, Storage, StorageSettings};
use flamingock::audit::{
    AcquireRequest, Acquired, AuditStore, Entry, HistoryFilter, LeaseRenewer, LockGrant,
    LockProgress, LockStore, NewEntry, Snapshot, Store, StoreError, StoreErrorKind,
};
use flamingock::report::Problem;
use tokio::task::JoinHandle;

use crate::fates::{Call, Fate, Mishap};
use crate::process::Process;
use crate::trace::Told;

/// Requests in transit whose processes no longer wait for the answers.
#[derive(Debug, Default)]
pub(crate) struct Late(Mutex<Vec<JoinHandle<()>>>);

impl Late {
    fn send(
        &self,
        delay: Duration,
        work: impl Future<Output = String> + Send + 'static,
        process: &Arc<Process>,
    ) {
        let process = Arc::clone(process);
        let sent = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let answer = work.await;
            process.note(|| format!("late or again: {answer}"));
        });
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sent);
    }

    pub(crate) async fn arrived(&self) {
        loop {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                Some(sent) => sent.await.unwrap(),
                None => return,
            }
        }
    }
}

/// A rule that is broken on purpose in the simulated store: a proof that cannot fail proves
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A lease ends earlier than its owner believes, by the delay of the answer: as if the owner
    /// counted from the answer.
    LeaseFromAnswer,
    /// An entry whose answer was lost is not found: as if the engine did not read the audit.
    NoLookAtTheAudit,
}

/// The state shared by a process and its stores.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) process: Arc<Process>,
    pub(crate) late: Arc<Late>,
}

impl Network {
    /// The duration of a lease at the store.
    fn lease(&self, lease: Duration, fate: Fate) -> Duration {
        match self.flaw {
            Some(Flaw::LeaseFromAnswer) => lease.saturating_sub(fate.after),
            Some(Flaw::NoLookAtTheAudit) | None => lease,
        }
    }

    /// Executes a request, or not, or twice.
    async fn call<T, F>(&self, call: Call, work: impl Fn() -> F + Send) -> Result<T, StoreError>
    where
        T: Told + Send,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.fated(call, self.process.fate(call), work).await
    }

    async fn fated<T, F>(
        &self,
        call: Call,
        fate: Fate,
        work: impl Fn() -> F + Send,
    ) -> Result<T, StoreError>
    where
        T: Told + Send,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let lost = || {
            let what = "the answer was lost";
            StoreError::new(
                StoreErrorKind::Disconnected,
                "could not reach the store",
                what,
            )
        };
        if fate.mishap == Mishap::KilledBefore {
            self.process.kill();
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(fate.before).await;
        match fate.mishap {
            Mishap::LosesRequest => {
                tokio::time::sleep(fate.after).await;
                return Err(lost());
            }
            Mishap::ComesLate(delay) => {
                let work = work();
                let work = async move { short(call, &work.await) };
                self.late.send(delay, work, &self.process);
                tokio::time::sleep(fate.after).await;
                return Err(lost());
            }
            _ => {}
        }
        let answer = work().await;
        self.process.note(|| short(call, &answer));
        match fate.mishap {
            Mishap::Repeats(delay) => {
                let work = work();
                let work = async move { short(call, &work.await) };
                self.late.send(delay, work, &self.process);
            }
            Mishap::StandsStill(pause) => self.process.stand_still(pause).await,
            Mishap::KilledAfter => {
                self.process.kill();
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        tokio::time::sleep(fate.after).await;
        match fate.mishap {
            Mishap::LosesAnswer => Err(lost()),
            _ => answer,
        }
    }
}

fn short<T: Told>(call: Call, answer: &Result<T, StoreError>) -> String {
    match answer {
        Ok(answer) => format!("{call:?} -> {}", answer.told()),
        Err(error) => format!("{call:?} -> {:?}", error.kind),
    }
}

/// A store behind a network.
#[derive(Debug)]
struct Faulty {
    store: Arc<dyn Store>,
    network: Network,
}

#[async_trait]
impl AuditStore for Faulty {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let work = || {
            let (store, service, digest) =
                (self.store.clone(), service.to_owned(), digest.to_owned());
            async move { store.snapshot(&service, &digest).await }
        };
        self.network.call(Call::Snapshot, work).await
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let work = || {
            let (store, service, digest) =
                (self.store.clone(), service.to_owned(), digest.to_owned());
            async move { store.lock_progress(&service, &digest, since).await }
        };
        self.network.call(Call::LockProgress, work).await
    }

    fn schema(&self, service: &str) -> Option<String> {
        self.store.schema(service)
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        let work = || {
            let (store, service) = (self.store.clone(), service.to_owned());
            async move { store.create(&service).await }
        };
        self.network.call(Call::Prepare, work).await
    }

    async fn creation_in_progress(&self) -> Result<bool, StoreError> {
        self.store.creation_in_progress().await
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        let work = || {
            let (store, service) = (self.store.clone(), service.to_owned());
            async move { store.register(&service).await }
        };
        self.network.call(Call::Prepare, work).await
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        self.network.process.note(|| {
            let said = |entry: &NewEntry| format!("{} {}", entry.change_id, entry.state);
            format!(
                "appends {}",
                entries.iter().map(said).collect::<Vec<_>>().join(", ")
            )
        });
        let work = || {
            let (store, grant) = (self.store.clone(), grant.clone());
            let entries = entries.to_owned();
            async move { store.append(&grant, &entries).await }
        };
        self.network.call(Call::Append, work).await
    }

    async fn refuse_hidden(&self, service: &str) -> Result<(), StoreError> {
        self.store.refuse_hidden(service).await
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        if self.network.flaw == Some(Flaw::NoLookAtTheAudit) && filter.run_id.is_some() {
            return Ok(Vec::new());
        }
        let work = || {
            let (store, service, filter) = (self.store.clone(), service.to_owned(), filter.clone());
            async move { store.history(&service, &filter).await }
        };
        self.network.call(Call::History, work).await
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        self.store.services().await
    }
}

#[async_trait]
impl LockStore for Faulty {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        let fate = self.network.process.fate(Call::Acquire);
        let work = || {
            let (store, mut claim) = (self.store.clone(), claim.clone());
            claim.lease = self.network.lease(claim.lease, fate);
            async move { store.acquire(&claim).await }
        };
        let acquired = self.network.fated(Call::Acquire, fate, work).await;
        if let Ok(Some(_)) = &acquired {
            self.network.process.obtains();
        }
        acquired
    }

    async fn end_previous(&self, grant: &LockGrant, lease: Duration) -> Result<(), StoreError> {
        self.store.end_previous(grant, lease).await
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let work = || {
            let (store, grant) = (self.store.clone(), grant.clone());
            let digest = digest.map(str::to_owned);
            async move { store.release(&grant, digest.as_deref()).await }
        };
        self.network.call(Call::Release, work).await
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        let renewer = Arc::from(self.store.renewer()?);
        let network = self.network.clone();
        Some(Box::new(FaultyRenewer { renewer, network }))
    }

    fn renew_beside(&self, renewals: BoxFuture<'static, ()>) -> std::io::Result<()> {
        tokio::spawn(self.network.process.run(renewals));
        Ok(())
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
        let (renewer, network) = (self.store.clone(), self.network.clone());
        let renewer = FaultyRenewer { renewer, network };
        renewer.renew(grant, lease, activity).await
    }
}

/// The part that renews leases, behind the same network.
#[derive(Debug)]
struct FaultyRenewer {
    renewer: Arc<dyn LeaseRenewer>,
    network: Network,
}

#[async_trait]
impl LeaseRenewer for FaultyRenewer {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let fate = self.network.process.fate(Call::Renew);
        let lease = self.network.lease(lease, fate);
        let work = || {
            let (renewer, grant) = (self.renewer.clone(), grant.clone());
            let activity = activity.map(str::to_owned);
            async move { renewer.renew(&grant, lease, activity.as_deref()).await }
        };
        self.network.fated(Call::Renew, fate, work).await
    }
}

/// The store of a runner: its own store behind a network.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) storage: Box<dyn OpenStorage>,
    pub(crate) network: Network,
}

impl OpenStorage for Behind {
    fn open(&self, settings: &StorageSettings) -> Result<Storage, Vec<Problem>> {
        let network = self.network.clone();
        let storage = self.storage.open(settings)?;
        Ok(storage.with_store(|store| Arc::new(Faulty { store, network })))
    }
}

impl IntoStorage for Behind {
    fn into_storage(self) -> Box<dyn OpenStorage> {
        Box::new(self)
    }
}
