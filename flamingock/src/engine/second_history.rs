//! Refusing a second history: a service that gets a name must not repeat what it has applied
//! without one.

use std::time::{Duration, Instant};

use super::settings::Settings;
use crate::audit::entry::{LatestEntry, State};
use crate::audit::snapshot::Snapshot;
use crate::audit::store::{Store, whole_snapshot};
use crate::change::names::DEFAULT;
use crate::change::problem::Problem;
use crate::plan::pipeline::Pipeline;
use crate::plan::step::is_applied;
use crate::report::error::Error;

/// How long to wait for a run of the other service. If unrelated applications start at the same
/// time, it ends soon.
const PATIENCE: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(100);

/// Refuses to begin a history for a service that was named later, which would repeat changes or run
/// one that is in doubt. Only for a service that has no entries.
pub(crate) async fn refuse(
    store: &dyn Store,
    settings: &Settings,
    pipeline: &Pipeline,
) -> Result<(), Error> {
    let service = &settings.service;
    store.refuse_hidden(service).await.map_err(Error::store)?;
    if service == DEFAULT || settings.independent {
        return Ok(());
    }
    let deadline = Instant::now() + PATIENCE.min(settings.lock.wait);
    let mut theirs;
    loop {
        theirs = whole_snapshot(store, DEFAULT).await.map_err(Error::store)?;
        if !theirs.is_held() || Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    match reason(&theirs, pipeline) {
        None => Ok(()),
        Some(reason) => Err(invalid(format!(
            "the service \"{service}\" has no history, and {reason}. If \"{service}\" is meant to have a history of its own, say `.independent_service()`"
        ))),
    }
}

fn reason(theirs: &Snapshot, pipeline: &Pipeline) -> Option<String> {
    let take_over = format!(
        "adopt its history once with `adopt --from-service {DEFAULT}` on the command line, or with `Runner::adopt_from_service(\"{DEFAULT}\")`"
    );
    if let Some(reason) = at_work(theirs, DEFAULT) {
        return Some(format!(
            "{reason}: what it is applying would run a second time. Wait until it has ended; if it is the application that had no name until now, {take_over} then"
        ));
    }
    let ours = ours(theirs, pipeline);
    if let Some(open) = open(&ours) {
        return Some(format!(
            "the service \"{DEFAULT}\" has what is neither applied nor rolled back: {open}. It would run again on top of what the last attempt has left. Resolve it in \"{DEFAULT}\" first; if that is the application that had no name until now, {take_over} then"
        ));
    }
    let applied = ours.iter().filter(|latest| is_applied(&latest.state));
    let applied = applied.count();
    (applied > 0).then(|| {
        format!(
            "the service \"{DEFAULT}\" has applied {applied} of these changes in this database: they would run again. If this is the application that had no name until now, {take_over}"
        )
    })
}

/// Describes the owner of a service's lock, if there is one.
pub(crate) fn at_work(theirs: &Snapshot, service: &str) -> Option<String> {
    let mut locks = theirs.lock.iter().chain(&theirs.lanes);
    let lock = locks.find(|lock| lock.held)?;
    Some(format!(
        "the lock of the service \"{service}\" is live, owned by {}",
        lock
    ))
}

/// Returns the entries about changes of this binary: the other service may stand for several
/// applications without a name.
fn ours<'a>(theirs: &'a Snapshot, pipeline: &Pipeline) -> Vec<&'a LatestEntry> {
    let has = |latest: &&LatestEntry| {
        pipeline
            .changes()
            .any(|change| change.id == latest.change_id)
    };
    theirs.latest.iter().filter(has).collect()
}

/// Names the changes that are neither applied nor rolled back, with their states.
pub(crate) fn open(entries: &[&LatestEntry]) -> Option<String> {
    const SHOWN: usize = 10;
    let open = entries.iter().filter(|latest| match &latest.state {
        State::Applied | State::MarkedApplied | State::RolledBack | State::MarkedRolledBack => {
            false
        }
        State::Started
        | State::Failed
        | State::RollbackFailed
        | State::Paused
        | State::Cancelled
        | State::Resumed
        | State::LockReleased
        | State::Unknown(_) => true,
    });
    let mut names: Vec<String> = open
        .map(|latest| format!("\"{}\" ({})", latest.change_id, latest.state))
        .collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("and {more} more"));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

fn invalid(message: String) -> Error {
    Error::invalid(vec![Problem::general(message)])
}
