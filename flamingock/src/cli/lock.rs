//! The commands `lock status` and `lock release`.

use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use super::table::{Sheet, Tone, plain};
use super::view::View;
use crate::audit::grant::STARTUP;
use crate::audit::snapshot::LockStatus;
use crate::runner::builder::Runner;
use crate::util::time;

pub(super) async fn status(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let lock = runner
        .lock_status()
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let lanes = runner
        .lanes()
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let mut parts = vec![match &lock {
        Some(lock) => table(lock, view),
        None => "the lock was never taken".to_owned(),
    }];
    parts.extend(lanes.iter().map(|lane| table(lane, view)));
    let document = json!({ "lock": lock, "lanes": lanes });
    Ok(Answer::data(document, parts.join("\n")))
}

fn table(lock: &LockStatus, view: &View) -> String {
    let mut sheet = Sheet::new(view, &["", ""]);
    let state = if lock.held {
        ("held".to_owned(), Tone::Working)
    } else {
        ("free".to_owned(), Tone::Good)
    };
    let name = match lock.lane.as_str() {
        STARTUP => "lock",
        lane => lane,
    };
    sheet.row(vec![plain(name), state]);
    let mut row = |name: &str, value: &str| sheet.row(vec![plain(name), plain(value)]);
    if lock.held {
        row("owner", &lock.owner);
        row("run", lock.run_id.as_deref().unwrap_or_default());
        row("since", &time::text(lock.acquired_at));
        row(
            "until",
            &lock
                .expires_at
                .map_or_else(|| "its process ends".to_owned(), time::text),
        );
        if let Some(activity) = &lock.activity {
            row("at work at", activity);
        }
    } else {
        row("last owner", &lock.owner);
        row("since", &time::text(lock.acquired_at));
    }
    row("fencing token", &lock.fencing_token.to_string());
    sheet.text()
}

pub(super) async fn release(
    runner: &Runner,
    change: Option<&str>,
    reason: &str,
    view: &View,
) -> Result<Answer, Failure> {
    let released = match change {
        Some(id) => runner.release_lane(id, reason).await,
        None => runner.release_lock(reason).await,
    };
    let released = released.map_err(|error| Failure::of(error, &view.program))?;
    let text = match &released {
        Some(lock) => format!("taken from {} and released", lock.clone()),
        None => "nothing to release: the lock is free".to_owned(),
    };
    Ok(Answer::done(json!({ "released": released }), text))
}
