//! How far a change is, for people: numbers, rates and their text.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::control::{ControlAction, ControlRequest, ProgressState};
use crate::change::batch::rows_failed;
use crate::change::failed_row::FailedRow;
use crate::util::time;
use crate::util::visible::Visible;

/// How far a change in batches is, for operators.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use flamingock::audit::{ChangeProgress, ProgressState};
///
/// let began = SystemTime::UNIX_EPOCH;
/// let mut progress = ChangeProgress::new("fill-currency", began);
/// progress.state = ProgressState::Running;
/// progress.batches = 12;
/// progress.done_rows = 6_000;
/// progress.total_rows = Some(20_000);
/// progress.updated_at = began + Duration::from_secs(12);
/// assert_eq!(progress.time_left(), Some(Duration::from_secs(28)));
/// assert_eq!(
///     progress.to_string(),
///     "12 batches, 6000 of 20000 rows (30 %), 500 rows/s, 28s left"
/// );
/// progress.state = ProgressState::Finished;
/// assert_eq!(progress.to_string(), "12 batches, 6000 rows done, 500 rows/s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChangeProgress {
    /// The id of the change.
    pub change_id: String,
    /// Whether batches are left.
    pub state: ProgressState,
    /// The run that works on the change, or did last.
    pub run_id: String,
    /// The number of its attempt at this change, from 1.
    pub attempt: u32,
    /// The number of committed batches.
    pub batches: i64,
    /// The number of rows that they did.
    pub done_rows: i64,
    /// The number of rows that there are to do, if a batch estimated it.
    pub total_rows: Option<i64>,
    /// The size of the next batch; `None` before the first one.
    pub size: Option<i64>,
    /// When the change began.
    #[serde(
        serialize_with = "time::serialize",
        deserialize_with = "time::deserialize"
    )]
    pub started_at: SystemTime,
    /// When the last batch was committed, or a run began to work on the change.
    #[serde(
        serialize_with = "time::serialize",
        deserialize_with = "time::deserialize"
    )]
    pub updated_at: SystemTime,
    /// The pause between two batches, if an operator set one.
    #[serde(
        rename = "pause_ms",
        serialize_with = "time::milliseconds_if_any",
        deserialize_with = "time::milliseconds_if_any_back",
        default
    )]
    pub pause: Option<Duration>,
    /// The size of each batch, if an operator set one.
    pub fixed_size: Option<i64>,
    /// Why the next batch waits.
    pub waits_for: Option<String>,
    /// The request of an operator that no run has taken up yet.
    pub request: Option<ControlRequest>,
    /// The rows that failed.
    pub failed_rows: Vec<FailedRow>,
}

impl ChangeProgress {
    /// Creates the progress of a change that began at this time, and has no batch yet.
    pub fn new(change_id: impl Into<String>, started_at: SystemTime) -> ChangeProgress {
        ChangeProgress {
            change_id: change_id.into(),
            state: ProgressState::Running,
            run_id: String::new(),
            attempt: 1,
            batches: 0,
            done_rows: 0,
            total_rows: None,
            size: None,
            started_at,
            updated_at: started_at,
            pause: None,
            fixed_size: None,
            waits_for: None,
            request: None,
            failed_rows: Vec::new(),
        }
    }

    /// Returns the rows a second since the change began, pauses and interruptions included; `None`
    /// before the first batch.
    pub fn rows_per_second(&self) -> Option<f64> {
        let took = self.updated_at.duration_since(self.started_at).ok()?;
        rate(self.done_rows, took)
    }

    /// Returns how long the rest takes at that rate; `None` without an estimate of all rows, and if
    /// nothing is left to do.
    pub fn time_left(&self) -> Option<Duration> {
        time_left(self.done_rows, self.total_left(), self.rows_per_second())
    }

    /// Returns the estimate, unless it is of no interest any more.
    fn total_left(&self) -> Option<i64> {
        self.total_rows
            .filter(|_| self.state != ProgressState::Finished)
    }
}

