//! The rules of the lock.

use std::time::Duration;

use super::{Broken, LEASE, SERVICE, Verdict, acquired, ensure, entry, equal, next_owner, request};
use crate::audit::entry::State;
use crate::audit::grant::{AcquireRequest, LockGrant};
use crate::audit::store::{Acquired, HistoryFilter, Store};

rules! {
    creation_can_be_repeated: "`create` can be called again, also by several processes at once, and loses nothing";
    new_service_is_empty: "a new service has no entries, and its lock has no owner";
    free_lock_is_acquired: "a free lock is acquired, and the snapshot shows its owner";
    two_acquisitions_give_one_owner: "of several acquisitions at once, one gets the lock";
    held_lock_is_not_acquired: "a lock with an owner is not acquired";
    repeated_acquisition_gives_the_same_token: "the owner that asks again gets the same fencing token";
    released_lock_has_no_owner: "a lock that was released has no owner";
    tokens_grow: "each acquisition has a larger fencing token than all before it";
    released_lock_had_no_previous_run: "after a release, an acquisition names no previous run";
    ended_lease_has_no_owner: "a lock whose lease has ended is not held, although it was not released";
    ended_lease_is_taken_over: "a lock whose lease has ended is acquired, and the previous run is named";
    renewed_lease_is_kept: "a renewed lease does not end at its first end";
    ended_lease_is_renewed: "the owner renews a lease that has ended, if no other run has taken the lock";
    renewal_of_an_old_owner_is_refused: "an owner whose lock was taken does not renew it, and changes nothing";
    renewal_after_the_release_is_refused: "a lock that was released is not renewed";
    renewer_renews: "the renewer of the store renews the same lease";
    activity_is_shown: "a renewal with an activity sets it, and one without keeps it";
    release_of_an_old_owner_changes_nothing: "an owner whose lock was taken does not release it";
    release_can_be_repeated: "a release can be repeated";
    lock_is_taken_from_the_named_owner: "a forced acquisition takes the lock from the owner with that token, and from no other";
    free_lock_is_not_taken_by_force: "a forced acquisition does not take a free lock";
    digest_is_kept_by_the_release: "the digest of a release is recorded, and forgotten by a release without one";
    digest_is_forgotten_by_an_acquisition: "from an acquisition to the next release, no digest is recorded";
    digest_of_an_old_owner_is_not_kept: "the digest of an owner whose lock was taken is not recorded";
    services_have_locks_of_their_own: "two services have two locks";
}

async fn creation_can_be_repeated(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store
        .append(&grant, &[entry("a", 1, State::Applied)])
        .await?;
    let (one, two, three) = tokio::join!(
        store.create(SERVICE),
        store.create(SERVICE),
        store.create(SERVICE)
    );
    one.and(two).and(three)?;
    let entries = store.history(SERVICE, &HistoryFilter::default()).await?;
    equal("the number of entries", entries.len(), 1)?;
    equal("the lock is held", is_held(store).await?, true)
}

async fn new_service_is_empty(store: &dyn Store) -> Verdict {
    let snapshot = store.snapshot(SERVICE, "digest").await?;
    equal("the number of entries", snapshot.latest.len(), 0)?;
    equal("up to date", snapshot.up_to_date, false)?;
    equal("the tables exist", snapshot.tables, true)?;
    equal("the lock is held", snapshot.is_held(), false)?;
    let entries = store.history(SERVICE, &HistoryFilter::default()).await?;
    equal("the number of entries", entries.len(), 0)
}

async fn free_lock_is_acquired(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    equal("the run of the grant", &*grant.run_id, "one")?;
    equal("the service of the grant", &*grant.service, SERVICE)?;
    let lock = store.snapshot(SERVICE, "").await?.lock;
    let lock = lock.ok_or_else(|| Broken("the snapshot has no lock".to_owned()))?;
    equal("the lock is held", lock.held, true)?;
    equal("the run of the lock", lock.run_id.as_deref(), Some("one"))?;
    equal("the owner", &*lock.owner, "the run one")?;
    equal("the token", lock.fencing_token, grant.fencing_token)
}

async fn two_acquisitions_give_one_owner(store: &dyn Store) -> Verdict {
    let requests: Vec<AcquireRequest> = (0..8)
        .map(|run| request(SERVICE, &format!("run-{run}")))
        .collect();
    let acquired = requests.iter().map(|request| store.acquire(request));
    let mut owners = 0;
    for acquired in futures_util::future::join_all(acquired).await {
        owners += usize::from(acquired?.is_some());
    }
    equal("the number of owners", owners, 1)
}

