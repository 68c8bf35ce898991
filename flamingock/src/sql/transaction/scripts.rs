//! Consecutive files of SQL, sent in one message inside an open transaction.

use std::ops::Range;
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Behind, Failure, Progress};
use sqlx::Transaction;

use super::call::FirstFailure;
use super::tries::{TransactionRunner, TryContext};
use crate::change::script::Script;
use crate::sql::driver::Driver;
use crate::sql::run_script::script_error;
use crate::statements;
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;

/// A file inside a message.
struct PlacedScript {
    at: usize,
    script: &'static Script,
    read: statements::Script<'static>,
    /// The number of statements of Flamingock between the previous mark and the file.
    statements_before: usize,
    /// The range of its characters in the message.
    characters: Range<usize>,
}

/// A message with several files.
struct ScriptMessage {
    text: String,
    placed: Vec<PlacedScript>,
    marks: MarkKind,
}

/// What the marks in a message show.
#[derive(Clone, Copy)]
enum MarkKind {
    /// The time before the first file and after each file. The entries are appended afterwards.
    Times,
    /// The duration, after each file and again after its entry.
    Elapsed,
}

impl MarkKind {
    fn before(self) -> usize {
        match self {
            MarkKind::Times => 1,
            MarkKind::Elapsed => 0,
        }
    }

    fn each(self) -> usize {
        match self {
            MarkKind::Times => 1,
            MarkKind::Elapsed => 2,
        }
    }
}

impl<D: Driver> TransactionRunner<'_, D> {
    /// Returns how many changes from this one on can be sent in one message: files without a
    /// timeout of their own. A single file is a message of its own.
    pub(super) fn scripts_from(&self, at: usize) -> usize {
        if self.parts.len() == 1 {
            return 0;
        }
        let parts = self.parts.iter().skip(at);
        parts
            .take_while(|part| {
                let script = part.body.script();
                script.is_some_and(|script| script.fits_one_message(D::KIND, D::MAX_SCRIPT_BYTES))
                    && part.invocation.timeout.is_none()
            })
            .count()
    }

    /// Runs these files, or as many of them as fit into one message. Returns the index of the
    /// change after them.
    pub(super) async fn run_scripts(
        &self,
        transaction: &mut Transaction<'_, D::Database>,
        context: &mut TryContext<'_>,
        range: Range<usize>,
        watch: &Option<D::IntegrityWatch>,
    ) -> Result<usize, FirstFailure> {
        let first = range.start;
        let message = self.script_message(context, range)?;
        for placed in &message.placed {
            (self.on_begin)(placed.at);
            context.attempts[placed.at].began = Instant::now();
        }
        let mark = mark_column(context);
        let work = async {
            let progress = D::run(transaction, message.text.clone(), &mark).await;
            Ok::<Progress, BoxError>(progress)
        };
        let progress = match self.parts[first].invocation.watch(work).await {
            Ended::Returned(Ok(progress)) => progress,
            ended => {
                let ended = without_value(ended);
                return Err(FirstFailure::Change { at: first, ended });
            }
        };
        record_times(context, &message, &progress);
        let behind = next_change::<D>(&message, progress)?;
        self.check_integrity(transaction, watch, first..behind)
            .await?;
        if let MarkKind::Times = message.marks {
            let lift = self.database.ledger.lift_limit_behind_text();
            self.append_entries(transaction, context, first..behind, lift)
                .await?;
        }
        Ok(behind)
    }

    fn script_message(
        &self,
        context: &TryContext<'_>,
        range: Range<usize>,
    ) -> Result<ScriptMessage, FirstFailure> {
        let ledger = &self.database.ledger;
        let (marks, marked) = match ledger.clock_in_text() {
            Some(clock) => (MarkKind::Times, clock),
            None => (MarkKind::Elapsed, ledger.elapsed_in_text()),
        };
        let mark = format!("SELECT {marked} AS {} LIMIT 1;\n", mark_column(context));
        let mut message = ScriptMessage {
            text: mark.repeat(marks.before()),
            placed: Vec::new(),
            marks,
        };
        for at in range {
            let Some(script) = self.parts[at].body.script() else {
                break;
            };
            if !message.placed.is_empty()
                && message.text.len() + script.text.len() > D::MAX_MESSAGE_BYTES
            {
                break;
            }
            let read = script.read(D::KIND).map_err(|error| FirstFailure::Change {
                at,
                ended: Ended::Returned(Err(error.into())),
            })?;
            let before = match marks {
                MarkKind::Times => Vec::new(),
                MarkKind::Elapsed => self.before_script(context, at),
            };
            for statement in &before {
                message.text.push_str(statement);
                message.text.push_str(";\n");
            }
            let start = message.text.chars().count();
            message.text.push_str(&D::as_message(&read, script.text));
            let end = message.text.chars().count();
            message.text.push_str("\n;\n");
            message.text.push_str(&mark);
            if let MarkKind::Elapsed = marks {
                let behind = Behind {
                    rows: &[self.row(context, at)],
                    witness: &self.witness(context, at),
                    is_last: at + 1 == self.parts.len(),
                };
                let entry = ledger.text_within(&context.grant, behind, &context.tag);
                message.text.push_str(&format!("{entry};\n{mark}"));
            }
            message.placed.push(PlacedScript {
                at,
                script,
                read,
                statements_before: before.len(),
                characters: start..end,
            });
        }
        let behind = message
            .placed
            .last()
            .map_or(self.parts.len(), |placed| placed.at + 1);
        let is_followed = behind < self.parts.len() && self.scripts_from(behind) == 0;
        if let (MarkKind::Elapsed, true) = (marks, is_followed) {
            let witness = self.witness(context, behind);
            let next = ledger.next_together(&context.grant, &witness, &context.tag);
            message.text.push_str(&next.join(";\n"));
        }
        if let (MarkKind::Times, Some(limit)) = (marks, ledger.limit_behind_text()) {
            message.text.push_str(limit);
        }
        // MariaDB treats the text after the last terminator as a statement.
        message
            .text
            .truncate(message.text.trim_end_matches(";\n").len());
        Ok(message)
    }

    /// Returns the statements before a file in a message that also has the entries.
    fn before_script(&self, context: &TryContext<'_>, at: usize) -> Vec<String> {
        let ledger = &self.database.ledger;
        let mut before = Vec::new();
        if at > context.first {
            let witness = self.witness(context, at);
            before = ledger.next_together(&context.grant, &witness, &context.tag);
        }
        before.extend(ledger.note_time().map(str::to_owned));
        before
    }
}

