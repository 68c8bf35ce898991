//! Consecutive files of SQL, sent in one text inside a transaction that is open.

use std::ops::Range;
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Behind, Failure, Progress};
use sqlx::Transaction;

use super::batch::{Transact, Try};
use super::call::Broke;
use crate::change::script::Script;
use crate::sql::driver::Driver;
use crate::sql::run_script::failed;
use crate::statements;
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;

/// A file inside a text.
struct Placed {
    at: usize,
    script: &'static Script,
    read: statements::Script<'static>,
    /// How many statements of ours stand in front of it, since the mark before.
    statements_before: usize,
    /// Its characters in the text.
    characters: Range<usize>,
}

/// A text of files.
struct Texts {
    text: String,
    placed: Vec<Placed>,
    marks: Marks,
}

/// Where the marks of a text are.
#[derive(Clone, Copy)]
enum Marks {
    /// The time, in front of the first file and behind each: the entries are appended afterwards.
    Times,
    /// What it took, behind each file, and again behind the entry that follows it.
    Elapsed,
}

impl Marks {
    fn before(self) -> usize {
        match self {
            Marks::Times => 1,
            Marks::Elapsed => 0,
        }
    }

    fn each(self) -> usize {
        match self {
            Marks::Times => 1,
            Marks::Elapsed => 2,
        }
    }
}

impl<D: Driver> Transact<'_, D> {
    /// How many changes from this one on can be sent in one text: files whose time is not limited
    /// one by one. One that is alone is a text of its own.
    pub(super) fn scripts_from(&self, at: usize) -> usize {
        if self.parts.len() == 1 {
            return 0;
        }
        let parts = self.parts.iter().skip(at);
        parts
            .take_while(|part| {
                let script = part.body.script();
                script.is_some_and(|script| script.is_one_text(D::KIND, D::LONGEST_SCRIPT))
                    && part.invocation.timeout.is_none()
            })
            .count()
    }

    /// Runs these files, or as many of them as one text may hold. Answers the change behind them.
    pub(super) async fn run_scripts(
        &self,
        transaction: &mut Transaction<'_, D::Database>,
        one: &mut Try<'_>,
        range: Range<usize>,
        watch: &Option<D::Watch>,
    ) -> Result<usize, Broke> {
        let first = range.start;
        let texts = self.texts(one, range)?;
        for placed in &texts.placed {
            (self.begins)(placed.at);
            one.attempts[placed.at].began = Instant::now();
        }
        let mark = mark_of(one);
        let work = async {
            let progress = D::run(transaction, texts.text.clone(), &mark).await;
            Ok::<Progress, BoxError>(progress)
        };
        let progress = match self.parts[first].invocation.watch(work).await {
            Ended::Returned(Ok(progress)) => progress,
            ended => {
                let ended = without_value(ended);
                return Err(Broke::Change { at: first, ended });
            }
        };
        note_times(one, &texts, &progress);
        let behind = came_to::<D>(&texts, progress)?;
        self.object(transaction, watch, first..behind).await?;
        if let Marks::Times = texts.marks {
            let lift = self.database.ledger.lift_limit_behind_text();
            self.enter(transaction, one, first..behind, lift).await?;
        }
        Ok(behind)
    }

    fn texts(&self, one: &Try<'_>, range: Range<usize>) -> Result<Texts, Broke> {
        let ledger = &self.database.ledger;
        let (marks, marked) = match ledger.clock_in_text() {
            Some(clock) => (Marks::Times, clock),
            None => (Marks::Elapsed, ledger.elapsed_in_text()),
        };
        let mark = format!("SELECT {marked} AS {} LIMIT 1;\n", mark_of(one));
        let mut texts = Texts {
            text: mark.repeat(marks.before()),
            placed: Vec::new(),
            marks,
        };
        for at in range {
            let Some(script) = self.parts[at].body.script() else {
                break;
            };
            if !texts.placed.is_empty() && texts.text.len() + script.text.len() > D::LONGEST_TEXT {
                break;
            }
            let read = script.read(D::KIND).map_err(|error| Broke::Change {
                at,
                ended: Ended::Returned(Err(error.into())),
            })?;
            let before = match marks {
                Marks::Times => Vec::new(),
                Marks::Elapsed => self.before_script(one, at),
            };
            for statement in &before {
                texts.text.push_str(statement);
                texts.text.push_str(";\n");
            }
            let start = texts.text.chars().count();
            texts.text.push_str(&D::as_one_text(&read, script.text));
            let end = texts.text.chars().count();
            texts.text.push_str("\n;\n");
            texts.text.push_str(&mark);
            if let Marks::Elapsed = marks {
                let behind = Behind {
                    rows: &[self.row(one, at)],
                    witness: &self.witness(one, at),
                    is_last: at + 1 == self.parts.len(),
                };
                let entry = ledger.text_within(&one.grant, behind, &one.tag);
                texts.text.push_str(&format!("{entry};\n{mark}"));
            }
            texts.placed.push(Placed {
                at,
                script,
                read,
                statements_before: before.len(),
                characters: start..end,
            });
        }
        let behind = texts
            .placed
            .last()
            .map_or(self.parts.len(), |one| one.at + 1);
        let is_followed = behind < self.parts.len() && self.scripts_from(behind) == 0;
        if let (Marks::Elapsed, true) = (marks, is_followed) {
            let witness = self.witness(one, behind);
            let next = ledger.next_together(&one.grant, &witness, &one.tag);
            texts.text.push_str(&next.join(";\n"));
        }
        if let (Marks::Times, Some(limit)) = (marks, ledger.limit_behind_text()) {
            texts.text.push_str(limit);
        }
        // MariaDB takes what follows the last terminator for a statement.
        texts
            .text
            .truncate(texts.text.trim_end_matches(";\n").len());
        Ok(texts)
    }

    /// What stands before a file in a text that holds the entries, too.
    fn before_script(&self, one: &Try<'_>, at: usize) -> Vec<String> {
        let ledger = &self.database.ledger;
        let mut before = Vec::new();
        if at > one.first {
            let witness = self.witness(one, at);
            before = ledger.next_together(&one.grant, &witness, &one.tag);
        }
        before.extend(ledger.note_time().map(str::to_owned));
        before
    }
}

