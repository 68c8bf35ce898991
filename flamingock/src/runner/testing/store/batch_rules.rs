//! The rules of the progress of changes in batches.

use std::time::Duration;

use super::{Broken, SERVICE, Verdict, acquired, ensure, equal, next_owner};
use crate::audit::control::{
    ControlAction, ControlChange, ControlRequest, ProgressControl, ProgressState,
};
use crate::audit::grant::LockGrant;
use crate::audit::progress::{BatchEnd, Progress, ProgressClaim};
use crate::audit::store::Store;
use crate::audit::store_error::StoreErrorKind;
use crate::change::failed_row::FailedRow;

rules! {
    progress_that_is_missing_is_not_claimed: "a change that has begun and has no progress is not claimed";
    claimed_change_begins_without_a_cursor: "a change that begins anew has no cursor";
    batch_is_saved: "the next owner finds what the last batch saved";
    saved_batch_is_not_counted_twice: "saving a batch again changes nothing";
    batch_of_an_old_owner_is_refused: "an owner after whom another run has claimed the change saves nothing";
    change_begins_anew_once: "a claim of the owner is repeated without an effect, also if the change begins anew";
    change_that_begins_anew_forgets_everything: "a change that begins anew has no cursor, rows or requests of before";
    bound_and_total_are_those_of_the_first_batch: "the upper bound and the number of all rows do not change";
    failed_rows_are_kept: "the rows that failed are kept until a batch saves others";
    rollback_begins_anew_once: "a rollback begins anew, and its next claim continues it";
    request_is_seen_and_withdrawn: "a request of an operator is there until it is withdrawn";
    state_removes_its_request: "a state that an operator asked for removes that request, and no other";
    halted_change_stays_halted: "a change that was paused is so for the next owner";
    tuning_is_kept: "the size and the pause that an operator sets stay until they are set anew";
    finished_change_takes_no_request: "a change that is finished takes no request";
    progress_is_listed: "the progress of a service is listed by the ids of its changes";
}

fn claim(grant: &LockGrant, from_start: bool) -> ProgressClaim {
    ProgressClaim {
        grant: grant.clone(),
        change_id: "fill".to_owned(),
        attempt: 1,
        digest: "v1:abc".to_owned(),
        app_version: Some("1.8.0".to_owned()),
        from_start,
        rolls_back: false,
    }
}

fn batch(number: i64, cursor: &str) -> BatchEnd {
    BatchEnd {
        number,
        cursor: Some(cursor.to_owned()),
        bound: Some("\"z\"".to_owned()),
        done_rows: 10,
        total_rows: Some(100),
        size: 20,
        finished: false,
        rolls_back: false,
        failed_rows: Vec::new(),
    }
}

async fn claimed(store: &dyn Store, claim: &ProgressClaim) -> Result<Progress, Broken> {
    let claimed = store.claim_progress(claim).await?;
    claimed.ok_or_else(|| Broken("the change has no progress".to_owned()))
}

/// A change of which two batches are saved, and its owner.
async fn begun(store: &dyn Store) -> Result<(LockGrant, ProgressClaim), Broken> {
    let grant = acquired(store, "one").await?;
    let claim = claim(&grant, true);
    claimed(store, &claim).await?;
    store.save_progress(&claim, &batch(0, "7")).await?;
    store.save_progress(&claim, &batch(1, "19")).await?;
    Ok((grant, claim))
}

async fn control(store: &dyn Store) -> Result<ProgressControl, Broken> {
    let control = store.control(SERVICE, "fill").await?;
    control.ok_or_else(|| Broken("the change has no control".to_owned()))
}

async fn change(store: &dyn Store, change: ControlChange) -> Verdict {
    Ok(store.change_control(SERVICE, "fill", &change).await?)
}

fn pause() -> ControlChange {
    let request = ControlRequest::new(ControlAction::Pause, Some("ada".to_owned()), "load");
    ControlChange::Request(Some(request))
}

async fn progress_that_is_missing_is_not_claimed(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    let claimed = store.claim_progress(&claim(&grant, false)).await?;
    equal("the progress", claimed, None)?;
    let control = store.control(SERVICE, "fill").await?;
    equal("the control", control, None)
}

async fn claimed_change_begins_without_a_cursor(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    let progress = claimed(store, &claim(&grant, true)).await?;
    equal("the run", &*progress.run_id, "one")?;
    equal("the token", progress.fencing_token, grant.fencing_token)?;
    equal("the batches", progress.batches, 0)?;
    equal("the cursor", progress.cursor, None)?;
    equal("finished", progress.finished, false)
}

