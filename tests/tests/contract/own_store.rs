//! A store that an application writes itself, with nothing but the public interface.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use flamingock::audit::{
    AcquireRequest, Acquired, AuditStore, Entry, HistoryFilter, LatestEntry, LeaseRenewer,
    LockGrant, LockProgress, LockStatus, LockStore, NewEntry, Snapshot, State, StoreError,
    StoreErrorKind,
};
use flamingock::{ErrorKind, LockOptions, Runner, UndoTarget, testing};
use flamingock_tests::Gate;

/// A service's lock.
#[derive(Debug)]
struct Lock {
    status: LockStatus,
    digest: Option<String>,
}

impl Lock {
    fn is_held(&self) -> bool {
        let ends = self.status.expires_at;
        self.status.run_id.is_some() && ends.is_some_and(|ends| ends > SystemTime::now())
    }

    fn is_of(&self, grant: &LockGrant) -> bool {
        self.status.fencing_token == grant.fencing_token
            && self.status.run_id.as_ref() == Some(&grant.run_id)
    }

    fn status(&self) -> LockStatus {
        let mut status = self.status.clone();
        status.held = self.is_held();
        status
    }
}

#[derive(Debug, Default)]
struct Content {
    entries: Vec<Entry>,
    locks: HashMap<String, Lock>,
}

#[derive(Clone, Debug, Default)]
struct OwnStore(Arc<Mutex<Content>>);

impl OwnStore {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl AuditStore for OwnStore {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let content = self.content();
        let mut snapshot = Snapshot::default();
        snapshot.tables = true;
        if let Some(lock) = content.locks.get(service) {
            snapshot.lock = Some(lock.status());
            snapshot.up_to_date = lock.digest.as_deref() == Some(digest);
        }
        let of_changes = content
            .entries
            .iter()
            .filter(|entry| entry.service == service && entry.is_of_a_change());
        let latest: HashMap<_, LatestEntry> = of_changes
            .map(|entry| (entry.change_id.clone(), entry.into()))
            .collect();
        snapshot.latest = latest.into_values().collect();
        Ok(snapshot)
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let content = self.content();
        let applied = content.entries.iter().filter(|entry| {
            entry.service == service && entry.seq > since && entry.state == State::Applied
        });
        let latest = content.entries.last().map_or(0, |entry| entry.seq);
        Ok(content.locks.get(service).map(|lock| {
            let up_to_date = lock.digest.as_deref() == Some(digest);
            LockProgress::new(lock.status(), up_to_date, latest, applied.count())
        }))
    }

    fn schema(&self, _service: &str) -> Option<String> {
        None
    }

    async fn create(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn register(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let mut content = self.content();
        let lock = content.locks.get(&grant.service);
        if !lock.is_some_and(|lock| lock.is_of(grant)) {
            let (action, why) = ("could not append", "the lock has another owner");
            return Err(StoreError::new(StoreErrorKind::Refused, action, why));
        }
        let first = content.entries.len() as i64 + 1;
        for (seq, sent) in (first..).zip(entries) {
            let now = SystemTime::now();
            let times = [now - sent.duration.unwrap_or_default(), now];
            content.entries.push(Entry::new(seq, grant, times, sent));
        }
        Ok(first)
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        let content = self.content();
        let of_service = || {
            let entries = content.entries.iter();
            entries.filter(|entry| entry.service == service)
        };
        let latest: HashMap<_, i64> = of_service()
            .map(|entry| (entry.change_id.as_deref(), entry.seq))
            .collect();
        let is_wanted = |entry: &&Entry| {
            let is_latest = latest[&entry.change_id.as_deref()] == entry.seq;
            filter.matches(entry) && (!filter.latest_only || is_latest)
        };
        Ok(of_service().filter(is_wanted).cloned().collect())
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        let mut services: Vec<String> = self.content().locks.keys().cloned().collect();
        services.sort();
        Ok(services)
    }
}

#[async_trait]
impl LeaseRenewer for OwnStore {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut content = self.content();
        let lock = content.locks.get_mut(&grant.service);
        let Some(lock) = lock.filter(|lock| lock.is_of(grant)) else {
            return Ok(false);
        };
        lock.status.expires_at = Some(SystemTime::now() + lease);
        if let Some(activity) = activity {
            lock.status.activity = Some(activity.to_owned());
        }
        Ok(true)
    }
}