async fn held_lock_is_not_acquired(store: &dyn Store) -> Verdict {
    acquired(store, "one").await?;
    is_refused(store, &request(SERVICE, "two")).await
}

async fn repeated_acquisition_gives_the_same_token(store: &dyn Store) -> Verdict {
    let first = acquired(store, "one").await?;
    let again = acquired(store, "one").await?;
    equal("the grant", again, first)
}

async fn released_lock_has_no_owner(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.release(&grant, None).await?;
    equal("the lock is held", is_held(store).await?, false)
}

async fn tokens_grow(store: &dyn Store) -> Verdict {
    let mut grant = acquired(store, "run-0").await?;
    for run in 1..5 {
        let next = next_owner(store, &grant, &format!("run-{run}")).await?;
        ensure(next.fencing_token > grant.fencing_token, || {
            let (next, before) = (next.fencing_token, grant.fencing_token);
            format!("the token {next} comes after {before}")
        })?;
        grant = next;
    }
    Ok(())
}

async fn released_lock_had_no_previous_run(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.release(&grant, None).await?;
    let acquired = got(store.acquire(&request(SERVICE, "two")).await?)?;
    equal("the previous run", acquired.previous_run, None)
}

async fn ended_lease_has_no_owner(store: &dyn Store) -> Verdict {
    acquired_for(store, "one", SHORT).await?;
    while is_held(store).await? {
        tokio::time::sleep(SHORT / 10).await;
    }
    Ok(())
}

async fn ended_lease_is_taken_over(store: &dyn Store) -> Verdict {
    let first = acquired_for(store, "one", SHORT).await?;
    let acquired = taken_over(store).await?;
    equal(
        "the previous run",
        acquired.previous_run.as_deref(),
        Some("one"),
    )?;
    ensure(acquired.grant.fencing_token > first.fencing_token, || {
        "the token did not grow".to_owned()
    })
}

async fn renewed_lease_is_kept(store: &dyn Store) -> Verdict {
    let grant = acquired_for(store, "one", ENOUGH).await?;
    equal("renewed", store.renew(&grant, LEASE, None).await?, true)?;
    tokio::time::sleep(ENOUGH + SHORT).await;
    is_refused(store, &request(SERVICE, "two")).await
}

async fn ended_lease_is_renewed(store: &dyn Store) -> Verdict {
    let grant = acquired_for(store, "one", SHORT).await?;
    tokio::time::sleep(2 * SHORT).await;
    equal("renewed", store.renew(&grant, LEASE, None).await?, true)?;
    is_refused(store, &request(SERVICE, "two")).await
}

async fn renewal_of_an_old_owner_is_refused(store: &dyn Store) -> Verdict {
    let old = acquired_for(store, "one", SHORT).await?;
    let new = taken_over(store).await?.grant;
    equal(
        "renewed",
        store.renew(&old, LEASE, Some("late")).await?,
        false,
    )?;
    let lock = store.snapshot(SERVICE, "").await?.lock;
    let activity = lock.and_then(|lock| lock.activity);
    ensure(activity.as_deref() != Some("late"), || {
        "its activity is shown".to_owned()
    })?;
    equal("renewed", store.renew(&new, LEASE, None).await?, true)
}

async fn renewal_after_the_release_is_refused(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.release(&grant, None).await?;
    equal("renewed", store.renew(&grant, LEASE, None).await?, false)?;
    equal("the lock is held", is_held(store).await?, false)
}

async fn renewer_renews(store: &dyn Store) -> Verdict {
    let Some(renewer) = store.renewer() else {
        return Ok(());
    };
    let grant = acquired_for(store, "one", SHORT).await?;
    equal("renewed", renewer.renew(&grant, LEASE, None).await?, true)?;
    tokio::time::sleep(2 * SHORT).await;
    is_refused(store, &request(SERVICE, "two")).await
}

async fn activity_is_shown(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    for (set, shown) in [(Some("0001 a"), "0001 a"), (None, "0001 a")] {
        store.renew(&grant, LEASE, set).await?;
        let lock = store.snapshot(SERVICE, "").await?.lock;
        let activity = lock.and_then(|lock| lock.activity);
        equal("the activity", activity.as_deref(), Some(shown))?;
    }
    Ok(())
}

