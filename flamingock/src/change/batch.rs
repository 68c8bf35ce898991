//! Changes that work in batches: what a function gets for one batch, and what it returns.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::argument::{Argument, Inputs, Need, NeedKind};
use super::failed_row::FailedRow;
use super::pace::SizeLimits;
use crate::util::boxed::{BoxError, BoxFuture};
use crate::util::error_chain::ErrorChain;

/// The batch to do now: the argument of a change with the key `batch`.
///
/// Such a change does a long job in parts. Its function does one batch, and returns where the next
/// one begins. With a connection argument, the work and the cursor are committed in one transaction:
/// a run that is killed continues after the last committed batch, and nothing is lost or done twice.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # mod example {
/// use flamingock::{Batch, Next, change};
/// use sqlx::SqliteConnection;
///
/// /// Fills the new column with the lower-case address.
/// #[change(id = "lower-emails", order = "0007", batch, register = false)]
/// async fn lower_emails(
///     batch: Batch<i64>,
///     db: &mut SqliteConnection,
/// ) -> Result<Next<i64>, sqlx::Error> {
///     let after = batch.cursor().copied().unwrap_or(i64::MIN);
///     let ids: Vec<i64> =
///         sqlx::query_scalar("SELECT id FROM users WHERE id > ? ORDER BY id LIMIT ?")
///             .bind(after)
///             .bind(batch.size())
///             .fetch_all(&mut *db)
///             .await?;
///     let Some(last) = ids.last().copied() else {
///         return Ok(Next::finished());
///     };
///     let done = sqlx::query("UPDATE users SET lower = lower(email) WHERE id > ? AND id <= ?")
///         .bind(after)
///         .bind(last)
///         .execute(db)
///         .await?;
///     Ok(Next::after(last).done_rows(done.rows_affected()))
/// }
/// # }
/// ```
///
/// The cursor is the last key that was done, and not a page number or a range of ids: such a loop
/// would end at the first gap. `C` is any type that serde writes and reads.
#[derive(Clone, Debug)]
pub struct Batch<C> {
    cursor: Option<C>,
    bound: Option<C>,
    size: i64,
    rows_to_retry: Vec<C>,
    /// Set once the function has asked for the rows.
    retries: Arc<AtomicBool>,
}

impl<C> Batch<C> {
    /// Returns the cursor of the last committed batch; `None` in the first batch.
    pub fn cursor(&self) -> Option<&C> {
        self.cursor.as_ref()
    }

    /// Returns the upper bound that an earlier batch set with [`Next::bound`]; `None` without one.
    pub fn bound(&self) -> Option<&C> {
        self.bound.as_ref()
    }

    /// Returns how many rows to do in this batch. Flamingock chooses the number so that a batch
    /// takes about a second.
    pub fn size(&self) -> i64 {
        self.size
    }

    /// Returns the keys of the rows to do in this batch, which [failed](Next::failed_row) in earlier
    /// ones; empty in any other batch. Return [`Next::finished`] after them.
    ///
    /// Once nothing else is left to do, the next run does the rows that failed. A function that
    /// reports such rows asks here first: without that, the batch fails.
    pub fn rows_to_retry(&self) -> &[C] {
        self.retries.store(true, Ordering::Relaxed);
        &self.rows_to_retry
    }
}

/// Where the next batch begins, or that there is none: the value that a batch returns.
#[derive(Clone, Debug)]
#[must_use]
pub struct Next<C> {
    /// `None` if nothing is left to do.
    cursor: Option<C>,
    bound: Option<C>,
    done_rows: u64,
    total_rows: Option<u64>,
    failed_rows: Vec<(C, String)>,
    max_failed_rows: usize,
}

/// More rows that failed would make the row of the progress too large.
const MOST_FAILED_ROWS: usize = 1_000;

/// How many characters of an error are kept.
const LONGEST_ERROR: usize = 500;

impl<C> Next<C> {
    /// The next batch begins after this key.
    pub fn after(cursor: C) -> Next<C> {
        Next {
            cursor: Some(cursor),
            ..Next::finished()
        }
    }

    /// Nothing is left to do: the change is applied.
    pub fn finished() -> Next<C> {
        Next {
            cursor: None,
            bound: None,
            done_rows: 0,
            total_rows: None,
            failed_rows: Vec::new(),
            max_failed_rows: MOST_FAILED_ROWS,
        }
    }

    /// Adds a row that this batch could not do, with its key. The other rows of the batch are
    /// committed. After the last batch the change is not applied but has failed, and each further
    /// run does the rows that failed again: [`Batch::rows_to_retry`] has their keys. Of the error,
    /// the first 500 characters are kept.
    pub fn failed_row(mut self, key: C, error: impl fmt::Display) -> Next<C> {
        self.failed_rows.push((key, error.to_string()));
        self
    }

    /// Sets how many rows may fail in all batches together: 1,000 if it is not set, which is also
    /// the most. One more makes the batch fail.
    pub fn max_failed_rows(self, rows: usize) -> Next<C> {
        Next {
            max_failed_rows: rows.min(MOST_FAILED_ROWS),
            ..self
        }
    }

