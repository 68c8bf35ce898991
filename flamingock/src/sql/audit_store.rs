//! The store traits for a database: audit, lock, and renewal of the lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::Page;

use super::connection::auxiliary_pool;
use super::driver::Driver;
use super::lease_renewer::SqlLeaseRenewer;
use super::progress;
use super::retry::{Retry, retry, retry_read};
use super::rows;
use super::store::{SqlStore, check_readable, format_error};
use super::timing::POLL_PAUSE;
use crate::audit::change_progress::ChangeProgress;
use crate::audit::control::{ControlChange, ProgressControl};
use crate::audit::entry::{Entry, NewEntry};
use crate::audit::grant::AcquireRequest;
use crate::audit::grant::{LockGrant, STARTUP};
use crate::audit::progress::{BatchEnd, Progress, ProgressClaim};
use crate::audit::snapshot::{LockProgress, LockStatus, Snapshot};
use crate::audit::store::{Acquired, AuditStore, HistoryFilter, LeaseRenewer, LockStore};
use crate::audit::store_error::{StoreError, StoreErrorKind};

#[async_trait]
impl<D: Driver> AuditStore for SqlStore<D> {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let read = retry_read!(self, "could not read the audit", |connection| {
            self.ledger.snapshot(connection, service, STARTUP, digest)
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
                let read = check_readable(read?)?;
                if let Some(other) = self.ledger.other_format(read.format) {
                    return Err(format_error(&other));
                }
                rows::snapshot(read)
            }
        };
        if let Some(lock) = &mut snapshot.lock {
            self.correct_held(lock);
        }
        Ok(snapshot)
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        self.progress_of_lane(service, STARTUP, digest, since).await
    }

    fn schema(&self, service: &str) -> Option<String> {
        Some(self.ledger.schema(service, STARTUP))
    }

    fn grants(&self) -> Option<String> {
        self.ledger.grants()
    }

    async fn upgrade(&self) -> Result<String, StoreError> {
        retry_read!(
            self,
            "could not read the columns of the tables",
            |connection| { self.ledger.upgrade(connection) }
        )
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_unfit().await?;
        self.check_server().await?;
        retry!(self, "could not create the audit's tables", |connection| {
            self.ledger.create(connection, service, STARTUP)
        })
    }

    async fn creation_in_progress(&self) -> Result<bool, StoreError> {
        retry_read!(self, "could not create the audit's tables", |connection| {
            self.ledger.is_being_made(connection)
        })
    }

    async fn refuse_hidden(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_hidden_history(service).await
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_unfit().await?;
        self.check_server().await?;
        retry!(
            self,
            "could not make the lock of the service",
            |connection| self.ledger.seed(connection, service, STARTUP)
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
        let read = retry_read!(self, "could not read the audit", |connection| {
            self.ledger.history(connection, service, &filter, page)
        });
        Ok(read?.into_iter().map(rows::entry).collect())
    }

    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError> {
        let grant = rows::grant(&claim.grant);
        let owner = progress::owner(claim, &grant);
        let claimed = retry!(
            self,
            "could not claim the progress of the change",
            |connection| self.ledger.take_progress(
                connection,
                &owner,
                claim.from_start,
                progress::begun(claim)
            )
        );
        Ok(claimed?.map(progress::progress))
    }

    async fn save_progress(
        &self,
        claim: &ProgressClaim,
        batch: &BatchEnd,
    ) -> Result<(), StoreError> {
        let grant = rows::grant(&claim.grant);
        let owner = progress::owner(claim, &grant);
        let write = progress::batch_write(batch);
        let saved = retry!(
            self,
            "could not save the progress of the change",
            |connection| self.ledger.save_batch(connection, &owner, &write)
        )?;
        match saved {
            true => Ok(()),
            false => Err(StoreError::new(
                StoreErrorKind::Refused,
                "could not save the progress of the change",
                "the row is gone, or another run works on the change",
            )),
        }
    }

    async fn control(
        &self,
        service: &str,
        change_id: &str,
    ) -> Result<Option<ProgressControl>, StoreError> {
        retry_read!(
            self,
            "could not read what operators ask for",
            |connection| progress::control_in(&self.ledger, connection, service, change_id)
        )
    }

    async fn change_control(
        &self,
        service: &str,
        change_id: &str,
        change: &ControlChange,
    ) -> Result<(), StoreError> {
        rows::with_control_change(change, async |row| {
            retry!(self, "could not write what is asked for", |connection| self
                .ledger
                .change_control(connection, service, change_id, row))
        })
        .await
    }

    async fn progress(&self, service: &str) -> Result<Vec<ChangeProgress>, StoreError> {
        retry_read!(
            self,
            "could not read the progress of the changes in batches",
            |connection| progress::of_service(&self.ledger, connection, service)
        )
    }

    async fn open_lane(&self, service: &str, lane: &str) -> Result<(), StoreError> {
        retry!(
            self,
            "could not make the lock of a change in the background",
            |connection| self.ledger.open_lane(connection, service, lane)
        )
    }

    async fn lanes(&self, service: &str) -> Result<Vec<LockStatus>, StoreError> {
        let lanes = retry_read!(self, "could not read the lanes of the lock", |connection| {
            self.ledger.other_lanes(connection, service, STARTUP)
        });
        let lanes = match lanes {
            Err(error) if error.kind == StoreErrorKind::MissingTable => Vec::new(),
            lanes => lanes?,
        };
        let mut found = Vec::with_capacity(lanes.len());
        for lane in lanes {
            let progress = self.progress_of_lane(service, &lane, "", i64::MAX).await?;
            found.extend(progress.map(|progress| progress.lock));
        }
        Ok(found)
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        self.refuse_unreadable().await?;
        retry_read!(self, "could not read the services", |connection| {
            self.ledger.services(connection, STARTUP)
        })
    }
}

