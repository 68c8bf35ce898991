//! The audit, the lock and its renewal in a database of sqlx.

use super::connection::aside;
use super::driver::Driver;
use super::lease_renewer::Renewer;
use super::retry::Tries;
use super::retry::{reads, tries};
use super::rows;
use super::timing::PAUSE;
use crate::audit::entry::{Entry, NewEntry};
use crate::audit::snapshot::{LockGrant, LockProgress, Snapshot};
use crate::audit::store::{
    AcquireRequest, Acquired, AuditStore, HistoryFilter, LeaseRenewer, LockStore,
};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::sql::store::{SqlStore, of_format, readable};
use crate::sql::timing::LANE;
use async_trait::async_trait;
use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::Page;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[async_trait]
impl<D: Driver> AuditStore for SqlStore<D> {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let read = reads!(self, "could not read the audit", |connection| {
            self.ledger.snapshot(connection, service, LANE, digest)
        });
        let mut snapshot = match read {
            Err(error) if error.kind == StoreErrorKind::MissingTable => {
                self.refuse_misplaced().await?;
                return Ok(Snapshot::default());
            }
            Err(error) if error.kind == StoreErrorKind::Other => {
                return Err(self.other_format().await.unwrap_or(error));
            }
            read => {
                let read = readable(read?)?;
                if let Some(other) = self.ledger.other_format(read.format) {
                    return Err(of_format(&other));
                }
                rows::snapshot(read)
            }
        };
        if let Some(lock) = &mut snapshot.lock {
            self.note(lock);
        }
        Ok(snapshot)
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let read = reads!(self, "could not look at the lock", |connection| {
            self.ledger
                .lock_progress(connection, service, LANE, digest, since)
        })?;
        let mut progress = read.map(rows::progress);
        if let Some(progress) = &mut progress {
            self.note(&mut progress.lock);
        }
        Ok(progress)
    }

    fn schema(&self, service: &str) -> Option<String> {
        Some(self.ledger.schema(service, LANE))
    }

    async fn upgrade(&self) -> Result<String, StoreError> {
        reads!(
            self,
            "could not read the columns of the tables",
            |connection| { self.ledger.upgrade(connection) }
        )
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_unfit().await?;
        self.know_the_server().await?;
        tries!(self, "could not create the audit's tables", |connection| {
            self.ledger.create(connection, service, LANE)
        })
    }

    async fn creation_in_progress(&self) -> Result<bool, StoreError> {
        reads!(self, "could not create the audit's tables", |connection| {
            self.ledger.is_being_made(connection)
        })
    }

    async fn refuse_hidden(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_hidden_history(service).await
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_unfit().await?;
        self.know_the_server().await?;
        tries!(
            self,
            "could not make the lock of the service",
            |connection| self.ledger.seed(connection, service, LANE)
        )
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let grant = rows::grant(grant);
        let entries: Vec<_> = entries.iter().map(rows::new_row).collect();
        self.append_once(&grant, &entries).await
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        self.page(service, filter, Page::ALL.after, usize::MAX)
            .await
    }

    async fn page(
        &self,
        service: &str,
        filter: &HistoryFilter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.refuse_unreadable().await?;
        let filter = rows::filter(filter);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = Page { after, limit };
        let read = reads!(self, "could not read the audit", |connection| {
            self.ledger.history(connection, service, &filter, page)
        });
        Ok(read?.into_iter().map(rows::entry).collect())
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        self.refuse_unreadable().await?;
        reads!(self, "could not read the services", |connection| {
            self.ledger.services(connection, LANE)
        })
    }
}

impl<D: Driver> SqlStore<D> {
    /// Why a statement was refused, if that is for tables of another format.
    async fn other_format(&self) -> Option<StoreError> {
        let found = reads!(
            self,
            "could not read the columns of the tables",
            |connection| { self.ledger.find_other_format(connection) }
        );
        found.ok().flatten().as_ref().map(of_format)
    }
}

#[async_trait]
impl<D: Driver> LockStore for SqlStore<D> {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        self.refuse_unfit().await?;
        self.know_the_server().await?;
        let guard = match &self.memory {
            Some(memory) => match Arc::clone(&memory.lock).try_lock_owned() {
                Ok(guard) => Some(guard),
                Err(_) => return Ok(None),
            },
            None => None,
        };
        let wanted = leaf::LockGrant {
            service: claim.service.clone(),
            lane: LANE.to_owned(),
            fencing_token: 0,
            run_id: claim.run_id.clone(),
        };
        let lease = self.lease().map(|_| claim.lease);
        let acquired = tries!(self, "could not take the lock", |connection| {
            self.ledger
                .acquire(connection, &wanted, &claim.owner, lease, claim.force)
        });
        let acquired = match acquired {
            // Somebody else was taking it.
            Err(error) if matches!(error.kind, StoreErrorKind::Busy | StoreErrorKind::Conflict) => {
                None
            }
            acquired => acquired?,
        };
        if let (Some(memory), Some(_)) = (&self.memory, &acquired) {
            memory.set_held(guard);
        }
        Ok(acquired.map(rows::acquired))
    }

    async fn end_previous(&self, grant: &LockGrant, lease: Duration) -> Result<(), StoreError> {
        self.end_those_before(grant, lease).await
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let grant = rows::grant(grant);
        let deadline = Instant::now() + self.ledger.patience();
        let released = loop {
            let released = tries!(self, "could not release the lock", |connection| {
                self.ledger.release(connection, &grant, digest)
            });
            match released {
                // The connection is closed: the next one may lead to the writer.
                Err(error)
                    if error.kind == StoreErrorKind::ReadOnly && Instant::now() < deadline =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                released => break released,
            }
        };
        if let Some(memory) = &self.memory {
            memory.set_held(None);
        }
        released
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        if self.memory.is_some() {
            return None;
        }
        Some(Box::new(Renewer::<D>::new(
            aside::<D>(&self.pool),
            Arc::clone(&self.ledger),
        )))
    }
}

#[async_trait]
impl<D: Driver> LeaseRenewer for SqlStore<D> {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let grant = rows::grant(grant);
        tries!(self, "could not renew the lease", |connection| self
            .ledger
            .renew(connection, &grant, Some(lease), activity))
    }
}
