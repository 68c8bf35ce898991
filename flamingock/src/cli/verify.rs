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
use crate::report::verify::{Verdict, VerifyReport};
use crate::runner::builder::Runner;

pub(super) async fn verify(runner: Runner, view: &View) -> Result<Answer, Failure> {
    // The command takes precedence over the mode, which is not even read.
    let progress = Progress::new(view);
    let reports = progress.follow(runner).mode(Mode::Plan).verify().await;
    progress.end();
    let reports = reports.map_err(|error| Failure::of(error, &view.program))?;
    let needs_resolution = |report: &VerifyReport| match report.verdict {
        Verdict::Missing | Verdict::UnexpectedlyPresent | Verdict::Unknown => true,
        Verdict::Consistent | Verdict::WillBeResolved | Verdict::Running => false,
    };
    let exit = if reports.iter().any(needs_resolution) {
        Exit::Person
    } else {
        Exit::Done
    };
    let text = if reports.is_empty() {
        "no change has a verify function".to_owned()
    } else {
        table(&reports, view)
    };
    Ok(Answer::data(json!({ "changes": reports }), text).ending(exit))
}

fn table(reports: &[VerifyReport], view: &View) -> String {
    let mut sheet = Sheet::new(
        view,
        &["STAGE", "CHANGE", "TARGET", "STATE", "EFFECT", "NOTE"],
    );
    for report in reports {
        let (effect, tone) = effect(report);
        sheet.row(vec![
            stage(&report.stage),
            plain(&report.change_id),
            plain(&report.target),
            plain(report.state.as_ref().map_or("", State::as_str)),
            (effect.to_owned(), tone),
            plain(note(report)),
        ]);
    }
    sheet.text()
}

fn effect(report: &VerifyReport) -> (&'static str, Tone) {
    let tone = match report.verdict {
        Verdict::Consistent => Tone::Good,
        Verdict::WillBeResolved => Tone::Waiting,
        Verdict::Running => Tone::Working,
        Verdict::Missing | Verdict::UnexpectedlyPresent | Verdict::Unknown => Tone::Bad,
    };
    match report.present {
        Some(true) => ("present", tone),
        Some(false) => ("absent", tone),
        None => ("unknown", tone),
    }
}

fn note(report: &VerifyReport) -> String {
    let note = match report.verdict {
        Verdict::Consistent => "",
        Verdict::Missing => "applied, and its effect is missing",
        Verdict::UnexpectedlyPresent => {
            "not applied, and its effect is present: `apply` would run it"
        }
        Verdict::WillBeResolved => "`apply` resolves it",
        Verdict::Running => "running",
        Verdict::Unknown => return report.error.iter().map(ToString::to_string).collect(),
    };
    note.to_owned()
}