impl<D: Driver> SqlStore<D> {
    async fn progress_of_lane(
        &self,
        service: &str,
        lane: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let read = retry_read!(self, "could not look at the lock", |connection| {
            self.ledger
                .lock_progress(connection, service, lane, digest, since)
        })?;
        let mut progress = read.map(|read| rows::progress(read, lane));
        if let Some(progress) = &mut progress {
            self.correct_held(&mut progress.lock);
        }
        Ok(progress)
    }

    /// Returns why a statement was refused, if the tables have another format.
    async fn other_format(&self) -> Option<StoreError> {
        let found = retry_read!(
            self,
            "could not read the columns of the tables",
            |connection| { self.ledger.find_other_format(connection) }
        );
        found.ok().flatten().as_ref().map(format_error)
    }
}

#[async_trait]
impl<D: Driver> LockStore for SqlStore<D> {
    async fn acquire(&self, request: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        self.refuse_unfit().await?;
        self.check_server().await?;
        let guard = match &self.in_memory {
            Some(in_memory) => match in_memory.try_lock(&request.lane) {
                Some(guard) => Some(guard),
                None => return Ok(None),
            },
            None => None,
        };
        let wanted = sqlx_audit::LockGrant {
            service: request.service.clone(),
            lane: request.lane.clone(),
            fencing_token: request.floor,
            run_id: request.run_id.clone(),
        };
        let lease = self.lease().map(|_| request.lease);
        let acquired = retry!(self, "could not take the lock", |connection| {
            self.ledger
                .acquire(connection, &wanted, &request.owner, lease, request.force)
        });
        let acquired = match acquired {
            // Another process was acquiring it.
            Err(error) if matches!(error.kind, StoreErrorKind::Busy | StoreErrorKind::Conflict) => {
                None
            }
            acquired => acquired?,
        };
        if let (Some(in_memory), Some(_)) = (&self.in_memory, &acquired) {
            in_memory.hold(&request.lane, guard);
        }
        Ok(acquired.map(rows::acquired))
    }

    async fn end_previous(&self, grant: &LockGrant, lease: Duration) -> Result<(), StoreError> {
        self.end_previous_sessions(grant, lease).await
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let grant = rows::grant(grant);
        let deadline = Instant::now() + self.ledger.patience();
        let released = loop {
            let released = retry!(self, "could not release the lock", |connection| {
                self.ledger.release(connection, &grant, digest)
            });
            match released {
                // The connection is closed: the next one may lead to the primary.
                Err(error)
                    if error.kind == StoreErrorKind::ReadOnly && Instant::now() < deadline =>
                {
                    tokio::time::sleep(POLL_PAUSE).await;
                }
                released => break released,
            }
        };
        if let Some(in_memory) = &self.in_memory {
            in_memory.hold(&grant.lane, None);
        }
        released
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        if self.in_memory.is_some() {
            return None;
        }
        Some(Box::new(SqlLeaseRenewer::<D>::new(
            auxiliary_pool::<D>(&self.pool),
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
        retry!(self, "could not renew the lease", |connection| self
            .ledger
            .renew(connection, &grant, Some(lease), activity))
    }
}