async fn batch_is_saved(store: &dyn Store) -> Verdict {
    let (grant, _) = begun(store).await?;
    let next = next_owner(store, &grant, "two").await?;
    let progress = claimed(store, &claim(&next, false)).await?;
    equal("the run", &*progress.run_id, "two")?;
    equal("the batches", progress.batches, 2)?;
    equal("the rows", progress.done_rows, 20)?;
    equal("the cursor", progress.cursor.as_deref(), Some("19"))?;
    equal("the size", progress.size, Some(20))?;
    equal(
        "the version",
        progress.app_version.as_deref(),
        Some("1.8.0"),
    )
}

async fn saved_batch_is_not_counted_twice(store: &dyn Store) -> Verdict {
    let (_, claim) = begun(store).await?;
    store.save_progress(&claim, &batch(1, "19")).await?;
    let progress = claimed(store, &claim).await?;
    equal("the batches", progress.batches, 2)?;
    equal("the rows", progress.done_rows, 20)
}

async fn batch_of_an_old_owner_is_refused(store: &dyn Store) -> Verdict {
    let (grant, old) = begun(store).await?;
    let next = next_owner(store, &grant, "two").await?;
    claimed(store, &claim(&next, false)).await?;
    let refused = store.save_progress(&old, &batch(2, "30")).await;
    let is_refused = refused.is_err_and(|error| error.kind == StoreErrorKind::Refused);
    ensure(is_refused, || "it was not refused".to_owned())?;
    // Nor does its claim take the change back.
    let progress = claimed(store, &old).await?;
    equal("the run", &*progress.run_id, "two")?;
    equal("the batches", progress.batches, 2)
}

async fn change_begins_anew_once(store: &dyn Store) -> Verdict {
    let (_, claim) = begun(store).await?;
    let progress = claimed(store, &claim).await?;
    equal("the batches", progress.batches, 2)
}

async fn change_that_begins_anew_forgets_everything(store: &dyn Store) -> Verdict {
    let (grant, _) = begun(store).await?;
    change(store, pause()).await?;
    let tune = ControlChange::Tune {
        pause: None,
        size: Some(3),
    };
    change(store, tune).await?;
    let next = next_owner(store, &grant, "two").await?;
    let progress = claimed(store, &claim(&next, true)).await?;
    equal("the batches", progress.batches, 0)?;
    equal("the rows", progress.done_rows, 0)?;
    equal("the cursor", progress.cursor, None)?;
    equal("the bound", progress.bound, None)?;
    equal("the number of all rows", progress.total_rows, None)?;
    let control = control(store).await?;
    equal("the request", control.request.is_some(), false)?;
    equal("the size", control.size, None)
}

async fn bound_and_total_are_those_of_the_first_batch(store: &dyn Store) -> Verdict {
    let (_, claim) = begun(store).await?;
    let later = BatchEnd {
        bound: Some("\"later\"".to_owned()),
        total_rows: Some(7),
        ..batch(2, "30")
    };
    store.save_progress(&claim, &later).await?;
    let progress = claimed(store, &claim).await?;
    equal("the bound", progress.bound.as_deref(), Some("\"z\""))?;
    equal("the number of all rows", progress.total_rows, Some(100))
}

async fn failed_rows_are_kept(store: &dyn Store) -> Verdict {
    let (_, claim) = begun(store).await?;
    let failed = vec![
        FailedRow::new("7", "it's \"wrong\""),
        FailedRow::new("[1,\"b\"]", "line\nbreak"),
    ];
    for (number, failed_rows) in [(2, failed), (3, Vec::new())] {
        let end = BatchEnd {
            failed_rows: failed_rows.clone(),
            ..batch(number, "30")
        };
        store.save_progress(&claim, &end).await?;
        let progress = claimed(store, &claim).await?;
        equal("the rows", &progress.failed_rows, &failed_rows)?;
        let listed = store.progress(SERVICE).await?;
        let listed: Vec<_> = listed.into_iter().flat_map(|one| one.failed_rows).collect();
        equal("the rows that are listed", listed, failed_rows)?;
    }
    Ok(())
}

