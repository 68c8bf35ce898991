//! Runs react to answers, and to the lack of them.

use super::rules::{Lock, Rule};
use super::world::{Answer, Asks, End, Kind, Phase, Run, Said, World, said};

impl Lock {
    /// A run receives an answer.
    pub(super) fn answer(&self, next: &mut World, place: usize) {
        let message = next.wire.remove(place);
        let at = usize::from(message.run);
        if !waits_for(&next.runs[at], message.asks) {
            return;
        }
        let run = &mut next.runs[at];
        match (message.asks, message.answer) {
            (Asks::Renew, Some(Answer::Done)) => {
                run.renews = false;
                run.age = match self.has(Rule::LeaseFromRequest) {
                    true => run.age.min(message.age),
                    false => 0,
                };
            }
            (_, Some(Answer::Refused)) => next.end(at, End::Lost),
            (_, Some(Answer::No)) if run.is_operator => next.end(at, End::Failed),
            (_, Some(Answer::No)) => run.phase = Phase::Out,
            (_, Some(Answer::Token(token))) => {
                run.token = token;
                run.age = match self.has(Rule::LeaseFromRequest) {
                    true => message.age,
                    false => 0,
                };
                if run.is_operator {
                    run.phase = Phase::Recording;
                    next.send(message.run, Asks::NoteForce);
                } else if self.has(Rule::ReadsUnderTheLock) {
                    run.phase = Phase::Reading;
                    next.send(message.run, Asks::Read);
                } else {
                    self.decide(next, message.run, message.token);
                }
            }
            (_, Some(Answer::Latest(latest))) => self.decide(next, message.run, latest),
            (Asks::Start, _) if !run.believes() && self.has(Rule::ChecksTheLeaseFirst) => {
                next.end(at, End::Lost);
            }
            (Asks::Start, _) => {
                run.phase = Phase::Working;
                run.has_begun = self.kind != Kind::Midway;
            }
            (Asks::Ddl, _) => {
                run.phase = Phase::Recording;
                next.send(message.run, Asks::Apply);
            }
            (Asks::Apply, _) => next.release(message.run, End::Applied),
            (Asks::RollBack | Asks::NoteForce, _) => next.release(message.run, End::Failed),
            (Asks::Release, _) => next.end(at, next.runs[at].says),
            (Asks::Acquire | Asks::Force(_) | Asks::Read | Asks::Renew, _) => {}
        }
    }

    /// The reaction of a run to the entries that it has read.
    fn decide(&self, next: &mut World, index: u8, latest: u8) {
        let at = usize::from(index);
        match said(latest) {
            Some(Said::Applied) => next.release(index, End::Applied),
            Some(Said::Started) => match self.kind {
                Kind::Manual | Kind::Midway | Kind::Shared => next.release(index, End::Issue),
                Kind::Verified if next.effects > 0 => {
                    next.runs[at].phase = Phase::Recording;
                    next.send(index, Asks::Apply);
                }
                Kind::Verified => self.apply(next, index),
            },
            Some(Said::RolledBack | Said::LockReleased) | None => self.apply(next, index),
        }
    }

    fn apply(&self, next: &mut World, index: u8) {
        let run = &mut next.runs[usize::from(index)];
        let is_plain = matches!(self.kind, Kind::Manual | Kind::Verified);
        if self.kind == Kind::Midway || (is_plain && self.has(Rule::StartsFirst)) {
            run.phase = Phase::Starting;
            next.send(index, Asks::Start);
        } else {
            run.phase = Phase::Working;
            run.has_begun = is_plain;
        }
    }

    /// A run learns that the database did not answer.
    pub(super) fn fails(&self, next: &mut World, index: u8, asks: Asks) {
        let at = usize::from(index);
        if asks == Asks::Renew {
            next.runs[at].renews = false;
            return;
        }
        match next.runs[at].phase {
            Phase::Asking => next.end(at, End::Failed),
            Phase::Reading => next.release(index, End::Failed),
            Phase::Starting if self.kind == Kind::Midway => next.release(index, End::Failed),
            Phase::Starting => {
                next.runs[at].phase = Phase::Undoing;
                next.send(index, Asks::RollBack);
            }
            Phase::Working | Phase::Undoing => self.end_in_doubt(next, index),
            // It retries, or ends in doubt.
            Phase::Recording if !next.runs[at].is_operator => {}
            Phase::Recording => next.release(index, End::Failed),
            Phase::Releasing => next.end(at, next.runs[at].says),
            Phase::Out | Phase::Looked(_) | Phase::Ended(_) => {}
        }
    }

    pub(super) fn end_in_doubt(&self, next: &mut World, index: u8) {
        if self.has(Rule::KeepsTheLockInDoubt) {
            next.end(usize::from(index), End::InDoubt);
        } else {
            next.release(index, End::InDoubt);
        }
    }

    /// An entry that may exist is searched in the audit, once its session has ended, and sent
    /// again.
    pub(super) fn insist(&self, next: &mut World, index: u8) {
        let is_owner = next.store.owner == Some(index);
        let is_there = next.store.has(Said::Applied, index);
        if !self.has(Rule::ReadsBeforeRepeating) {
            next.send(index, Asks::Apply);
        } else if !is_owner {
            next.end(usize::from(index), End::Lost);
        } else if is_there {
            next.release(index, End::Applied);
        } else if self.kind == Kind::Shared {
            // The transaction has ended, and nothing of it is left.
            next.release(index, End::Failed);
        } else {
            next.send(index, Asks::Apply);
        }
    }

    pub(super) fn finish(&self, next: &mut World, index: u8) {
        let run = &mut next.runs[usize::from(index)];
        match self.kind {
            Kind::Midway => {
                if !next.is_asking(index, Asks::Ddl) {
                    next.send(index, Asks::Ddl);
                }
                return;
            }
            Kind::Manual | Kind::Verified => {
                run.phase = Phase::Recording;
                next.effects += 1;
            }
            Kind::Shared => run.phase = Phase::Recording,
        }
        next.send(index, Asks::Apply);
    }
}

/// Whether a run waits for this answer.
pub(super) fn waits_for(run: &Run, asks: Asks) -> bool {
    match asks {
        Asks::Acquire | Asks::Force(_) => run.phase == Phase::Asking,
        Asks::Read => run.phase == Phase::Reading,
        Asks::Start => run.phase == Phase::Starting,
        Asks::Ddl => run.phase == Phase::Working,
        Asks::Apply | Asks::NoteForce => run.phase == Phase::Recording,
        Asks::RollBack => run.phase == Phase::Undoing,
        Asks::Renew => run.renews && run.holds(),
        Asks::Release => run.phase == Phase::Releasing,
    }
}
