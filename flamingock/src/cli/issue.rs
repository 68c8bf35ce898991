//! The commands `issue list`, `issue show` and `issue resolve`.

use serde_json::json;

use super::answer::Answer;
use super::arguments::Finding;
use super::attempt::Attempt;
use super::failure::Failure;
use super::guidance::Guidance;
use super::standing::Standing;
use super::table::{Sheet, Tone, plain, stage};
use super::time::to_the_second;
use super::view::View;
use crate::report::issue::{Issue, Resolved};
use crate::runner::builder::Runner;
use crate::util::near_miss::did_you_mean;
use crate::util::visible::Visible;

pub(super) async fn list(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let standing = Standing::read(runner, &*view.source)
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let issues = standing.issues();
    let text = if issues.is_empty() {
        "no issues".to_owned()
    } else {
        let mut text = table(&issues, view);
        if !view.source.has_code() {
            text.push_str(
                "\nThe application may resolve some by itself: `issue show ID --guidance` says what is not known here.",
            );
        }
        text
    };
    Ok(Answer::data(json!({ "issues": issues }), text))
}

pub(super) async fn show(
    runner: &Runner,
    id: &str,
    guidance: bool,
    view: &View,
) -> Result<Answer, Failure> {
    let failed = |error| Failure::of(error, &view.program);
    let standing = Standing::read(runner, &*view.source)
        .await
        .map_err(failed)?;
    let Some(step) = standing.step(id) else {
        let known = standing.plan.steps().map(|step| step.definition.id);
        let message = view.source.has_no(id) + &did_you_mean(id, known);
        return Err(Failure::refused("no_issue", message));
    };
    let Some(issue) = standing.issue(step) else {
        let state = match &step.latest {
            Some(latest) => format!("its latest entry is {}", Visible(&latest.state)),
            None => "it was never tried".to_owned(),
        };
        let message = format!("the change {id:?} needs no resolution: {state}");
        return Err(Failure::refused("no_issue", message));
    };
    let mut document = json!({ "issue": issue });
    if !guidance {
        return Ok(Answer::data(
            document,
            table(std::slice::from_ref(&issue), view),
        ));
    }
    let history = Attempt::read(runner, id, issue.attempt)
        .await
        .map_err(failed)?;
    let lock = standing.snapshot.lock.clone();
    let guidance = Guidance::new(step, &issue, &history, lock, view);
    document["guidance"] = json!(guidance);
    Ok(Answer::data(document, guidance.to_string()))
}

pub(super) async fn resolve(
    runner: &Runner,
    id: &str,
    found: Finding,
    reason: &str,
    view: &View,
) -> Result<Answer, Failure> {
    let resolved = runner
        .resolve(id, found.resolution(), reason)
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let found = found.as_str();
    let text = match resolved {
        Resolved::Recorded => format!("recorded: {id:?} is {found}"),
        Resolved::Unchanged => {
            format!("nothing to record: the audit says that {id:?} is {found}")
        }
    };
    let document = json!({
        "resolution": { "change_id": id, "resolution": found, "result": resolved },
    });
    Ok(Answer::done(document, text))
}

fn table(issues: &[Issue], view: &View) -> String {
    let mut sheet = Sheet::new(
        view,
        &["STAGE", "CHANGE", "TARGET", "STATE", "BEGAN", "CAUSE"],
    );
    for issue in issues {
        let cause = if issue.may_be_running {
            ("running".to_owned(), Tone::Working)
        } else {
            (issue.cause.to_string(), Tone::Bad)
        };
        sheet.row(vec![
            stage(&issue.stage),
            plain(&issue.change_id),
            plain(&issue.target),
            plain(issue.state.as_str()),
            plain(to_the_second(issue.started_at)),
            cause,
        ]);
    }
    sheet.text()
}