async fn rollback_begins_anew_once(store: &dyn Store) -> Verdict {
    let (mut grant, _) = begun(store).await?;
    let back = |grant: &LockGrant| ProgressClaim {
        rolls_back: true,
        ..claim(grant, false)
    };
    for (run, batches) in [("two", 0), ("three", 1)] {
        grant = next_owner(store, &grant, run).await?;
        let progress = claimed(store, &back(&grant)).await?;
        equal("the batches", progress.batches, batches)?;
        equal("it rolls back", progress.rolls_back, true)?;
        let state = control(store).await?.state;
        equal("the state", state, ProgressState::RollingBack)?;
        let end = BatchEnd {
            rolls_back: true,
            ..batch(batches, "7")
        };
        store.save_progress(&back(&grant), &end).await?;
        // That of an operator who was late.
        let late = ControlChange::State {
            state: ProgressState::Cancelled,
            acted: None,
        };
        change(store, late).await?;
        let state = control(store).await?.state;
        equal("the state", state, ProgressState::RollingBack)?;
    }
    let last = BatchEnd {
        rolls_back: true,
        finished: true,
        ..batch(2, "9")
    };
    store.save_progress(&back(&grant), &last).await?;
    let progress = claimed(store, &back(&grant)).await?;
    equal("finished", progress.finished, true)?;
    let listed = store.progress(SERVICE).await?;
    equal("the number of changes that are listed", listed.len(), 0)
}

async fn request_is_seen_and_withdrawn(store: &dyn Store) -> Verdict {
    begun(store).await?;
    change(store, pause()).await?;
    let request = control(store).await?.request;
    let request = request.ok_or_else(|| Broken("there is no request".to_owned()))?;
    equal("the action", request.action, ControlAction::Pause)?;
    equal("the operator", request.operator.as_deref(), Some("ada"))?;
    equal("the reason", request.reason.as_deref(), Some("load"))?;
    change(store, ControlChange::Request(None)).await?;
    let request = control(store).await?.request;
    equal("the request", request.is_some(), false)
}

async fn state_removes_its_request(store: &dyn Store) -> Verdict {
    begun(store).await?;
    for (action, left) in [(ControlAction::Cancel, true), (ControlAction::Pause, false)] {
        change(store, pause()).await?;
        let set = ControlChange::State {
            state: action.state(),
            acted: Some(action),
        };
        change(store, set).await?;
        let control = control(store).await?;
        equal("the state", control.state, action.state())?;
        equal("the request", control.request.is_some(), left)?;
    }
    Ok(())
}

async fn halted_change_stays_halted(store: &dyn Store) -> Verdict {
    let (grant, _) = begun(store).await?;
    let set = ControlChange::State {
        state: ProgressState::Paused,
        acted: None,
    };
    change(store, set).await?;
    let next = next_owner(store, &grant, "two").await?;
    let progress = claimed(store, &claim(&next, false)).await?;
    equal("halted", progress.halted, true)?;
    equal("the batches", progress.batches, 2)
}

async fn tuning_is_kept(store: &dyn Store) -> Verdict {
    begun(store).await?;
    for (pause, size) in [
        (Some(Duration::from_millis(250)), Some(7)),
        (None, Some(8)),
        (None, None),
    ] {
        change(store, ControlChange::Tune { pause, size }).await?;
        let control = control(store).await?;
        equal("the pause", control.pause, pause)?;
        equal("the size", control.size, size)?;
    }
    Ok(())
}

async fn finished_change_takes_no_request(store: &dyn Store) -> Verdict {
    let (_, claim) = begun(store).await?;
    // One that came before the last batch has ended cannot take effect any more.
    change(store, pause()).await?;
    let end = BatchEnd {
        finished: true,
        ..batch(2, "30")
    };
    store.save_progress(&claim, &end).await?;
    change(store, pause()).await?;
    let control = control(store).await?;
    equal("the state", control.state, ProgressState::Finished)?;
    equal("the request", control.request.is_some(), false)
}

async fn progress_is_listed(store: &dyn Store) -> Verdict {
    let (grant, _) = begun(store).await?;
    let other = ProgressClaim {
        change_id: "another".to_owned(),
        ..claim(&grant, true)
    };
    claimed(store, &other).await?;
    let waits = ControlChange::Wait(Some("a replica lags".to_owned()));
    change(store, waits).await?;
    let listed = store.progress(SERVICE).await?;
    let told: Vec<_> = listed
        .iter()
        .map(|one| {
            (
                &*one.change_id,
                one.batches,
                one.done_rows,
                one.waits_for.as_deref(),
            )
        })
        .collect();
    let expected = vec![
        ("another", 0, 0, None),
        ("fill", 2, 20, Some("a replica lags")),
    ];
    equal("the progress", told, expected)?;
    let others = store.progress("another").await?;
    equal("the progress of another service", others.len(), 0)
}
