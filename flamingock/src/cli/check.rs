//! The command `check`, which can wait until nothing is pending.

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::answer::Answer;
use super::apply::answer;
use super::exit::Exit;
use super::failure::Failure;
use super::format::Format;
use super::plan::format_report;
use super::signal;
use super::terminal;
use super::view::View;
use crate::audit::store_error::StoreErrorKind;
use crate::engine::mode::Mode;
use crate::lock::backoff::Backoff;
use crate::report::error::{Error, ErrorKind};
use crate::runner::builder::Runner;
use crate::util::random::new_id;

/// Whether to wait.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Wait until nothing is pending, at most for this time, as in 10m; an issue ends the wait
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    /// Count the changes in the background, too
    #[arg(long)]
    background: bool,
    /// The format of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) async fn check(runner: Runner, check: &Check, view: &View) -> Result<Answer, Failure> {
    let mut runner = runner.mode(Mode::Check);
    if check.background {
        runner = runner.with_background();
    }
    if let Some(limit) = check.wait {
        wait(&runner, limit).await?;
    }
    match runner.run().await {
        Ok(report) => {
            let mut answer = answer(&report, view);
            if let Some(text) = format_report(check.format, &report) {
                answer.text = text;
            }
            Ok(answer)
        }
        Err(error) => {
            let text = error
                .report()
                .and_then(|report| format_report(check.format, report));
            if let Some(text) = text.filter(|_| !view.json) {
                // A closed output is no failure, and the exit code has the result.
                let _ = terminal::print(&text);
            }
            Err(Failure::of(error, &view.program))
        }
    }
}

/// Waits until a check has another result than that changes are pending, or until a signal. The
/// first process of a container has no default handler for signals, so they are handled here.
async fn wait(runner: &Runner, limit: Duration) -> Result<(), Failure> {
    let (caught, signal) = signal::listen(|_| {})
        .map_err(|error| Failure::file("could not listen for signals", &error))?;
    tokio::select! {
        () = poll(runner, limit) => Ok(()),
        () = signal => {
            let exit = caught.signal().map_or(Exit::Failed, Exit::Signal);
            let message = "a signal ended the wait; nothing was written";
            Err(Failure::refused("cancelled", message).ending(exit))
        }
    }
}

/// Polls with the pauses of a run that waits for the lock.
async fn poll(runner: &Runner, limit: Duration) {
    let began = Instant::now();
    let mut pace = Backoff::new(runner.settings.lock.poll, &new_id());
    let mut settings = runner.settings.clone();
    // Listeners receive the events of the final check, and not those of each poll.
    settings.listeners.clear();
    let polled = Runner { settings };
    loop {
        let Err(error) = polled.run().await else {
            return;
        };
        let pause = match error.kind() {
            ErrorKind::Pending => {
                let pending = pending(&error);
                tracing::info!(pending, "waiting for pending changes");
                pace.after(pending, began.elapsed())
            }
            // The database may start together with this process, or restart.
            ErrorKind::Store if error.is_store(StoreErrorKind::Disconnected) => {
                tracing::info!(%error, "waiting for the database");
                pace.grow()
            }
            _ => return,
        };
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(pause.min(left)).await;
    }
}

fn pending(error: &Error) -> usize {
    error.report().map_or(0, |report| {
        let counts = report.counts();
        counts.total - counts.already_applied - counts.filtered
    })
}
