//! The command `batch`: looks at changes in batches, and controls them while they work.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use super::answer::Answer;
use super::by::By;
use super::failure::Failure;
use super::reason::reason;
use super::table::{Sheet, plain};
use super::view::View;
use crate::plan::undo::UndoTarget;
use crate::report::error::Error;
use crate::runner::builder::Runner;
use crate::runner::control::{Controlled, Tuning};
use crate::util::visible::Visible;

/// What to do with a change in batches.
#[derive(Debug, Subcommand)]
pub(super) enum Batch {
    /// Show how far the changes in batches are
    List,
    /// Pause a change after the batch in progress, until it is resumed
    Pause(One),
    /// Resume a change that was paused or cancelled
    Resume(One),
    /// Cancel a change after the batch in progress; its committed batches stay
    Cancel(Cancel),
    /// Show the rows that failed: the next apply does them again
    Failed {
        /// The change
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Set the size of the batches of a change, and the pause between them; without an option, the
    /// application decides again
    Tune(Tune),
}

/// One change, and why.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The change
    #[arg(value_name = "ID")]
    id: String,
    /// The reason, recorded in the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    pub(super) by: By,
}

/// One change to cancel, and why.
#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    one: One,
    /// Then undo it: its rollback reverses what the committed batches did
    #[arg(long)]
    rollback: bool,
}

/// How the batches are to be.
#[derive(Debug, Args)]
pub(super) struct Tune {
    /// The change
    #[arg(value_name = "ID")]
    id: String,
    /// The number of rows of each batch, however long one takes
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(i64).range(1..))]
    size: Option<i64>,
    /// The pause between two batches, as in 200ms
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pause: Option<Duration>,
}

impl Batch {
    /// Returns the option `--by` of a command that writes to the audit.
    pub(super) fn by(&self) -> Option<&By> {
        match self {
            Batch::Pause(one) | Batch::Resume(one) => Some(&one.by),
            Batch::Cancel(cancel) => Some(&cancel.one.by),
            Batch::List | Batch::Failed { .. } | Batch::Tune(_) => None,
        }
    }
}

pub(super) async fn batch(runner: Runner, batch: Batch, view: &View) -> Result<Answer, Failure> {
    let failed = |error: Error| Failure::of(error, &view.program);
    let batch = match batch {
        Batch::Cancel(cancel) if cancel.rollback => {
            return cancel_and_undo(runner, cancel.one, view).await;
        }
        batch => batch,
    };
    let runner = &runner;
    let (one, controlled, what) = match batch {
        Batch::List => return list(runner, view).await.map_err(failed),
        Batch::Tune(tune) => return self::tune(runner, &tune).await.map_err(failed),
        Batch::Pause(one) => {
            let done = runner.pause(&one.id, &one.reason).await;
            (one, done, "paused")
        }
        Batch::Resume(one) => {
            let done = runner.resume(&one.id, &one.reason).await;
            (one, done, "resumed")
        }
        Batch::Failed { id } => return failed_rows(runner, &id, view).await.map_err(failed),
        Batch::Cancel(Cancel { one, .. }) => {
            let done = runner.cancel(&one.id, &one.reason).await;
            (one, done, "cancelled")
        }
    };
    let controlled = controlled.map_err(failed)?;
    let id = Visible(&one.id);
    let text = match controlled {
        Controlled::Done => format!("{id} is {what}"),
        Controlled::Requested => {
            format!("{id} will be {what} after the batch in progress: `batch list` shows it")
        }
    };
    let document = json!({ "change_id": one.id, "controlled": controlled });
    Ok(Answer::done(document, text))
}

/// Cancels a change, and undoes it once the run that works on it has stopped.
async fn cancel_and_undo(runner: Runner, one: One, view: &View) -> Result<Answer, Failure> {
    let failed = |error: Error| Failure::of(error, &view.program);
    let undo = view.program.command(&["undo", &one.id]);
    if !view.source.has_code() {
        let text = "the rollback is in the code of the application: use `batch cancel --rollback` of its own program";
        return Err(Failure::refused("invalid", text));
    }
    let pipeline = crate::engine::pipeline_of(&runner.settings).map_err(failed)?;
    let mut changes = pipeline.changes();
    if let Some(change) = changes.find(|change| change.id == one.id)
        && change.rollback.is_none()
    {
        let id = &one.id;
        let text = format!("the change {id:?} has no `#[rollback]`: it was not cancelled");
        return Err(Failure::refused("invalid", text));
    }
    let deadline = Instant::now() + runner.settings.lock.bounded().wait;
    while runner.cancel(&one.id, &one.reason).await.map_err(failed)? == Controlled::Requested {
        if Instant::now() >= deadline {
            let text = format!(
                "{} is asked to end, and its batch takes longer than the wait for the lock: nothing was undone",
                Visible(&one.id)
            );
            let failure = Failure::refused("lock_timeout", text);
            return Err(failure.next(undo, "undoes it, once `batch list` shows it as cancelled"));
        }
        tokio::time::sleep(LOOK).await;
    }
    let change = UndoTarget::Change(one.id);
    super::apply::undo(runner, change.into(), view).await
}

/// How often it is looked whether the change has stopped.
const LOOK: Duration = Duration::from_millis(200);

async fn failed_rows(runner: &Runner, id: &str, view: &View) -> Result<Answer, Error> {
    let rows = runner.failed_rows(id).await?;
    let mut sheet = Sheet::new(view, &["KEY", "ERROR"]);
    for row in &rows {
        sheet.row(vec![plain(&row.key), plain(&row.error)]);
    }
    let text = match rows.as_slice() {
        [] => "no row failed".to_owned(),
        _ => sheet.text(),
    };
    let document = json!({ "change_id": id, "failed_rows": rows });
    Ok(Answer::data(document, text))
}

async fn tune(runner: &Runner, tune: &Tune) -> Result<Answer, Error> {
    let tuning = Tuning {
        size: tune.size,
        pause: tune.pause,
    };
    runner.tune(&tune.id, tuning).await?;
    let id = Visible(&tune.id);
    let size = tune.size.map(|size| format!("{size} rows a batch"));
    let pause = tune.pause.map(|pause| {
        let pause = humantime::format_duration(pause);
        format!("{pause} between two batches")
    });
    let parts: Vec<String> = size.into_iter().chain(pause).collect();
    let text = match parts.as_slice() {
        [] => format!("{id}: the application decides"),
        parts => format!("{id}: {}", parts.join(", ")),
    };
    let document = json!({
        "change_id": tune.id,
        "size": tune.size,
        "pause_ms": tune.pause.map(crate::util::time::in_milliseconds),
    });
    Ok(Answer::done(document, text))
}

async fn list(runner: &Runner, view: &View) -> Result<Answer, Error> {
    let progress = runner.progress().await?;
    let mut sheet = Sheet::new(view, &["CHANGE", "STATE", "PROGRESS"]);
    for one in &progress {
        sheet.row(vec![
            plain(&one.change_id),
            plain(one.state.as_str()),
            plain(one.to_string()),
        ]);
    }
    let text = match progress.as_slice() {
        [] => "no change in batches has begun".to_owned(),
        _ => sheet.text(),
    };
    Ok(Answer::data(json!({ "batches": progress }), text))
}