fn mark_of(one: &Try<'_>) -> String {
    format!("flamingock_{}", one.tag)
}

/// The server has answered: all of it is done, or a statement was refused. Answers the change behind.
fn came_to<D: Driver>(texts: &Texts, progress: Progress) -> Result<usize, Broke> {
    let (before, each) = (texts.marks.before(), texts.marks.each());
    let all = before + texts.placed.len() * each;
    if progress.error.is_none()
        && progress.marks.len() == all
        && let Some(last) = texts.placed.last()
    {
        return Ok(last.at + 1);
    }
    // A server that reads the whole text first refuses it before anything of it has run. What is not
    // finished is only found out behind its file.
    let by_position = progress
        .error
        .as_ref()
        .filter(|_| progress.answered == 0)
        .and_then(D::position)
        .and_then(|position| {
            let mut placed = texts.placed.iter();
            placed.rposition(|one| one.characters.start < position)
        });
    let by_marks = progress.marks.len().checked_sub(before);
    let index = by_position.or(by_marks.map(|marks| marks / each));
    let index = index.unwrap_or(0).min(texts.placed.len() - 1);
    let placed = &texts.placed[index];
    let at = placed.at;
    let is_behind_mark = by_marks.is_some_and(|marks| marks.is_multiple_of(each));
    let is_in_script = progress.marks.len() < all
        && (by_position.is_some()
            || is_behind_mark && progress.since_mark >= placed.statements_before);
    match progress.error {
        // A server that answers less than it was asked is not believed.
        None => Err(Broke::Entry {
            at,
            error: sqlx::Error::Protocol(
                "the database did not answer all statements of a file".to_owned(),
            ),
        }),
        Some(error) if !is_in_script || D::classify(&error) == Failure::Disconnected => {
            Err(Broke::Entry { at, error })
        }
        error => {
            let progress = Progress {
                answered: progress.since_mark,
                error,
                ..Progress::default()
            };
            let (before, start) = (placed.statements_before, placed.characters.start);
            let cause = failed::<D>(placed.script, &placed.read, progress, before, start);
            Err(Broke::Change {
                at,
                ended: Ended::Returned(Err(cause)),
            })
        }
    }
}

/// When each file began and how long it took, where the marks tell.
fn note_times(one: &mut Try<'_>, texts: &Texts, progress: &Progress) {
    let micros = |number: i64| Duration::from_micros(u64::try_from(number).unwrap_or_default());
    match texts.marks {
        Marks::Times => {
            let now = Instant::now();
            let last = progress.marks.last().copied().unwrap_or_default();
            for (placed, times) in texts.placed.iter().zip(progress.marks.windows(2)) {
                let attempt = &mut one.attempts[placed.at];
                let began = now.checked_sub(micros(last - times[0]));
                attempt.began = began.unwrap_or(attempt.began);
                attempt.took = Some(micros(times[1] - times[0]));
            }
        }
        Marks::Elapsed => {
            let behind_scripts = progress.marks.iter().step_by(texts.marks.each());
            for (placed, took) in texts.placed.iter().zip(behind_scripts) {
                one.attempts[placed.at].took = Some(micros(*took));
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