impl fmt::Display for ChangeProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rows {
            batches: self.batches,
            done: self.done_rows,
            total: self.total_left(),
            per_second: self.rows_per_second().filter(|_| !self.state.is_halted()),
        }
        .fmt(f)?;
        match self.state {
            ProgressState::Paused => f.write_str(", paused")?,
            ProgressState::Cancelled => f.write_str(", cancelled")?,
            ProgressState::RollingBack => f.write_str(", of its rollback")?,
            ProgressState::Running | ProgressState::Finished => {}
        }
        if !self.failed_rows.is_empty() {
            write!(f, ", {}", rows_failed(self.failed_rows.len()))?;
        }
        if let Some(request) = &self.request {
            let asked = match request.action {
                ControlAction::Pause => "to be paused",
                ControlAction::Cancel => "to be cancelled",
            };
            write!(f, ", {asked} after this batch")?;
        }
        match &self.waits_for {
            Some(reason) => write!(f, ", waits: {}", Visible(reason)),
            None => Ok(()),
        }
    }
}

/// The text of a progress.
pub(crate) struct Rows {
    pub(crate) batches: i64,
    pub(crate) done: i64,
    pub(crate) total: Option<i64>,
    pub(crate) per_second: Option<f64>,
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = |count, one, more| if count == 1 { one } else { more };
        let batches = noun(self.batches, "batch", "batches");
        write!(f, "{} {batches}, {} ", self.batches, self.done)?;
        match self.total {
            None => write!(f, "{} done", noun(self.done, "row", "rows"))?,
            Some(total) => {
                write!(f, "of {total} rows ({} %)", percent(self.done, total))?;
            }
        }
        if let Some(per_second) = self.per_second {
            write!(f, ", {per_second:.0} rows/s")?;
        }
        if let Some(left) = time_left(self.done, self.total, self.per_second) {
            write!(f, ", {} left", humantime::format_duration(left))?;
        }
        Ok(())
    }
}

/// Returns how much of the whole is done, in percent.
pub(crate) fn percent(done: impl Into<i128>, whole: impl Into<i128>) -> i128 {
    (done.into() * 100 / whole.into().max(1)).min(100)
}

/// Returns the rows a second.
#[expect(clippy::cast_precision_loss, reason = "a rate is not exact")]
pub(crate) fn rate(rows: i64, took: Duration) -> Option<f64> {
    (rows > 0 && !took.is_zero()).then(|| rows as f64 / took.as_secs_f64())
}

/// Returns how long the rest takes at this rate, to the second.
pub(crate) fn time_left(
    done: i64,
    total: Option<i64>,
    per_second: Option<f64>,
) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate is not exact")]
    let left = total?.saturating_sub(done).max(0) as f64;
    let seconds = (left / per_second?).ceil();
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_what_is_known() {
        for (batches, done, total, per_second, expected) in [
            (0, 0, None, None, "0 batches, 0 rows done"),
            (
                1,
                500,
                None,
                Some(512.4),
                "1 batch, 500 rows done, 512 rows/s",
            ),
            (
                3,
                500,
                Some(1_000),
                Some(4.0),
                "3 batches, 500 of 1000 rows (50 %), 4 rows/s, 2m 5s left",
            ),
            (3, 0, Some(1_000), None, "3 batches, 0 of 1000 rows (0 %)"),
            // The table has grown since it was counted.
            (
                9,
                1_200,
                Some(1_000),
                Some(10.0),
                "9 batches, 1200 of 1000 rows (100 %), 10 rows/s, 0s left",
            ),
            (1, 5, Some(0), None, "1 batch, 5 of 0 rows (100 %)"),
        ] {
            let rows = Rows {
                batches,
                done,
                total,
                per_second,
            };
            assert_eq!(rows.to_string(), expected);
        }
    }

    #[test]
    fn a_rate_needs_rows_and_time() {
        assert_eq!(rate(0, Duration::from_secs(1)), None);
        assert_eq!(rate(5, Duration::ZERO), None);
        assert_eq!(rate(5, Duration::from_secs(2)), Some(2.5));
    }
}
