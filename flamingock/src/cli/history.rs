//! `audit list` and `audit fix`.

use serde_json::json;

use super::answer::Answer;
use super::arguments::{Fix, List};
use super::entry::extended;
use super::failure::Failure;
use super::table::{Sheet, Tone, plain, stage};
use super::time::to_the_second;
use super::view::View;
use crate::audit::{Entry, Filter, State};
use crate::operate::Resolved;
use crate::runner::Runner;

pub(super) async fn list(runner: &Runner, list: List, view: &View) -> Result<Answer, Failure> {
    let filter = Filter {
        change_id: list.change,
        state: list.state.as_deref().map(State::from),
        run_id: None,
        since: list.since,
        newest_only: !list.history,
    };
    let entries = runner
        .audit(&filter)
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let text = if entries.is_empty() {
        "no entries".to_owned()
    } else if list.extended {
        let texts: Vec<String> = entries.iter().map(|entry| extended(entry, view)).collect();
        texts.join("\n\n")
    } else {
        table(&entries, view)
    };
    Ok(Answer::data(json!({ "entries": entries }), text))
}

fn table(entries: &[Entry], view: &View) -> String {
    let mut sheet = Sheet::new(
        view,
        &["SEQ", "BEGAN", "STAGE", "CHANGE", "STATE", "ORIGIN"],
    );
    for entry in entries {
        let new = &entry.entry;
        sheet.row(vec![
            plain(entry.seq.to_string()),
            plain(to_the_second(&entry.started_at)),
            stage(&new.stage),
            plain(if entry.is_of_a_change() {
                &new.change_id
            } else {
                "(the lock)"
            }),
            (new.state.to_string(), tone(&new.state)),
            plain(new.origin.as_str()),
        ]);
    }
    sheet.text()
}

fn tone(state: &State) -> Tone {
    match state {
        State::Applied | State::MarkedApplied => Tone::Good,
        State::RolledBack | State::MarkedRolledBack => Tone::Waiting,
        State::LockReleased => Tone::Plain,
        State::Started => Tone::Working,
        State::Failed | State::RollbackFailed | State::Unknown(_) => Tone::Bad,
    }
}

pub(super) async fn fix(runner: &Runner, fix: &Fix, view: &View) -> Result<Answer, Failure> {
    let resolved = runner
        .resolve(&fix.change, fix.resolution.resolution(), &fix.reason)
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let (id, found) = (&fix.change, fix.resolution.as_str());
    let text = match resolved {
        Resolved::Recorded => format!("recorded: \"{id}\" is {found}"),
        Resolved::Unchanged => {
            format!("nothing to record: the audit says that \"{id}\" is {found}")
        }
    };
    let document = json!({
        "resolution": { "change_id": id, "resolution": found, "result": resolved },
    });
    Ok(Answer::done(document, text))
}
