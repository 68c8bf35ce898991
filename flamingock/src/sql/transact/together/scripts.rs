//! Consecutive files of SQL, sent in one text inside a transaction that is open.

use std::ops::Range;
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Failure, OneOfSeveral, Progress};
use sqlx::Transaction;

use super::{Broke, Round, Together};
use crate::call::Ended;
use crate::change::BoxError;
use crate::script::Script;
use crate::sql::driver::Driver;
use crate::sql::script::failed;
use crate::statements;

/// The longest text, in bytes, unless one file is longer: servers limit what one message may hold.
const LONGEST_TEXT: usize = 1024 * 1024;

/// A file inside a text.
struct Placed {
    at: usize,
    script: &'static Script,
    read: statements::Script<'static>,
    /// How many statements of ours stand in front of it, since the mark behind the file before.
    statements_before: usize,
    /// Its characters in the text.
    characters: Range<usize>,
}

/// A text of files.
#[derive(Default)]
struct Texts {
    text: String,
    placed: Vec<Placed>,
}

/// Behind each file, and behind its entry.
const MARKS_EACH: usize = 2;

impl<D: Driver> Together<'_, D> {
    /// How many changes from this one on can be sent in one text: files whose time is not limited
    /// one by one.
    pub(super) fn scripts_from(&self, at: usize) -> usize {
        if !D::ONE_TEXT {
            return 0;
        }
        let parts = self.parts.iter().skip(at);
        parts
            .take_while(|part| {
                let script = part.body.script();
                script.is_some_and(|script| script.is_one_text(D::KIND))
                    && part.invocation.timeout.is_none()
            })
            .count()
    }

    /// Runs these files, or as many of them as one text may hold. Answers the change behind them.
    pub(super) async fn run_scripts(
        &self,
        transaction: &mut Transaction<'_, D::Database>,
        round: &mut Round<'_>,
        range: Range<usize>,
    ) -> Result<usize, Broke> {
        let first = range.start;
        let texts = self.texts(round, range)?;
        for placed in &texts.placed {
            (self.begins)(placed.at);
            round.attempts[placed.at].began = Instant::now();
        }
        let mark = mark_of(round);
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
        came_to::<D>(round, &texts, progress)
    }

    fn texts(&self, round: &Round<'_>, range: Range<usize>) -> Result<Texts, Broke> {
        let ledger = &self.database.ledger;
        let elapsed = ledger.elapsed_in_text();
        let mark = format!("SELECT {elapsed} AS {}", mark_of(round));
        let mut texts = Texts::default();
        for at in range {
            let Some(script) = self.parts[at].body.script() else {
                break;
            };
            if !texts.placed.is_empty() && texts.text.len() + script.text.len() > LONGEST_TEXT {
                break;
            }
            let read = script.read(D::KIND).map_err(|error| Broke::Change {
                at,
                ended: Ended::Returned(Err(error.into())),
            })?;
            let witness = self.witness(round, at);
            let mut before = Vec::new();
            if at > round.first {
                let next = ledger.next_together(&round.possession, &witness, &round.tag);
                before.extend(next);
            }
            before.extend(ledger.note_time(at > round.first).map(str::to_owned));
            for statement in &before {
                texts.text.push_str(statement);
                texts.text.push_str(";\n");
            }
            let start = texts.text.chars().count();
            texts.text.push_str(&D::as_one_text(&read, script.text));
            let end = texts.text.chars().count();
            let one = OneOfSeveral {
                row: &self.row(round, at),
                is_last: at + 1 == self.parts.len(),
            };
            let entry = ledger.text_together(&round.possession, one, &round.tag);
            texts
                .text
                .push_str(&format!("\n;\n{mark};\n{entry};\n{mark};\n"));
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
        if behind < self.parts.len() && self.scripts_from(behind) == 0 {
            let witness = self.witness(round, behind);
            let next = ledger.next_together(&round.possession, &witness, &round.tag);
            texts.text.push_str(&next.join(";\n"));
        }
        // MariaDB takes what follows the last terminator for a statement.
        texts
            .text
            .truncate(texts.text.trim_end_matches(";\n").len());
        Ok(texts)
    }
}

fn mark_of(round: &Round<'_>) -> String {
    format!("flamingock_{}", round.tag)
}

/// The server has answered: all of it is done, or a statement was refused.
fn came_to<D: Driver>(
    round: &mut Round<'_>,
    texts: &Texts,
    progress: Progress,
) -> Result<usize, Broke> {
    note_durations(round, texts, &progress);
    let behind = |placed: &Placed| placed.at + 1;
    let all = texts.placed.len() * MARKS_EACH;
    if progress.error.is_none() && progress.marks.len() == all {
        return Ok(texts.placed.last().map_or(round.first, behind));
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
    let by_marks = progress.marks.len() / MARKS_EACH;
    let index = by_position.unwrap_or(by_marks).min(texts.placed.len() - 1);
    let placed = &texts.placed[index];
    let at = placed.at;
    let is_in_script = progress.marks.len() < all
        && progress.marks.len().is_multiple_of(MARKS_EACH)
        && (by_position.is_some() || progress.since_mark >= placed.statements_before);
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

/// How long each file took, where the marks tell.
fn note_durations(round: &mut Round<'_>, texts: &Texts, progress: &Progress) {
    let behind_scripts = progress.marks.iter().step_by(MARKS_EACH);
    for (placed, mark) in texts.placed.iter().zip(behind_scripts) {
        let took = u64::try_from(*mark).unwrap_or_default();
        round.attempts[placed.at].took = Some(Duration::from_micros(took));
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
