//! The command `status --all-services`: a line for each service of the database.

use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use super::table::{Sheet, Tone, colored, plain};
use super::time::to_the_second;
use super::view::View;
use crate::audit::snapshot::LockStatus;
use crate::report::services::ServiceStatus;
use crate::runner::builder::Runner;

pub(super) async fn services(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let services = runner
        .services()
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let text = if services.is_empty() {
        "no service was ever seen in this database".to_owned()
    } else {
        table(&services, view)
    };
    Ok(Answer::data(json!({ "services": services }), text))
}

fn table(services: &[ServiceStatus], view: &View) -> String {
    let mut sheet = Sheet::new(
        view,
        &[
            "SERVICE", "APPLIED", "UNDONE", "RUNNING", "FAILED", "ISSUES", "LAST RUN", "LOCK",
        ],
    );
    for one in services {
        let last = one.last_run.as_ref();
        sheet.row(vec![
            plain(&one.service),
            (one.applied.to_string(), Tone::Good),
            number(one.rolled_back, Tone::Waiting),
            number(one.running, Tone::Working),
            number(one.failed, Tone::Bad),
            number(one.issues, Tone::Bad),
            plain(last.map_or_else(String::new, |run| to_the_second(run.started_at))),
            lock(one.lock.as_ref()),
        ]);
    }
    sheet.text()
}

/// Returns an empty cell for 0, so that a column without counts is left out.
fn number(count: usize, tone: Tone) -> (String, Tone) {
    match count {
        0 => plain(""),
        count => (count.to_string(), tone),
    }
}

fn lock(lock: Option<&LockStatus>) -> (String, Tone) {
    match lock {
        Some(lock) if lock.held => colored(&lock.owner, Tone::Working),
        Some(_) => plain("free"),
        None => plain("never taken"),
    }
}
