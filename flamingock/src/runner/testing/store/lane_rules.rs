//! The rules of the locks of changes in the background.

use super::{Broken, SERVICE, Verdict, acquired, ensure, entry, equal, request};
use crate::audit::entry::State;
use crate::audit::grant::{AcquireRequest, LockGrant};
use crate::audit::store::Store;
use crate::audit::store_error::StoreErrorKind;

rules! {
    lane_has_a_lock_of_its_own: "the lock of a lane and that of the start have owners at the same time";
    lane_can_be_opened_again: "`open_lane` can be repeated, and changes nothing";
    lanes_are_listed: "the lanes are listed with their owners, without that of the start";
    owner_of_a_lane_appends: "the owner of a lane appends to the audit, and no longer once the lane has another owner";
    tokens_of_a_lane_are_above_the_floor: "the token of a lane is larger than the floor of the request";
    snapshot_tells_of_lanes: "the snapshot says whether the service has lanes";
}

const LANE: &str = "background:fill";

fn of_lane(run_id: &str) -> AcquireRequest {
    AcquireRequest {
        lane: LANE.to_owned(),
        ..request(SERVICE, run_id)
    }
}

async fn owner(store: &dyn Store, run_id: &str) -> Result<LockGrant, Broken> {
    store.open_lane(SERVICE, LANE).await?;
    let acquired = store.acquire(&of_lane(run_id)).await?;
    let acquired = acquired.ok_or_else(|| Broken("the lane was not acquired".to_owned()))?;
    Ok(acquired.grant)
}

async fn lane_has_a_lock_of_its_own(store: &dyn Store) -> Verdict {
    acquired(store, "one").await?;
    let grant = owner(store, "two").await?;
    equal("the lane of the grant", &*grant.lane, LANE)?;
    let again = store.acquire(&of_lane("three")).await?;
    ensure(again.is_none(), || "a lane has two owners".to_owned())
}

async fn lane_can_be_opened_again(store: &dyn Store) -> Verdict {
    let grant = owner(store, "one").await?;
    store.open_lane(SERVICE, LANE).await?;
    let again = store.acquire(&of_lane("one")).await?;
    equal("the grant", again.map(|again| again.grant), Some(grant))
}

async fn lanes_are_listed(store: &dyn Store) -> Verdict {
    acquired(store, "one").await?;
    equal("the lanes", store.lanes(SERVICE).await?.len(), 0)?;
    let grant = owner(store, "two").await?;
    let lanes = store.lanes(SERVICE).await?;
    let told: Vec<_> = lanes
        .iter()
        .map(|lock| (&*lock.lane, lock.run_id.as_deref(), lock.held))
        .collect();
    equal("the lanes", told, vec![(LANE, Some("two"), true)])?;
    store.release(&grant, None).await?;
    let lanes = store.lanes(SERVICE).await?;
    let held = lanes.iter().any(|lock| lock.held);
    equal("a lane is held", held, false)
}

async fn owner_of_a_lane_appends(store: &dyn Store) -> Verdict {
    let grant = owner(store, "one").await?;
    let one = || [entry("fill", 1, State::Started)];
    store.append(&grant, &one()).await?;
    store.release(&grant, None).await?;
    owner(store, "two").await?;
    let refused = store.append(&grant, &one()).await;
    let is_refused = refused.is_err_and(|error| error.kind == StoreErrorKind::Refused);
    ensure(is_refused, || "an old owner was not refused".to_owned())
}

async fn tokens_of_a_lane_are_above_the_floor(store: &dyn Store) -> Verdict {
    let mut start = request(SERVICE, "one");
    start.floor = 40;
    let start = store.acquire(&start).await?;
    let start = start.ok_or_else(|| Broken("the lock was not acquired".to_owned()))?;
    store.open_lane(SERVICE, LANE).await?;
    let mut lane = of_lane("two");
    lane.floor = start.grant.fencing_token;
    let lane = store.acquire(&lane).await?;
    let token = lane.map(|lane| lane.grant.fencing_token);
    ensure(token > Some(start.grant.fencing_token), || {
        format!("the token is {token:?}")
    })
}

async fn snapshot_tells_of_lanes(store: &dyn Store) -> Verdict {
    let has_lanes = async || Ok::<_, Broken>(store.snapshot(SERVICE, "").await?.has_lanes);
    equal("the service has lanes", has_lanes().await?, false)?;
    owner(store, "one").await?;
    equal("the service has lanes", has_lanes().await?, true)
}