async fn release_of_an_old_owner_changes_nothing(store: &dyn Store) -> Verdict {
    let old = acquired_for(store, "one", SHORT).await?;
    taken_over(store).await?;
    store.release(&old, None).await?;
    equal("the lock is held", is_held(store).await?, true)
}

async fn release_can_be_repeated(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.release(&grant, Some("digest")).await?;
    store.release(&grant, Some("digest")).await?;
    let snapshot = store.snapshot(SERVICE, "digest").await?;
    equal("up to date", snapshot.up_to_date, true)
}

async fn lock_is_taken_from_the_named_owner(store: &dyn Store) -> Verdict {
    let owner = acquired(store, "one").await?;
    let mut force = request(SERVICE, "two");
    force.force = Some(owner.fencing_token + 1);
    is_refused(store, &force).await?;
    force.force = Some(owner.fencing_token);
    let taken = got(store.acquire(&force).await?)?;
    equal(
        "the previous run",
        taken.previous_run.as_deref(),
        Some("one"),
    )?;
    equal("renewed", store.renew(&owner, LEASE, None).await?, false)
}

async fn free_lock_is_not_taken_by_force(store: &dyn Store) -> Verdict {
    let owner = acquired(store, "one").await?;
    store.release(&owner, None).await?;
    let mut force = request(SERVICE, "two");
    force.force = Some(owner.fencing_token);
    is_refused(store, &force).await
}

async fn digest_is_kept_by_the_release(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.release(&grant, Some("digest")).await?;
    for (digest, expected) in [("digest", true), ("other", false)] {
        let snapshot = store.snapshot(SERVICE, digest).await?;
        equal("up to date", snapshot.up_to_date, expected)?;
    }
    let grant = acquired(store, "two").await?;
    store.release(&grant, None).await?;
    let snapshot = store.snapshot(SERVICE, "digest").await?;
    equal("up to date", snapshot.up_to_date, false)
}

async fn digest_is_forgotten_by_an_acquisition(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.release(&grant, Some("digest")).await?;
    acquired(store, "two").await?;
    let snapshot = store.snapshot(SERVICE, "digest").await?;
    equal("up to date", snapshot.up_to_date, false)
}

async fn digest_of_an_old_owner_is_not_kept(store: &dyn Store) -> Verdict {
    let old = acquired_for(store, "one", SHORT).await?;
    let new = taken_over(store).await?.grant;
    store.release(&old, Some("digest")).await?;
    store.release(&new, None).await?;
    let snapshot = store.snapshot(SERVICE, "digest").await?;
    equal("up to date", snapshot.up_to_date, false)
}

async fn services_have_locks_of_their_own(store: &dyn Store) -> Verdict {
    acquired(store, "one").await?;
    store.register("another").await?;
    got(store.acquire(&request("another", "two")).await?).map(drop)
}

/// Short enough to wait for its end.
const SHORT: Duration = Duration::from_millis(100);

/// Longer than a request takes on a busy machine.
const ENOUGH: Duration = Duration::from_secs(1);

fn got(acquired: Option<Acquired>) -> Result<Acquired, Broken> {
    acquired.ok_or_else(|| Broken("the lock was not acquired".to_owned()))
}

async fn acquired_for(
    store: &dyn Store,
    run_id: &str,
    lease: Duration,
) -> Result<LockGrant, Broken> {
    let mut wanted = request(SERVICE, run_id);
    wanted.lease = lease;
    Ok(got(store.acquire(&wanted).await?)?.grant)
}

/// Acquires the lock once its lease has ended.
async fn taken_over(store: &dyn Store) -> Result<Acquired, Broken> {
    loop {
        if let Some(acquired) = store.acquire(&request(SERVICE, "two")).await? {
            return Ok(acquired);
        }
        tokio::time::sleep(SHORT / 10).await;
    }
}

async fn is_refused(store: &dyn Store, request: &AcquireRequest) -> Verdict {
    let acquired = store.acquire(request).await?;
    ensure(acquired.is_none(), || {
        format!("the run {} got the lock", request.run_id)
    })
}

async fn is_held(store: &dyn Store) -> Result<bool, Broken> {
    Ok(store.snapshot(SERVICE, "").await?.is_held())
}