fn mark_column(context: &TryContext<'_>) -> String {
    format!("flamingock_{}", context.tag)
}

/// The server has answered: all files are done, or a statement was rejected. Returns the index of
/// the change after them.
fn next_change<D: Driver>(
    message: &ScriptMessage,
    progress: Progress,
) -> Result<usize, FirstFailure> {
    let (before, each) = (message.marks.before(), message.marks.each());
    let all = before + message.placed.len() * each;
    if progress.error.is_none()
        && progress.marks.len() == all
        && let Some(last) = message.placed.last()
    {
        return Ok(last.at + 1);
    }
    // A server that parses the whole message first rejects it before any statement has run. An
    // unfinished statement is reported after its file.
    let by_position = progress
        .error
        .as_ref()
        .filter(|_| progress.answered == 0)
        .and_then(D::position)
        .and_then(|position| {
            let mut placed = message.placed.iter();
            placed.rposition(|placed| placed.characters.start < position)
        });
    let by_marks = progress.marks.len().checked_sub(before);
    let index = by_position.or(by_marks.map(|marks| marks / each));
    let index = index.unwrap_or(0).min(message.placed.len() - 1);
    let placed = &message.placed[index];
    let at = placed.at;
    let is_behind_mark = by_marks.is_some_and(|marks| marks.is_multiple_of(each));
    let is_in_script = progress.marks.len() < all
        && (by_position.is_some()
            || is_behind_mark && progress.since_mark >= placed.statements_before);
    match progress.error {
        // Missing results are treated as an error.
        None => Err(FirstFailure::Entry {
            at,
            error: sqlx::Error::Protocol(
                "the database did not answer all statements of a file".to_owned(),
            ),
        }),
        Some(error) if !is_in_script || D::classify(&error) == Failure::Disconnected => {
            Err(FirstFailure::Entry { at, error })
        }
        error => {
            let progress = Progress {
                answered: progress.since_mark,
                error,
                ..Progress::default()
            };
            let (before, start) = (placed.statements_before, placed.characters.start);
            let cause = script_error::<D>(placed.script, &placed.read, progress, before, start);
            Err(FirstFailure::Change {
                at,
                ended: Ended::Returned(Err(cause)),
            })
        }
    }
}

/// Records when each file began and how long it took, as far as the marks show.
fn record_times(context: &mut TryContext<'_>, message: &ScriptMessage, progress: &Progress) {
    let micros = |number: i64| Duration::from_micros(u64::try_from(number).unwrap_or_default());
    match message.marks {
        MarkKind::Times => {
            let now = Instant::now();
            let last = progress.marks.last().copied().unwrap_or_default();
            for (placed, times) in message.placed.iter().zip(progress.marks.windows(2)) {
                let attempt = &mut context.attempts[placed.at];
                let began = now.checked_sub(micros(last - times[0]));
                attempt.began = began.unwrap_or(attempt.began);
                attempt.took = Some(micros(times[1] - times[0]));
            }
        }
        MarkKind::Elapsed => {
            let behind_scripts = progress.marks.iter().step_by(message.marks.each());
            for (placed, took) in message.placed.iter().zip(behind_scripts) {
                context.attempts[placed.at].took = Some(micros(*took));
            }
        }
    }
}

fn without_value<T>(ended: Ended<T>) -> Ended<()> {
    match ended {
        Ended::NotRun(cause) => Ended::NotRun(cause),
        Ended::Returned(result) => Ended::Returned(result.map(drop)),
        Ended::Panicked(message) => Ended::Panicked(message),
        Ended::TimedOut(limit) => Ended::TimedOut(limit),
        Ended::Cancelled => Ended::Cancelled,
        Ended::Lost(reason) => Ended::Lost(reason),
    }
}
