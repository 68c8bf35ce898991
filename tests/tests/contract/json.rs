//! Everything that crosses the traits of stores survives as JSON: a store that sends all of it
//! through text, as one behind a network would, keeps all rules.

use std::time::Duration;

use async_trait::async_trait;
use flamingock::MemoryStore;
use flamingock::audit::{
    AcquireRequest, Acquired, AuditStore, BatchEnd, ChangeProgress, ControlChange, Entry,
    HistoryFilter, LeaseRenewer, LockGrant, LockProgress, LockStatus, LockStore, NewEntry,
    Progress, ProgressClaim, ProgressControl, Snapshot, StoreError,
};
use flamingock::testing::store;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn sent<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn answered<T: Serialize + DeserializeOwned>(
    answer: Result<T, StoreError>,
) -> Result<T, StoreError> {
    match answer {
        Ok(value) => Ok(sent(&value)),
        Err(error) => Err(sent(&error)),
    }
}

#[derive(Clone, Debug)]
struct InText(MemoryStore);

#[async_trait]
impl AuditStore for InText {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        answered(self.0.snapshot(service, digest).await)
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        answered(self.0.lock_progress(service, digest, since).await)
    }

    fn schema(&self, service: &str) -> Option<String> {
        self.0.schema(service)
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        answered(self.0.create(service).await)
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        answered(self.0.register(service).await)
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let entries: Vec<NewEntry> = entries.iter().map(sent).collect();
        answered(self.0.append(&sent(grant), &entries).await)
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        answered(self.0.history(service, &sent(filter)).await)
    }

    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError> {
        answered(self.0.claim_progress(&sent(claim)).await)
    }

    async fn save_progress(
        &self,
        claim: &ProgressClaim,
        batch: &BatchEnd,
    ) -> Result<(), StoreError> {
        answered(self.0.save_progress(&sent(claim), &sent(batch)).await)
    }

    async fn control(
        &self,
        service: &str,
        change_id: &str,
    ) -> Result<Option<ProgressControl>, StoreError> {
        answered(self.0.control(service, change_id).await)
    }

    async fn change_control(
        &self,
        service: &str,
        change_id: &str,
        change: &ControlChange,
    ) -> Result<(), StoreError> {
        let change = sent(change);
        let changed = self.0.change_control(service, change_id, &change);
        answered(changed.await)
    }

    async fn progress(&self, service: &str) -> Result<Vec<ChangeProgress>, StoreError> {
        answered(self.0.progress(service).await)
    }

    async fn open_lane(&self, service: &str, lane: &str) -> Result<(), StoreError> {
        answered(self.0.open_lane(service, lane).await)
    }

    async fn lanes(&self, service: &str) -> Result<Vec<LockStatus>, StoreError> {
        answered(self.0.lanes(service).await)
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        answered(self.0.services().await)
    }
}

#[async_trait]
impl LeaseRenewer for InText {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        answered(self.0.renew(&sent(grant), lease, activity).await)
    }
}

#[async_trait]
impl LockStore for InText {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        answered(self.0.acquire(&sent(claim)).await)
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        answered(self.0.release(&sent(grant), digest).await)
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        Some(Box::new(self.clone()))
    }
}

#[tokio::test]
async fn store_in_text_keeps_all_rules() {
    store::exercise(async || std::sync::Arc::new(InText(MemoryStore::new()))).await;
}