    /// Sets how many rows this batch did, for the progress.
    pub fn done_rows(self, rows: u64) -> Next<C> {
        Next {
            done_rows: rows,
            ..self
        }
    }

    /// Sets how many rows there are to do, an estimate for the progress. Only the first batch that
    /// sets it counts.
    pub fn total_rows(self, rows: u64) -> Next<C> {
        Next {
            total_rows: Some(rows),
            ..self
        }
    }

    /// Sets the last key that there is to do, such as the largest one at the beginning, so that the
    /// change ends although rows are inserted meanwhile. Only the first batch that sets it counts.
    pub fn bound(self, bound: C) -> Next<C> {
        Next {
            bound: Some(bound),
            ..self
        }
    }
}

/// What one batch gets, and what it returned, without the type of the cursor.
#[derive(Debug, Default)]
pub struct BatchState {
    /// The cursor of the last committed batch, as JSON.
    pub(crate) cursor: Option<String>,
    /// The upper bound, as JSON.
    pub(crate) bound: Option<String>,
    /// The number of rows to do.
    pub(crate) size: i64,
    /// How the next size follows the time that this batch takes; `None` if an operator set it.
    pub(crate) limits: Option<SizeLimits>,
    /// The number of batches before.
    pub(crate) number: i64,
    /// Whether the batch is one of the change's rollback.
    pub(crate) rolls_back: bool,
    /// The rows that failed so far.
    pub(crate) failed_rows: Vec<FailedRow>,
    /// The keys of the rows among them that this batch does again, as JSON; `None` for a batch that
    /// follows the cursor.
    pub(crate) retries: Option<Vec<String>>,
    /// Whether the function has asked for those rows.
    pub(crate) has_asked: Arc<AtomicBool>,
    pub(crate) result: Mutex<Option<BatchResult>>,
}

/// What a batch returned, without the type of the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchResult {
    /// The cursor, as JSON; `None` if nothing is left to do.
    pub(crate) cursor: Option<String>,
    pub(crate) bound: Option<String>,
    pub(crate) done_rows: i64,
    pub(crate) total_rows: Option<i64>,
    /// The rows that failed in this batch.
    pub(crate) failed_rows: Vec<FailedRow>,
}

impl BatchState {
    /// Returns what the batch returned.
    pub(crate) fn result(&self) -> Option<BatchResult> {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        result.clone()
    }

    /// Returns the error of this batch, with what stays of the change.
    pub(crate) fn failure(&self, error: &ErrorChain) -> ErrorChain {
        let failed = ErrorChain::text(&format!("batch {} failed", self.number + 1)).and_all(error);
        match self.number {
            0 => failed,
            before => failed.and(&format!(
                "{}, and the next {} continues after {}",
                committed(before),
                if self.rolls_back { "`undo`" } else { "run" },
                if before == 1 { "it" } else { "them" }
            )),
        }
    }

    /// Returns all rows that have failed, if the batch returned this.
    pub(crate) fn failed_rows_after(&self, result: &BatchResult) -> Vec<FailedRow> {
        let retried = |row: &&FailedRow| {
            let keys = self.retries.as_ref();
            !keys.is_some_and(|keys| keys.contains(&row.key))
        };
        let before = self.failed_rows.iter().filter(retried);
        before.chain(&result.failed_rows).cloned().collect()
    }

    /// Fails if what the batch returned must not be committed.
    fn check(&self, result: &BatchResult, max_failed_rows: usize) -> Result<(), String> {
        if self.retries.is_some() {
            if !self.has_asked.load(Ordering::Relaxed) {
                return Err("rows of earlier batches failed and are to be done again, and the function does not ask for them: `batch.rows_to_retry()`".to_owned());
            }
            if result.cursor.is_some() {
                return Err("the batch did rows again that had failed, and nothing is left behind them: return `Next::finished()`".to_owned());
            }
        }
        let all = self.failed_rows_after(result).len();
        match result.failed_rows.last() {
            Some(FailedRow { key, error }) if all > max_failed_rows => Err(format!(
                "{}, and {max_failed_rows} may: the last one is {key}: {error}",
                rows_failed(all)
            )),
            _ => Ok(()),
        }
    }

    fn set(&self, result: BatchResult) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

/// The batch is read from its state, which the engine provides for each call. The engine has
/// checked before that the cursor can be read.
#[diagnostic::do_not_recommend]
impl<C: DeserializeOwned + 'static> Argument for Batch<C> {
    const NEED: Need = Need {
        kind: NeedKind::Batch,
        type_id: TypeId::of::<C>,
        type_name: type_name::<C>,
    };
    type Given<'a, 'c: 'a> = Batch<C>;
    fn take<'a, 'c: 'a>(inputs: &mut Inputs<'a, 'c>) -> Batch<C> {
        let state = state(inputs);
        let read = |text: &Option<String>| {
            text.as_ref().map(|text| {
                serde_json::from_str(text)
                    .unwrap_or_else(|error| panic!("its cursor cannot be read: {error}"))
            })
        };
        let retries = state.retries.iter().flatten().cloned();
        Batch {
            cursor: read(&state.cursor),
            bound: read(&state.bound),
            size: state.size,
            rows_to_retry: retries.filter_map(|key| read(&Some(key))).collect(),
            retries: Arc::clone(&state.has_asked),
        }
    }
}