#[async_trait]
impl LockStore for OwnStore {
    async fn acquire(&self, request: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        let mut content = self.content();
        let lock = content.locks.get(&request.service);
        let previous = lock.and_then(|lock| lock.status.run_id.clone());
        let token = lock.map_or(0, |lock| lock.status.fencing_token);
        let is_own = previous.as_ref() == Some(&request.run_id);
        let is_free = match request.force {
            Some(forced) => previous.is_some() && forced == token,
            None => !lock.is_some_and(Lock::is_held),
        };
        if !is_free && !is_own {
            return Ok(None);
        }
        let token = token + i64::from(!is_own);
        let mut status = LockStatus::new(request, token, SystemTime::now());
        status.expires_at = Some(SystemTime::now() + request.lease);
        let lock = Lock {
            status,
            digest: None,
        };
        content.locks.insert(request.service.clone(), lock);
        Ok(Some(Acquired::new(
            LockGrant::new(request, token),
            previous,
        )))
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let mut content = self.content();
        let lock = content.locks.get_mut(&grant.service);
        if let Some(lock) = lock.filter(|lock| lock.is_of(grant)) {
            lock.status.run_id = None;
            lock.status.expires_at = None;
            lock.digest = digest.map(str::to_owned);
        }
        Ok(())
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        Some(Box::new(self.clone()))
    }
}

fn states(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| {
        let id = entry.change_id.as_deref().unwrap_or("-");
        format!("{id} {} {}", entry.attempt, entry.state.as_str())
    };
    entries.iter().map(text).collect()
}

#[tokio::test]
async fn own_store_records_runs_failures_and_undos() {
    let store = OwnStore::default();
    let first = testing::change("first")
        .applies(async || Ok(()))
        .rolls_back(async || Ok(()))
        .build();
    let fails = testing::change("fails")
        .order("0002")
        .applies(async || Err("it fails".into()))
        .build();
    let all = Runner::new(Arc::new(store.clone())).changes([first, fails]);
    let error = all.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    assert_eq!(all.run().await.unwrap_err().kind(), ErrorKind::Issues);

    let only_first = Runner::new(Arc::new(store.clone())).changes([first]);
    only_first
        .undo(UndoTarget::Change("first".into()))
        .await
        .unwrap();
    let filter = HistoryFilter::default();
    let expected = [
        "first 1 STARTED",
        "first 1 APPLIED",
        "fails 1 STARTED",
        "fails 1 FAILED",
        "first 1 STARTED",
        "first 1 ROLLED_BACK",
    ];
    assert_eq!(states(&all.history(&filter).await.unwrap()), expected);
    let latest = all.history(&filter.latest_only()).await.unwrap();
    assert_eq!(states(&latest), ["fails 1 FAILED", "first 1 ROLLED_BACK"]);
    // The latest entry of all, not the latest one that matches the rest of the filter.
    let applied = HistoryFilter::default().state(State::Applied).latest_only();
    assert!(all.history(&applied).await.unwrap().is_empty());
}

#[tokio::test]
async fn own_store_lets_one_run_in_at_a_time() {
    let store = OwnStore::default();
    let gate = Gate::default();
    let waits = gate.clone();
    let change = testing::change("slow")
        .applies(move || {
            let gate = waits.clone();
            async move {
                gate.pass().await;
                Ok(())
            }
        })
        .build();
    let runner = || Runner::new(Arc::new(store.clone())).changes([change]);
    let owner = tokio::spawn(runner().run());
    gate.reached().await;
    let wait = LockOptions::default().wait(Duration::from_millis(100));
    let error = runner().lock(wait).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
    let waiter = tokio::spawn(runner().run());
    gate.open();
    assert_eq!(owner.await.unwrap().unwrap().counts().newly_applied, 1);
    assert!(waiter.await.unwrap().unwrap().is_up_to_date());
    assert_eq!(runner().services().await.unwrap().len(), 1);
}

#[tokio::test]
async fn own_store_keeps_all_rules() {
    let left_out = [
        testing::store::Optional::Batches,
        testing::store::Optional::Lanes,
    ];
    testing::store::exercise_without(&left_out, async || Arc::new(OwnStore::default())).await;
}
