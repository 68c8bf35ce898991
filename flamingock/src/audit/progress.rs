//! The progress of changes that work in batches.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::grant::LockGrant;
use crate::change::batch::BatchState;
use crate::change::failed_row::FailedRow;

/// A run's request to work on a change in batches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgressClaim {
    /// The grant of the run.
    pub grant: LockGrant,
    /// The id of the change.
    pub change_id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The digest of the change's code.
    pub digest: String,
    /// The version of the application, if it is set.
    pub app_version: Option<String>,
    /// Whether the change, or its rollback, begins anew: earlier progress is forgotten.
    pub from_start: bool,
    /// Whether the batches are those of the change's rollback. If it has not begun yet, it begins
    /// anew.
    pub rolls_back: bool,
}

/// The progress of a change after its last committed batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The run that works on the change, or did last.
    pub run_id: String,
    /// The fencing token of that run.
    pub fencing_token: i64,
    /// The number of committed batches.
    pub batches: i64,
    /// The number of rows that they did.
    pub done_rows: i64,
    /// The number of rows that there are to do, if a batch estimated it.
    pub total_rows: Option<i64>,
    /// The cursor of the last batch, as JSON; `None` before the first one.
    pub cursor: Option<String>,
    /// The last key that there is to do, as JSON, if a batch set one.
    pub bound: Option<String>,
    /// The size of the next batch; `None` before the first one.
    pub size: Option<i64>,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// Whether an operator paused or cancelled the change.
    pub halted: bool,
    /// The version of the application that saved the cursor, if it is set.
    pub app_version: Option<String>,
    /// Whether a batch was committed before its end, by its own statements, so that its cursor is
    /// not known.
    pub committed_midway: bool,
    /// Whether the batches are those of the change's rollback.
    pub rolls_back: bool,
    /// The rows that failed so far.
    pub failed_rows: Vec<FailedRow>,
}

/// What is saved at the end of a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchEnd {
    /// The number of batches before this one. If the progress has another number, this batch was
    /// saved already or belongs to another owner.
    pub number: i64,
    /// The cursor, as JSON.
    pub cursor: Option<String>,
    /// The upper bound, as JSON. Kept only if the progress has none.
    pub bound: Option<String>,
    /// The number of rows that this batch did.
    pub done_rows: i64,
    /// The number of rows that there are to do. Kept only if the progress has none.
    pub total_rows: Option<i64>,
    /// The size of the next batch.
    pub size: i64,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// Whether the batch is one of the change's rollback.
    pub rolls_back: bool,
    /// All rows that failed so far.
    pub failed_rows: Vec<FailedRow>,
}

impl ProgressClaim {
    /// Reports whether the claim makes the change begin anew. One that is repeated must not reset what
    /// the run has saved meanwhile.
    pub(crate) fn begins_anew(&self, progress: &Progress) -> bool {
        let has_to = self.from_start || (self.rolls_back && !progress.rolls_back);
        has_to && !self.owns(progress)
    }

    /// Reports whether the progress belongs to this run.
    pub(crate) fn owns(&self, progress: &Progress) -> bool {
        progress.run_id == self.grant.run_id && progress.fencing_token == self.grant.fencing_token
    }
}

impl BatchEnd {
    /// Returns what to save after a batch that has returned, and that took this long.
    pub(crate) fn of(batch: &BatchState, took: Duration) -> BatchEnd {
        let result = batch.result().unwrap_or_default();
        let finished = result.cursor.is_none();
        BatchEnd {
            number: batch.number,
            cursor: result.cursor.clone().or_else(|| batch.cursor.clone()),
            bound: result.bound.clone(),
            done_rows: result.done_rows,
            total_rows: result.total_rows,
            size: match batch.limits {
                Some(limits) => limits.next(batch.size, took),
                None => batch.size,
            },
            finished,
            rolls_back: batch.rolls_back,
            failed_rows: batch.failed_rows_after(&result),
        }
    }
}

impl Progress {
    /// Returns the progress that a run has after it claimed the change.
    pub(crate) fn claimed(self, claim: &ProgressClaim) -> Progress {
        let before = if claim.begins_anew(&self) {
            Progress {
                rolls_back: claim.rolls_back,
                ..Progress::default()
            }
        } else {
            self
        };
        Progress {
            run_id: claim.grant.run_id.clone(),
            fencing_token: claim.grant.fencing_token,
            ..before
        }
    }

    /// Returns the progress after this batch.
    pub(crate) fn after(self, batch: &BatchEnd) -> Progress {
        Progress {
            batches: batch.number + 1,
            done_rows: self.done_rows.saturating_add(batch.done_rows),
            total_rows: self.total_rows.or(batch.total_rows),
            cursor: batch.cursor.clone(),
            bound: self.bound.or_else(|| batch.bound.clone()),
            size: Some(batch.size),
            finished: batch.finished,
            failed_rows: batch.failed_rows.clone(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_run_begins_anew() {
        let claim = |run_id: &str, from_start| ProgressClaim {
            grant: LockGrant {
                service: "shop".to_owned(),
                lane: "startup".to_owned(),
                fencing_token: 4,
                run_id: run_id.to_owned(),
            },
            change_id: "fill".to_owned(),
            attempt: 2,
            digest: String::new(),
            app_version: None,
            from_start,
            rolls_back: false,
        };
        let saved = Progress {
            run_id: "a".to_owned(),
            fencing_token: 4,
            batches: 3,
            ..Progress::default()
        };
        for (run_id, from_start, batches) in [
            ("a", true, 3),
            ("a", false, 3),
            ("b", false, 3),
            ("b", true, 0),
        ] {
            let claimed = saved.clone().claimed(&claim(run_id, from_start));
            assert_eq!(
                (claimed.run_id.as_str(), claimed.batches),
                (run_id, batches)
            );
        }
    }
}
