//! A listener that records its events, one line per event.

use std::sync::{Arc, Mutex};

use flamingock::events::Event;
use flamingock::events::EventKind;
use tokio::sync::watch;

/// Clones keep the same lines.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    lines: Arc<Mutex<Vec<String>>>,
    heard: watch::Sender<usize>,
}

impl Recorder {
    /// The listener for the runner.
    pub fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let recorder = self.clone();
        move |event: &Event| {
            recorder.lines.lock().unwrap().push(line(event));
            recorder.heard.send_modify(|heard| *heard += 1);
        }
    }

    /// All events so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until a line begins with this text.
    pub async fn hears(&self, beginning: &str) {
        let mut heard = self.heard.subscribe();
        let there = |_: &usize| {
            self.lines
                .lock()
                .unwrap()
                .iter()
                .any(|line| line.starts_with(beginning))
        };
        // This value owns the sender, so the wait only ends when the line exists.
        let _ = heard.wait_for(there).await;
    }
}

/// The event without the parts that differ between runs.
fn line(event: &Event) -> String {
    match &event.kind {
        EventKind::RunStarted => format!("{} started", event.work.as_str()),
        EventKind::Planned { changes, .. } => format!("planned {changes}"),
        EventKind::LockWaited { .. } => "lock waited".to_owned(),
        EventKind::LockObtained { .. } => "lock obtained".to_owned(),
        EventKind::LockLost { reason, .. } => format!("lock lost: {reason}"),
        EventKind::LockReleased => "lock released".to_owned(),
        EventKind::StageStarted { stage, .. } => format!("stage {stage} started"),
        EventKind::StageEnded { stage, halted, .. } => {
            format!("stage {stage} {}", if *halted { "halted" } else { "ended" })
        }
        EventKind::TargetWaited { target, error, .. } => format!("target {target} waited: {error}"),
        EventKind::TargetReady { target, .. } => format!("target {target} ready"),
        EventKind::ChangeStarted { id, attempt, .. } => format!("{id} {attempt} started"),
        EventKind::ChangeEnded {
            attempt, change, ..
        } => {
            let error = change
                .error
                .as_ref()
                .map(|error| format!(": {}", error.causes()[0]))
                .unwrap_or_default();
            format!("{} {attempt} {}{error}", change.id, change.outcome)
        }
        EventKind::ChangeProgressed {
            id, done, total, ..
        } => format!("{id} did {done} of {total:?}"),
        EventKind::BatchCommitted {
            id,
            batch,
            done_rows,
            ..
        } => format!("{id} batch {batch}, {done_rows} rows done"),
        EventKind::StepStarted {
            id,
            step,
            steps,
            rollback,
            ..
        } => format!("{id} {}step {step} of {steps} started", back(*rollback)),
        EventKind::StepEnded {
            id,
            step,
            steps,
            rollback,
            error,
            ..
        } => {
            let error = error
                .as_ref()
                .map(|error| format!(": {}", error.causes()[0]))
                .unwrap_or_default();
            format!(
                "{id} {}step {step} of {steps} ended{error}",
                back(*rollback)
            )
        }
        EventKind::Verified(answer) => {
            format!("{} present: {:?}", answer.change_id, answer.present)
        }
        EventKind::IssueFound { id, cause, .. } => format!("{id} issue: {cause:?}"),
        EventKind::RunEnded { error, .. } => {
            let kind = error.as_ref().map_or("well", |error| error.kind.as_str());
            format!("{} ended: {kind}", event.work.as_str())
        }
        other => format!("{other:?}"),
    }
}

fn back(rollback: bool) -> &'static str {
    if rollback { "rollback of " } else { "" }
}
