//! The lanes of changes in the background: taking one, and closing those of earlier owners.

use tokio::time::Instant;

use super::prepare::Prepared;
use crate::audit::grant::{AcquireRequest, background_lane};
use crate::audit::snapshot::Snapshot;
use crate::lock::lease::Lease;
use crate::lock::stop::StopSignal;
use crate::report::error::{Error, invalid};

impl Prepared {
    /// Takes the lane of a change, unless it has an owner.
    pub(super) async fn take_lane(
        &self,
        change_id: &str,
        floor: i64,
        signals: &StopSignal,
    ) -> Result<Option<Lease>, Error> {
        let (service, lane) = (&self.settings.service, background_lane(change_id));
        let opened = self.store.open_lane(service, &lane).await;
        opened.map_err(Error::store)?;
        let claim = AcquireRequest {
            service: service.clone(),
            lane,
            run_id: self.run_id.clone(),
            owner: self.owner(),
            lease: self.settings.lock.lease,
            force: None,
            floor,
        };
        let deadline = Instant::now() + self.settings.lock.wait;
        let taken = Lease::take(&self.store, &claim, deadline, signals).await;
        taken.map_err(Error::store)
    }

    /// Waits until no instance works on these changes in the background, and makes sure that the
    /// earlier owners of their lanes can commit nothing any more. The caller has the lock of the start, so no instance begins meanwhile.
    /// Returns whether it has closed a lane: its owner may have committed something since the
    /// snapshot, so read again.
    pub(super) async fn close_lanes(
        &self,
        ids: impl Iterator<Item = &str>,
        snapshot: &Snapshot,
    ) -> Result<bool, Error> {
        let mut closed = false;
        if snapshot.lanes.is_empty() {
            return Ok(closed);
        }
        for id in ids {
            let lane = background_lane(id);
            if snapshot.lanes.iter().any(|lock| lock.lane == lane) {
                self.close_lane(id, snapshot.floor()).await?;
                closed = true;
            }
        }
        Ok(closed)
    }

    /// Waits for a command that has the lane for a moment.
    async fn close_lane(&self, id: &str, floor: i64) -> Result<(), Error> {
        let deadline = Instant::now() + self.settings.lock.wait;
        loop {
            let signals = StopSignal::new(self.settings.lock.wait);
            if let Some(lease) = self.take_lane(id, floor, &signals).await? {
                self.release(lease, None, None).await;
                return Ok(());
            }
            if Instant::now() >= deadline {
                let text = format!(
                    "the change {id:?} is running in the background: run again when it has ended"
                );
                return Err(invalid(&text));
            }
            tokio::time::sleep(self.settings.lock.poll).await;
        }
    }
}
