//! Closing the lanes of changes in the background, for commands that write about these changes.

use super::builder::Runner;
use crate::audit::grant::{AcquireRequest, background_lane};
use crate::engine;
use crate::report::error::Error;
use crate::target::storage::Storage;

impl Runner {
    /// Makes sure that the earlier owners of these changes' lanes can commit nothing any more. The caller has the lock of the start, so
    /// no instance begins meanwhile. Returns whether it has closed a lane: its owner may have
    /// committed something until then, so read again.
    ///
    /// # Errors
    /// An instance is working on one of the changes, and any error of the store.
    pub(super) async fn close_lanes(
        &self,
        storage: &Storage,
        ids: impl Iterator<Item = &str>,
    ) -> Result<bool, Error> {
        let lanes = storage.store.lanes(&self.settings.service).await;
        let lanes = lanes.map_err(Error::store)?;
        let floor = lanes.iter().map(|lock| lock.fencing_token).max();
        let mut closed = false;
        if lanes.is_empty() {
            return Ok(closed);
        }
        for id in ids {
            let lane = background_lane(id);
            let Some(lock) = lanes.iter().find(|lock| lock.lane == lane) else {
                continue;
            };
            if !self.close_lane(storage, &lane, floor.unwrap_or(0)).await? {
                let report = engine::look(&self.settings).await?;
                return Err(Error::lock_timeout(Some(lock.clone()), report));
            }
            closed = true;
        }
        Ok(closed)
    }

    /// Takes a lane and releases it, so that an earlier owner can commit nothing any more. Returns
    /// `false` if an instance owns it now.
    pub(super) async fn close_lane(
        &self,
        storage: &Storage,
        lane: &str,
        floor: i64,
    ) -> Result<bool, Error> {
        let claim = AcquireRequest {
            lane: lane.to_owned(),
            floor,
            ..self.claim(None)
        };
        match self.take(storage, &claim).await? {
            Some(lease) => lease
                .release(None)
                .await
                .map_err(Error::store)
                .map(|()| true),
            None => Ok(false),
        }
    }
}
