//! What the content of a fresh database depends on after a run, for tests that copy it.

use super::formats;
use super::mode::Mode;
use super::prepare::Prepared;
use super::request::events_of;
use super::settings::Settings;
use crate::change::problem::Problem;
use crate::listener::Work;
use crate::report::error::Error;
use crate::util::hash::Digest;
use crate::util::random::new_id;

/// Returns a digest of the changes and settings of a run.
///
/// # Errors
/// The changes do not form a valid pipeline, or one of them has another target system, where a copy
/// of the database would not repeat its effects.
pub(crate) async fn clone_key(settings: &Settings) -> Result<String, Error> {
    formats::find_out(settings, None).await?;
    let id = new_id();
    let events = events_of(settings, &id, Work::Run);
    let prepared = Prepared::new(settings.clone(), &id, &events).map_err(Error::invalid)?;
    let problems: Vec<Problem> = problems(&prepared).collect();
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let mut digest = Digest::new();
    let tables = format!("{:?}", settings.tables);
    for text in [&prepared.digest, &tables, env!("CARGO_PKG_VERSION")] {
        digest.text(text);
    }
    Ok(digest.finish())
}

fn problems(prepared: &Prepared) -> impl Iterator<Item = Problem> {
    let mode = (prepared.mode != Mode::Apply).then(|| {
        Problem::general(
            "the runner does not apply its changes: a database for a test needs `Mode::Apply`",
        )
    });
    let changes = prepared.pipeline.changes();
    let selected = changes.filter(|change| prepared.settings.selects(change));
    let elsewhere = selected.filter(|change| {
        let target = prepared.targets.get(change.target);
        target.is_none_or(|target| !target.holds_audit)
    });
    mode.into_iter().chain(elsewhere.map(|change| {
        Problem::at(
            change.location(),
            format!(
                "the change {:?} changes the target system {:?}: a copy of the database would not repeat that. Leave it out for tests, for instance by a tag",
                change.id, change.target
            ),
        )
    }))
}
