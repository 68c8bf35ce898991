//! The statements on the progress of changes that work in batches. The databases differ in a few
//! expressions, which are filled in.

use crate::dialect::ProgressSql;
use crate::rows::ControlChange;

/// Adds the row of a change that has none.
const SEED: &str = "%insert% INTO {progress} (service, change_id, shard, state, attempt, run_id,
  fencing_token, digest, batches, done_rows, started_at, updated_at)
VALUES ($service, $change_id, %none%, 'running', $attempt, %none%, 0, $digest, 0, 0, %now%, %now%)%or_nothing%";

/// Makes a run the one that works on the change. The state and the owner are set last, because MySQL
/// computes the values in order.
const TAKE: &str = "UPDATE {progress} SET attempt = $attempt, digest = $digest,
  waits_for = NULL, updated_at = %now%,
  started_at = CASE WHEN %anew% THEN %now% ELSE started_at END,
  request = CASE WHEN %anew% THEN NULL ELSE request END,
  request_operator = CASE WHEN %anew% THEN NULL ELSE request_operator END,
  request_reason = CASE WHEN %anew% THEN NULL ELSE request_reason END,
  requested_at = CASE WHEN %anew% THEN NULL ELSE requested_at END,
  pause_ms = CASE WHEN %anew% THEN NULL ELSE pause_ms END,
  throttle = CASE WHEN %anew% THEN NULL ELSE throttle END,
  metadata = CASE WHEN %anew% THEN NULL ELSE metadata END,
  failed_items = CASE WHEN %anew% THEN NULL ELSE failed_items END,
  batch_cursor = CASE WHEN %anew% THEN NULL ELSE batch_cursor END,
  upper_bound = CASE WHEN %anew% THEN NULL ELSE upper_bound END,
  total_rows = CASE WHEN %anew% THEN NULL ELSE total_rows END,
  batches = CASE WHEN %anew% THEN 0 ELSE batches END,
  done_rows = CASE WHEN %anew% THEN 0 ELSE done_rows END,
  state = CASE WHEN %anew% THEN $begun WHEN state = 'cleared' THEN $begun ELSE state END,
  run_id = $run_id, fencing_token = $fencing_token
WHERE %row% AND fencing_token <= $fencing_token";

/// A statement that arrives late must not reset what the run has committed meanwhile.
const ANEW: &str = "($from_start = 1
    OR $begun = 'rolling_back' AND state NOT IN ('rolling_back', 'rolled_back'))
  AND NOT (run_id = $run_id AND fencing_token = $fencing_token)";

/// Begins a batch in a transaction.
const BEGIN: &str = "UPDATE {progress} SET metadata = '%tag%' WHERE %batch%";

/// Saves the cursor of a batch. Behind the last one, no request can take effect any more.
const SAVE: &str =
    "UPDATE {progress} SET batch_cursor = $cursor, upper_bound = COALESCE(upper_bound, $bound),
  total_rows = COALESCE(total_rows, $total_rows), done_rows = done_rows + $done_rows,
  batch_size = $size, metadata = NULL, failed_items = $failed_items,
  state = CASE WHEN state IN ('paused', 'cancelled') AND $state = 'running' THEN state ELSE $state END,
  app_version = $app_version, request_operator = CASE WHEN %ended% THEN NULL ELSE request_operator END,
  request_reason = CASE WHEN %ended% THEN NULL ELSE request_reason END,
  requested_at = CASE WHEN %ended% THEN NULL ELSE requested_at END,
  request = CASE WHEN %ended% THEN NULL ELSE request END,
  updated_at = %now%, batches = batches + 1
WHERE %batch%";

const BATCH: &str = "%row% AND run_id = $run_id AND fencing_token = $fencing_token
  AND batches = $batches";

/// The trace of this very transaction.
const IN_TRANSACTION: &str = "
  AND metadata = $tag";

/// Waits for an open transaction that has written the row.
const TOUCH: &str = "UPDATE {progress} SET updated_at = %now% WHERE %row%";

const READ: &str = "SELECT run_id, fencing_token, batches, done_rows, %text(batch_cursor)%,
  %text(upper_bound)%, batch_size, state, %text(app_version)%, %text(metadata)%, total_rows,
  %text(failed_items)%
FROM {progress} WHERE %row% LIMIT 1";

/// The rows of a service, without those of changes that were rolled back.
const LIST: &str = "SELECT %text(change_id)%, run_id, attempt, batches, done_rows, total_rows,
  batch_size, state, %time(started_at)%, %time(updated_at)%, pause_ms, %text(throttle)%,
  %text(waits_for)%, %text(request)%, %text(request_operator)%, %text(request_reason)%,
  %time(requested_at)%, %text(failed_items)%
