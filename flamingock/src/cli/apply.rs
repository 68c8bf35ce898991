//! The commands that run changes: `apply` and `undo`.

use serde_json::json;

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::progress::Progress;
use super::table::{Sheet, plain, stage};
use super::view::View;
use super::{report, signal};
use crate::engine::mode::Mode;
use crate::plan::undo::Undo;
use crate::report::error::{Error, ErrorKind};
use crate::report::run::Report;
use crate::runner::builder::Runner;
use crate::util::boxed::BoxFuture;
use crate::util::plural::plural;

pub(super) async fn apply(
    runner: Runner,
    background: bool,
    view: &View,
) -> Result<Answer, Failure> {
    let runner = runner.mode(Mode::Apply);
    match background {
        true => {
            until_a_signal(runner, view, |runner, signal| {
                runner.spawn_work(false).until(signal)
            })
            .await
        }
        false => {
            until_a_signal(runner, view, |runner, signal| {
                runner.run().cancel_on(signal)
            })
            .await
        }
    }
}

pub(super) async fn undo(runner: Runner, undo: Undo, view: &View) -> Result<Answer, Failure> {
    let start = |runner: &Runner, signal| runner.undo(undo).cancel_on(signal);
    let mut answer = until_a_signal(runner, view, start).await?;
    if answer.json["report"]["counts"]["total"] == 0 {
        NOTHING_TO_UNDO.clone_into(&mut answer.text);
    }
    Ok(answer)
}

const NOTHING_TO_UNDO: &str = "nothing to undo";

pub(super) async fn plan_undo(runner: &Runner, undo: Undo, view: &View) -> Result<Answer, Failure> {
    let planned = runner.plan_undo(undo).await;
    let report = planned.map_err(|error| Failure::of(error, &view.program))?;
    let mut sheet = Sheet::new(view, &["STAGE", "ORDER", "CHANGE", "TARGET"]);
    for part in &report.stages {
        for change in &part.changes {
            sheet.row(vec![
                stage(&part.name),
                plain(change.order),
                plain(&change.id),
                plain(change.target),
            ]);
        }
    }
    let text = match report.counts().total {
        0 => NOTHING_TO_UNDO.to_owned(),
        total => {
            let changes = plural(total, "change");
            format!("{changes} would be undone, in this order\n{}", sheet.text())
        }
    };
    Ok(Answer::data(json!({ "report": report }), text))
}

async fn until_a_signal<F>(
    runner: Runner,
    view: &View,
    start: impl FnOnce(&Runner, BoxFuture<'static, ()>) -> F,
) -> Result<Answer, Failure>
where
    F: Future<Output = Result<Report, Error>>,
{
    let progress = Progress::new(view);
    let (caught, signal) = signal::listen(progress.teller())
        .map_err(|error| Failure::file("could not listen for signals", &error))?;
    let ended = start(&progress.follow(runner), Box::pin(signal)).await;
    progress.end();
    match ended {
        Ok(done) => Ok(answer(&done, view)),
        Err(error) => {
            let cancelled = error.kind() == ErrorKind::Cancelled;
            let mut failure = Failure::of(error, &view.program);
            if let (true, Some(number)) = (cancelled, caught.signal()) {
                failure.exit = Exit::Signal(number);
            }
            Err(failure)
        }
    }
}

pub(super) fn answer(done: &Report, view: &View) -> Answer {
    Answer::done(json!({ "report": done }), report::to_text(done, view))
}
