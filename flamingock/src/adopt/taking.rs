//! Preparing the entries of an adoption, all of which are appended together.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::PastChange;
use super::adopted::{Adopted, AdoptedChange};
use super::adoption::Adoption;
use super::matching::{Matched, matched};
use super::problem::invalid;
use super::reading;
use crate::audit::entry::{
    Facts, LatestEntry, NewEntry, Origin, State, TransactionMode, UNKNOWN_DIGEST,
};
use crate::change::definition::{Definition, Repeat};
use crate::plan::pipeline::Pipeline;
use crate::report::error::Error;
use crate::target::database::Database;
use crate::util::random::new_id;

/// The entries that an adoption appends, and its report.
pub(crate) struct Prepared {
    pub(crate) entries: Vec<NewEntry>,
    pub(crate) adopted: Adopted,
}

/// Reads a history and matches it with the changes. Writes nothing.
pub(crate) async fn prepare(
    adoption: &Adoption,
    database: Option<&dyn Database>,
    pipeline: &Pipeline,
    own: &[LatestEntry],
    facts: &Arc<Facts>,
) -> Result<Prepared, Error> {
    let tool = adoption.tool;
    let history = reading::read(adoption, database).await?;
    if !history.unknown.is_empty() {
        return Err(invalid(vec![format!(
            "the history of {tool} has entries that are not understood here: {}. Nothing was adopted",
            history.unknown.join(", ")
        )]));
    }
    if !history.unresolved.is_empty() {
        return Err(invalid(vec![format!(
            "the history of {tool} has entries that did not end well: {}. Nothing was adopted. Resolve them with {tool} itself first",
            history.unresolved.join(", ")
        )]));
    }
    if history.is_empty() && !adoption.allow_empty {
        return Err(invalid(vec![format!(
            "the history of {tool} in the target {:?} is empty: allow that for new environments, or look whether this is the right database",
            adoption.target
        )]));
    }
    let any = !history.applied.is_empty();
    let found = matched(tool, &adoption.mapping, history, pipeline);
    let found = found.map_err(Error::invalid)?;
    if any && found.found.is_empty() && found.left_out.is_empty() {
        return Err(invalid(vec![format!(
            "not one change of {tool}'s history is here: {}. Say with a mapping which change is which",
            names(&found.unmapped)
        )]));
    }
    Ok(sort_out(adoption, found, own, facts))
}

/// Refuses to continue a run after an adoption with unmapped migrations: one whose name was not
/// found may be a change that would run again.
pub(super) fn refuse_unmapped(adoption: &Adoption, adopted: &Adopted) -> Result<(), Error> {
    if adopted.unmapped.is_empty() || adoption.allow_unmapped {
        return Ok(());
    }
    Err(invalid(vec![format!(
        "the history of {} has what maps to no change here: {}. Nothing was adopted and nothing ran, since it could run again under another name. Say with a mapping which change is which (`-` for none), or say `.allow_unmapped()`",
        adoption.tool,
        names(&adopted.unmapped)
    )]))
}

fn sort_out(
    adoption: &Adoption,
    found: Matched,
    own: &[LatestEntry],
    facts: &Arc<Facts>,
) -> Prepared {
    let tool = adoption.tool;
    let known: HashSet<&str> = own.iter().map(|latest| latest.change_id.as_str()).collect();
    let mut prepared = Prepared {
        entries: Vec::new(),
        adopted: Adopted {
            tool,
            adopted: Vec::new(),
            known: Vec::new(),
            unmapped: found.unmapped,
            left_out: found.left_out,
            passed_over: found.passed_over,
            not_in_history: ids(&found.pending),
        },
    };
    for (definition, past, why) in found.found {
        let change = AdoptedChange {
            change_id: definition.id.to_owned(),
            past,
            why,
        };
        if known.contains(definition.id) {
            prepared.adopted.known.push(change);
            continue;
        }
        let at = change
            .past
            .applied_at
            .as_ref()
            .map_or_else(String::new, |at| format!(", applied at {at}"));
        let reason = format!("adopted from {tool}: {}{at}", change.past.name);
        let taken = entry(
            definition,
            State::Applied,
            Origin::Import,
            reason,
            Arc::clone(facts),
        );
        prepared.entries.push(match definition.repeat {
            Repeat::Once => taken,
            // The version that the tool applied is unknown, so the change is applied once more.
            Repeat::OnChange => NewEntry {
                digest: UNKNOWN_DIGEST.to_owned(),
                ..taken
            },
        });
        prepared.adopted.adopted.push(change);
    }
    prepared
}

/// Creates the first entry of a change that was never attempted here.
pub(crate) fn entry(
    definition: &Definition,
    state: State,
    origin: Origin,
    reason: String,
    facts: Arc<Facts>,
) -> NewEntry {
    NewEntry {
        attempt: 1,
        stage: definition.stage.to_owned(),
        change_id: definition.id.to_owned(),
        change_order: definition.order.to_owned(),
        author: definition.author.to_owned(),
        description: definition.description.to_owned(),
        target: definition.target.to_owned(),
        state,
        // It is unknown how the change ran, and an applied change left nothing unfinished.
        transaction_mode: TransactionMode::None,
        recovery: Some(definition.recovery),
        origin,
        digest: match definition.retired_since() {
            Some(_) => UNKNOWN_DIGEST.to_owned(),
            None => definition.digest.to_owned(),
        },
        duration: Some(Duration::ZERO),
        location: definition.location().to_string(),
        error: None,
        reason: Some(reason),
        idempotency_key: new_id(),
        origin_facts: facts,
    }
}

fn ids(definitions: &[&'static Definition]) -> Vec<String> {
    definitions
        .iter()
        .map(|definition| definition.id.to_owned())
        .collect()
}

/// Lists names, shortened to fit a line.
fn names(past: &[PastChange]) -> String {
    const SHOWN: usize = 10;
    let mut names: Vec<String> = past
        .iter()
        .take(SHOWN)
        .map(|past| format!("{:?}", past.name))
        .collect();
    if past.len() > SHOWN {
        names.push(format!("and {} more", past.len() - SHOWN));
    }
    names.join(", ")
}