FROM {progress} WHERE service = $service AND shard = %none%
  AND (state <> 'cleared' AND (state <> 'rolled_back' OR failed_items IS NOT NULL))
ORDER BY change_id LIMIT 100000";

const CLEAR: &str =
    "UPDATE {progress} SET state = 'cleared', batch_cursor = NULL, upper_bound = NULL,
  total_rows = NULL, batches = 0, done_rows = 0, metadata = NULL, updated_at = %now%,
  request = NULL, request_operator = NULL, request_reason = NULL, requested_at = NULL,
  pause_ms = NULL, throttle = NULL, waits_for = NULL, failed_items = NULL
WHERE %row%";

/// What operators have asked for, and how the batches are to be.
const CONTROL: &str = "SELECT state, %text(request)%, %text(request_operator)%,
  %text(request_reason)%, pause_ms, %text(throttle)%
FROM {progress} WHERE %row% LIMIT 1";

/// Asks the owner, who looks after each batch; without a request, withdraws it.
const REQUEST: &str = "UPDATE {progress} SET request = $request, request_operator = $operator,
  request_reason = $reason, requested_at = CASE WHEN $request IS NULL THEN NULL ELSE %now% END
WHERE %row% AND state NOT IN ('finished', 'cleared', 'rolled_back')";

/// Records what a request has led to, and removes that request; another one stays.
const SET_STATE: &str = "UPDATE {progress} SET state = $state, waits_for = NULL,
  request_operator = CASE WHEN request = $acted THEN NULL ELSE request_operator END,
  request_reason = CASE WHEN request = $acted THEN NULL ELSE request_reason END,
  requested_at = CASE WHEN request = $acted THEN NULL ELSE requested_at END,
  request = CASE WHEN request = $acted THEN NULL ELSE request END
WHERE %row% AND state NOT IN ('finished', 'cleared', 'rolling_back', 'rolled_back')";

const TUNE: &str = "UPDATE {progress} SET pause_ms = $pause_ms, throttle = $throttle
WHERE %row% AND state NOT IN ('finished', 'cleared', 'rolled_back')";

/// Says why the owner waits.
const WAIT: &str = "UPDATE {progress} SET waits_for = $waits_for WHERE %row%";

const ROW: &str = "service = $service AND change_id = $change_id AND shard = %none%";

impl ProgressSql {
    pub(super) fn seed(&self) -> String {
        let (insert, or_nothing) = self.insert;
        let statement = SEED.replace("%insert%", insert);
        self.filled(&statement.replace("%or_nothing%", or_nothing))
    }

    pub(super) fn take(&self) -> String {
        self.filled(TAKE)
    }

    /// `%tag%` is left.
    pub(super) fn begin(&self) -> String {
        self.filled(BEGIN)
    }

    /// The statement after it that fails if the row belongs to another owner, where the function
    /// could commit something before its end. `%tag%` is left.
    pub(super) fn behind_begin(&self) -> Option<String> {
        self.behind_begin.map(|check| self.filled(check))
    }

    /// Ends a batch in a transaction.
    pub(super) fn save(&self) -> String {
        self.filled(&format!("{SAVE}{IN_TRANSACTION}{}", self.in_transaction))
    }

    /// Ends a batch without a transaction.
    pub(super) fn save_alone(&self) -> String {
        self.filled(SAVE)
    }

    pub(super) fn touch(&self) -> String {
        self.filled(TOUCH)
    }

    pub(super) fn read(&self) -> String {
        self.filled(READ)
    }

    pub(super) fn list(&self) -> String {
        self.filled(LIST)
    }

    pub(super) fn control(&self) -> String {
        self.filled(CONTROL)
    }

    pub(super) fn change_control(&self, change: &ControlChange<'_>) -> String {
        self.filled(match change {
            ControlChange::Request(_) => REQUEST,
            ControlChange::State { .. } => SET_STATE,
            ControlChange::Tune { .. } => TUNE,
            ControlChange::Wait(_) => WAIT,
        })
    }

    pub(super) fn clear(&self) -> String {
        self.filled(CLEAR)
    }

    fn filled(&self, statement: &str) -> String {
        let mut filled = statement
            .replace("%batch%", BATCH)
            .replace("%ended%", "$state IN ('finished', 'rolled_back')")
            .replace("%anew%", ANEW)
            .replace("%row%", ROW)
            .replace("%none%", self.none)
            .replace("%now%", self.now);
        for (name, template) in [("text", self.text), ("time", self.time)] {
            let begin = format!("%{name}(");
            while let Some((before, rest)) = filled.split_once(&begin) {
                let Some((column, after)) = rest.split_once(")%") else {
                    break;
                };
                filled = format!("{before}{}{after}", template.replace("%column%", column));
            }
        }
        filled
    }
}