/// Returns the state of the batch, for code that a macro generated.
pub fn state<'a>(inputs: &Inputs<'a, '_>) -> &'a BatchState {
    match inputs.value::<BatchState>() {
        Some(state) => state,
        None => panic!("a batch was called without its state"),
    }
}

/// Reports how many of the needs are batches. For the checks that the macros make at compile time.
pub const fn batches(needs: &[Need]) -> usize {
    let mut count = 0;
    let mut index = 0;
    while index < needs.len() {
        if matches!(needs[index].kind, NeedKind::Batch) {
            count += 1;
        }
        index += 1;
    }
    count
}

/// A type that a function with the key `batch` can return.
#[diagnostic::on_unimplemented(
    message = "a function with the key `batch` cannot return `{Self}`",
    label = "not a `Result<Next<C>, E>`",
    note = "return `Result<Next<C>, E>`, where `C` is the type in the argument `Batch<C>`: `Ok(Next::after(last_key))`, and `Ok(Next::finished())` if nothing is left to do"
)]
pub trait BatchOutput {
    /// The type of the cursor.
    type Cursor: Serialize + DeserializeOwned + 'static;
    /// Returns the outcome with a boxed error.
    #[expect(clippy::missing_errors_doc, reason = "the function's own error")]
    fn into_next(self) -> Result<Next<Self::Cursor>, BoxError>;
}

#[diagnostic::do_not_recommend]
impl<C: Serialize + DeserializeOwned + 'static, E: Into<BoxError>> BatchOutput
    for Result<Next<C>, E>
{
    type Cursor = C;
    fn into_next(self) -> Result<Next<C>, BoxError> {
        self.map_err(Into::into)
    }
}

/// Erases the return type of a batch: what it returns goes to the state.
pub fn erase_batch<'a, T: BatchOutput + 'a>(
    future: BoxFuture<'a, T>,
    state: &'a BatchState,
) -> BoxFuture<'a, Result<(), BoxError>> {
    Box::pin(async move {
        let next = future.await.into_next()?;
        let text = |value: &Option<T::Cursor>| {
            let text = value.as_ref().map(serde_json::to_string).transpose();
            text.map_err(|error| format!("the cursor cannot be written as JSON: {error}"))
        };
        let failed = next.failed_rows.into_iter().map(|(key, error)| {
            let error = error.chars().take(LONGEST_ERROR).collect();
            Ok(FailedRow {
                key: text(&Some(key))?.unwrap_or_default(),
                error,
            })
        });
        let result = BatchResult {
            cursor: text(&next.cursor)?,
            bound: text(&next.bound)?,
            done_rows: number(next.done_rows),
            total_rows: next.total_rows.map(number),
            failed_rows: failed.collect::<Result<_, String>>()?,
        };
        state.check(&result, next.max_failed_rows)?;
        state.set(result);
        Ok(())
    })
}

fn number(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The cursor of a change that works in batches, without its type.
#[derive(Clone, Copy)]
pub struct CursorType {
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) type_name: fn() -> &'static str,
    /// Fails for a text that is no such cursor.
    pub(crate) check: fn(&str) -> Result<(), serde_json::Error>,
}

impl CursorType {
    /// The cursor that a function with this return type returns.
    pub const fn of<T: BatchOutput>() -> CursorType {
        CursorType {
            type_id: TypeId::of::<T::Cursor>,
            type_name: type_name::<T::Cursor>,
            check: |text| serde_json::from_str::<T::Cursor>(text).map(drop),
        }
    }
}

impl fmt::Debug for CursorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.type_name)())
    }
}

/// The reason in the entry of an attempt that is unfinished and works in batches.
pub(crate) const IN_BATCHES: &str = "in batches";

/// Returns how many batches stay.
pub(crate) fn committed(batches: i64) -> String {
    match batches {
        1 => "1 batch is committed".to_owned(),
        count => format!("{count} batches are committed"),
    }
}

/// Returns how many rows failed.
pub(crate) fn rows_failed(count: usize) -> String {
    match count {
        1 => "1 row failed".to_owned(),
        count => format!("{count} rows failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn result_of_a_batch_is_written_to_its_state() {
        let state = BatchState::default();
        let next: Result<Next<(i64, String)>, BoxError> = Ok(Next::after((7, "a".to_owned()))
            .done_rows(3)
            .total_rows(10)
            .bound((9, String::new())));
        erase_batch(Box::pin(async { next }), &state).await.unwrap();
        let expected = BatchResult {
            cursor: Some("[7,\"a\"]".to_owned()),
            bound: Some("[9,\"\"]".to_owned()),
            done_rows: 3,
            total_rows: Some(10),
            failed_rows: Vec::new(),
        };
        assert_eq!(state.result(), Some(expected));
        let check = CursorType::of::<Result<Next<(i64, String)>, BoxError>>().check;
        assert!(check("[7,\"a\"]").is_ok());
        assert!(check("7").is_err());
    }
}
