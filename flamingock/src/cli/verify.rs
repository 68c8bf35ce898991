//! The command `verify`: compares the answers of the verify functions with the audit.

use serde_json::json;

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::progress::Progress;
use super::table::{Sheet, Tone, plain, stage};
use super::view::View;
use crate::audit::entry::State;
use crate::engine::mode::Mode;
use crate::report::probe::{Probe, Verdict};
use crate::runner::builder::Runner;

pub(super) async fn verify(runner: Runner, view: &View) -> Result<Answer, Failure> {
    // The command takes precedence over the mode, which is not even read.
    let progress = Progress::new(view);
    let probes = progress.follow(runner).mode(Mode::Plan).verify().await;
    progress.end();
    let probes = probes.map_err(|error| Failure::of(error, &view.program))?;
    let needs_resolution = |probe: &Probe| match probe.verdict {
        Verdict::Gone | Verdict::ThereAlready | Verdict::NotKnown => true,
        Verdict::Agrees | Verdict::SettledByTheNextRun | Verdict::Running => false,
    };
    let exit = if probes.iter().any(needs_resolution) {
        Exit::Person
    } else {
        Exit::Done
    };
    let text = if probes.is_empty() {
        "no change has a probe".to_owned()
    } else {
        table(&probes, view)
    };
    Ok(Answer::data(json!({ "probes": probes }), text).ending(exit))
}

fn table(probes: &[Probe], view: &View) -> String {
    let mut sheet = Sheet::new(
        view,
        &["STAGE", "CHANGE", "TARGET", "STATE", "PROBE", "NOTE"],
    );
    for probe in probes {
        let (said, tone) = said(probe);
        sheet.row(vec![
            stage(&probe.stage),
            plain(&probe.change_id),
            plain(&probe.target),
            plain(probe.state.as_ref().map_or("", State::as_str)),
            (said.to_owned(), tone),
            plain(note(probe)),
        ]);
    }
    sheet.text()
}

fn said(probe: &Probe) -> (&'static str, Tone) {
    let tone = match probe.verdict {
        Verdict::Agrees => Tone::Good,
        Verdict::SettledByTheNextRun => Tone::Waiting,
        Verdict::Running => Tone::Working,
        Verdict::Gone | Verdict::ThereAlready | Verdict::NotKnown => Tone::Bad,
    };
    match probe.there {
        Some(true) => ("there", tone),
        Some(false) => ("not there", tone),
        None => ("failed", tone),
    }
}

fn note(probe: &Probe) -> String {
    let note = match probe.verdict {
        Verdict::Agrees => "",
        Verdict::Gone => "applied, and its effect is gone",
        Verdict::ThereAlready => "not applied, and its effect is there: `apply` would run it",
        Verdict::SettledByTheNextRun => "`apply` resolves it",
        Verdict::Running => "running",
        Verdict::NotKnown => return probe.error.iter().map(ToString::to_string).collect(),
    };
    note.to_owned()
}
