//! The command `baseline`: records what was applied by hand.

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use super::by::By;
use super::failure::Failure;
use super::reason::reason;
use super::table::{Sheet, Tone, plain};
use super::view::View;
use crate::runner::builder::Runner;

/// The last applied change, and the reason.
#[derive(Debug, Args)]
pub(super) struct Baseline {
    /// The last applied change; those before it in its stage, and those of earlier stages, are recorded,
    /// too
    #[arg(value_name = "ID")]
    up_to: String,
    /// The reason, recorded in the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    pub(super) by: By,
}

pub(super) async fn baseline(
    runner: &Runner,
    baseline: &Baseline,
    view: &View,
) -> Result<Answer, Failure> {
    let recorded = runner
        .baseline(&baseline.up_to, &baseline.reason)
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let mut sheet = Sheet::new(view, &["CHANGE", "OUTCOME"]);
    let mut row = |id: &str, outcome: &str, tone: Tone| {
        sheet.row(vec![plain(id), (outcome.to_owned(), tone)]);
    };
    for id in &recorded.recorded {
        row(id, "marked as applied", Tone::Good);
    }
    for id in &recorded.known {
        row(id, "known already", Tone::Plain);
    }
    let text = sheet.text();
    Ok(Answer::done(json!({ "baseline": recorded }), text))
}
