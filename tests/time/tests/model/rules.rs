//! The rules of the lock, the lease and fencing, each of which can be left out, and the guarantees.

use super::explore::Model;
use super::world::{
    Answer, Asks, Disturbs, End, Entry, Kind, LEASE, Message, Phase, Run, Said, Store, World,
};

/// A rule of the engine or of its stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The lease counts from before the request, not from its answer.
    LeaseFromRequest,
    /// A run ends when its lease expires, whatever it is doing.
    EndsWithItsLease,
    /// A change is not called once the lease has expired, whatever answer has just arrived.
    ChecksTheLeaseFirst,
    /// An entry is refused unless it has the lock's fencing token.
    FencingToken,
    /// And unless its run has the lock: a restored database issues a token twice.
    FenceByRun,
    /// The start of an attempt is recorded before it begins.
    StartsFirst,
    /// The plan is computed from entries that are read under the lock.
    ReadsUnderTheLock,
    /// A run that ends in doubt does not release the lock.
    KeepsTheLockInDoubt,
    /// A run that acquires a lock that was not released ends the sessions of the previous owner.
    EndsSessions,
    /// A forced release ends only the owner that was shown.
    ForcesWhatWasSeen,
    /// A renewal moves the lease of its own run only.
    RenewsItsOwn,
    /// A run that requests the lock again gets the lock that it has.
    AcquiresOnce,
    /// A start that arrives after its attempt has ended is refused.
    RefusesLateStarts,
    /// An entry without an answer is searched in the audit before it is sent again.
    ReadsBeforeRepeating,
}

/// The possible events.
#[expect(dead_code, reason = "it is printed, with what it is about")]
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Tick,
    Ask(u8),
    Look(u8),
    Force(u8),
    Deliver(Message),
    Answer(Message),
    Lose(Message),
    GiveUp(Message),
    Repeat(Message),
    Renew(u8),
    Finish(u8),
    Insist(u8),
    EndInDoubt(u8),
    LoseLease(u8),
    Kill(u8),
    Pause(u8),
    Resume(u8),
    BackUp,
    Restore,
}

/// A small world with all rules, or all but one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    pub(super) kind: Kind,
    pub(super) runs: u8,
    pub(super) operators: u8,
    pub(super) disturbs: Disturbs,
    pub(super) without: Option<Rule>,
}

impl Model for Lock {
    type State = World;
    type Action = Action;

    fn start(&self) -> World {
        let runs = (0..self.runs).map(|_| Run::new(false));
        let operators = (0..self.operators).map(|_| Run::new(true));
        World {
            store: Store::default(),
            backup: None,
            runs: runs.chain(operators).collect(),
            wire: Vec::new(),
            effects: 0,
            disturbs: self.disturbs,
            was_restored: false,
            was_paused: false,
            wrong: None,
        }
    }

    fn next(&self, world: &World, each: &mut dyn FnMut(Action, World)) {
        let mut to = |action: Action, change: &dyn Fn(&mut World)| {
            let mut next = world.clone();
            change(&mut next);
            next.wire.sort_unstable();
            each(action, next);
        };
        if !self.a_run_must_notice(world) {
            to(Action::Tick, &World::tick);
        }
        let mut last = None;
        for (place, message) in world.wire.iter().enumerate() {
            // Two equal ones lead to the same state.
            if last.replace(message) != Some(message) {
                self.next_of_message(world, place, &mut to);
            }
        }
        for (index, run) in (0..).zip(&world.runs) {
            if run.lives() {
                self.next_of_run(world, index, run, &mut to);
            }
        }
        if world.disturbs.restores > 0 {
            match &world.backup {
                None => to(Action::BackUp, &|next| {
                    next.backup = Some(next.store.clone());
                }),
                Some(_) => to(Action::Restore, &World::restore),
            }
        }
    }

    fn broken(&self, world: &World) -> Option<&'static str> {
        if world.wrong.is_some() {
            return world.wrong;
        }
        let log = &world.store.log;
        let is_ordered = log.windows(2).all(|pair| {
            pair[0].token < pair[1].token
                || (pair[0].token == pair[1].token && pair[0].run == pair[1].run)
        });
        if !is_ordered {
            return Some("entries between two acquisitions belong to one owner");
        }
        let applied = log
            .iter()
            .filter(|entry| entry.said == Said::Applied)
            .count();
        if applied > 1 {
            return Some("one APPLIED");
        }
        let never_ran = |entry: &Entry| {
            let run = &world.runs[usize::from(entry.run)];
            run.phase == Phase::Ended(End::Failed) && !run.has_begun
        };
        if let Some(last) = log.iter().rfind(|entry| entry.said != Said::LockReleased)
            && last.said == Said::Started
            && self.kind != Kind::Midway
            && never_ran(last)
        {
            return Some("an issue only if something may be half done");
        }
        if world.was_restored {
            return None;
        }
        let is_running = |run: &&Run| {
            run.phase == Phase::Working
                && run.has_begun
                && run.believes()
                && !run.is_paused
                && !run.was_forced_out
        };
        if world.runs.iter().filter(is_running).count() > 1 {
            return Some("one live process runs a change");
        }
        let forced = world.runs.iter().any(|run| run.was_forced_out);
        // The verify function cannot see the pending effect of a paused process.
        let once = match self.kind {
            Kind::Manual | Kind::Shared | Kind::Midway => true,
            Kind::Verified => !world.was_paused && !forced,
        };
        if once && world.effects > 1 {
            return Some("one effect");
        }
        if self.kind == Kind::Shared && usize::from(world.effects) != applied {
            return Some("the effect is there if and only if it is APPLIED");
        }
        let says = |run: &Run| run.phase == Phase::Ended(End::Applied);
        if applied == 0 && world.runs.iter().any(says) {
            return Some("who says that it is applied is right");
        }
        None
    }
}

type To<'a> = dyn FnMut(Action, &dyn Fn(&mut World)) + 'a;

impl Lock {
    fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// A run that is not paused notices in time that its lease has expired.
    fn a_run_must_notice(&self, world: &World) -> bool {
        self.has(Rule::EndsWithItsLease)
            && world
                .runs
                .iter()
                .any(|run| run.holds() && !run.believes() && !run.is_paused)
    }

    fn next_of_message(&self, world: &World, place: usize, to: &mut To<'_>) {
        let message = world.wire[place];
        let run = &world.runs[usize::from(message.run)];
        if message.answer.is_none() {
            to(Action::Deliver(message), &|next| self.deliver(next, place));
        } else if !run.is_paused {
            to(Action::Answer(message), &|next| self.answer(next, place));
        }
        let waits = waits_for(run, message.asks) && !run.is_paused;
        if waits && world.disturbs.losses > 0 {
            to(Action::Lose(message), &|next| {
                next.disturbs.losses -= 1;
                next.wire.remove(place);
                self.fails(next, message.run, message.asks);
            });
            if message.answer.is_none() {
                to(Action::GiveUp(message), &|next| {
                    next.disturbs.losses -= 1;
                    self.fails(next, message.run, message.asks);
                });
            }
        }
        // Only the engine repeats requests on a database connection.
        let may_repeat = matches!(
            message.asks,
            Asks::Acquire | Asks::Force(_) | Asks::Renew | Asks::Release | Asks::Read
        );
        if may_repeat && message.answer.is_none() && world.disturbs.repeats > 0 {
            to(Action::Repeat(message), &|next| {
                next.disturbs.repeats -= 1;
                next.wire.push(message);
            });
        }
    }

    fn next_of_run(&self, world: &World, index: u8, run: &Run, to: &mut To<'_>) {
        let at = usize::from(index);
        if world.disturbs.kills > 0 && run.phase != Phase::Out {
            to(Action::Kill(index), &|next| {
                next.disturbs.kills -= 1;
                next.end(at, End::Killed);
            });
        }
        if run.is_paused {
            to(Action::Resume(index), &|next| {
                next.runs[at].is_paused = false;
            });
            return;
        }
        if world.disturbs.pauses > 0 && run.holds() {
            to(Action::Pause(index), &|next| {
                next.disturbs.pauses -= 1;
                next.was_paused = true;
                next.runs[at].is_paused = true;
            });
        }
        let is_held = world.store.owner.is_some() && world.store.left > 0;
        match run.phase {
            Phase::Out if run.is_operator && is_held => to(Action::Look(index), &|next| {
                next.runs[at].phase = Phase::Looked(next.store.token);
            }),
            Phase::Looked(token) => to(Action::Force(index), &|next| {
                next.runs[at].phase = Phase::Asking;
                next.send(index, Asks::Force(token));
            }),
            Phase::Out if !run.is_operator && !is_held => to(Action::Ask(index), &|next| {
                next.runs[at].phase = Phase::Asking;
                next.send(index, Asks::Acquire);
            }),
            Phase::Working if self.may_finish(world, run) => {
                to(Action::Finish(index), &|next| self.finish(next, index));
            }
            Phase::Recording if !world.is_asking(index, Asks::Apply) && !run.is_operator => {
                to(Action::Insist(index), &|next| self.insist(next, index));
            }
            _ => {}
        }
        let unrecorded = run.phase == Phase::Recording && !world.expects(index, Asks::Apply);
        if unrecorded && !run.is_operator && world.disturbs != self.disturbs {
            to(Action::EndInDoubt(index), &|next| {
                self.end_in_doubt(next, index);
            });
        }
        if run.holds() && !run.believes() && self.has(Rule::EndsWithItsLease) {
            to(Action::LoseLease(index), &|next| next.end(at, End::Lost));
        }
        if run.holds() && !run.renews && run.age > 0 {
            to(Action::Renew(index), &|next| {
                next.runs[at].renews = true;
                next.send(index, Asks::Renew);
            });
        }
    }

    /// A change is cut as soon as its lease expires, except that of a paused process: it may end
    /// before the time is checked.
    fn may_finish(&self, world: &World, run: &Run) -> bool {
        run.believes()
            || world.was_paused
            || !self.has(Rule::EndsWithItsLease)
            || !self.has(Rule::ChecksTheLeaseFirst)
    }

    fn finish(&self, next: &mut World, index: u8) {
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

    /// The request of a run is executed.
    fn deliver(&self, next: &mut World, place: usize) {
        let message = next.wire.remove(place);
        let at = usize::from(message.run);
        let answer = match message.asks {
            Asks::Acquire => self.acquire(next, &message, None),
            Asks::Force(seen) => self.acquire(next, &message, Some(seen)),
            Asks::Read => Answer::Latest(code(next.store.latest())),
            Asks::Renew => self.renew(next, &message),
            Asks::Release => {
                if next.store.owner == Some(message.run) && next.store.token == message.token {
                    next.store.owner = None;
                    next.store.left = 0;
                    next.store.may_be_open = false;
                }
                Answer::Done
            }
            Asks::Ddl if !next.runs[at].has_session => Answer::Refused,
            Asks::Ddl => {
                next.effects += 1;
                next.write(&message, Said::Started);
                Answer::Done
            }
            // The owner is checked and the transaction opened in one step.
            Asks::Start if self.kind == Kind::Midway => {
                next.runs[at].has_session = next.store.owner == Some(message.run);
                match next.runs[at].has_session {
                    true => Answer::Done,
                    false => Answer::Refused,
                }
            }
            Asks::Start => {
                let late = next.store.has(Said::RolledBack, message.run);
                match late && self.has(Rule::RefusesLateStarts) {
                    true => Answer::Refused,
                    false => self.append(next, &message, Said::Started),
                }
            }
            Asks::RollBack => self.append(next, &message, Said::RolledBack),
            Asks::NoteForce => self.append(next, &message, Said::LockReleased),
            Asks::Apply => {
                let answer = self.append(next, &message, Said::Applied);
                if answer == Answer::Done && self.kind == Kind::Shared {
                    next.effects += 1;
                }
                answer
            }
        };
        if waits_for(&next.runs[at], message.asks) && !next.expects_answer(&message) {
            let answer = Some(answer);
            next.wire.push(Message { answer, ..message });
        }
    }

    fn acquire(&self, next: &mut World, message: &Message, seen: Option<u8>) -> Answer {
        let store = &mut next.store;
        let is_held = store.owner.is_some() && store.left > 0;
        if store.owner == Some(message.run) && self.has(Rule::AcquiresOnce) {
            store.left = LEASE;
            return Answer::Token(store.token);
        }
        let is_own = store.owner == Some(message.run);
        match seen {
            None if is_held && !is_own => return Answer::No,
            Some(seen) if self.has(Rule::ForcesWhatWasSeen) && store.token != seen => {
                return Answer::No;
            }
            Some(seen) if store.token != seen => {
                next.wrong = Some("a forced release ends only the owner that was shown");
            }
            Some(_) | None => {}
        }
        if let (Some(_), Some(before)) = (seen, store.owner) {
            next.runs[usize::from(before)].was_forced_out = true;
        }
        if store.may_be_open && self.has(Rule::EndsSessions) {
            next.wire
                .retain(|other| other.asks != Asks::Ddl || other.run == message.run);
            for (index, run) in (0..).zip(&mut next.runs) {
                run.has_session &= index == message.run;
            }
        }
        store.token += 1;
        store.owner = Some(message.run);
        store.left = LEASE;
        store.may_be_open = self.kind == Kind::Midway;
        store.was_its_own = is_own;
        Answer::Token(store.token)
    }

    fn renew(&self, next: &mut World, message: &Message) -> Answer {
        let is_own = next.store.owner == Some(message.run) && next.store.token == message.token;
        if !is_own && self.has(Rule::RenewsItsOwn) {
            return Answer::Refused;
        }
        if next.store.owner.is_none() {
            return Answer::Refused;
        }
        if next.store.owner != Some(message.run) {
            next.wrong = Some("no run waits longer than one lease after an owner has died");
        }
        next.store.left = LEASE;
        Answer::Done
    }

    fn append(&self, next: &mut World, message: &Message, said: Said) -> Answer {
        let of_token = next.store.token == message.token;
        let of_run = next.store.owner == Some(message.run) || !self.has(Rule::FenceByRun);
        if (of_token && of_run) || !self.has(Rule::FencingToken) {
            next.write(message, said);
            return Answer::Done;
        }
        if next.store.owner == Some(message.run) && next.store.was_its_own {
            next.wrong = Some("an owner is not refused while no other run has had the lock");
        }
        Answer::Refused
    }

    /// A run receives an answer.
    fn answer(&self, next: &mut World, place: usize) {
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
    fn fails(&self, next: &mut World, index: u8, asks: Asks) {
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

    fn end_in_doubt(&self, next: &mut World, index: u8) {
        if self.has(Rule::KeepsTheLockInDoubt) {
            next.end(usize::from(index), End::InDoubt);
        } else {
            next.release(index, End::InDoubt);
        }
    }

    /// An entry that may exist is searched in the audit, once its session has ended, and sent
    /// again.
    fn insist(&self, next: &mut World, index: u8) {
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
}

/// Whether a run waits for this answer.
fn waits_for(run: &Run, asks: Asks) -> bool {
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

const SAID: [Said; 4] = [
    Said::Started,
    Said::Applied,
    Said::RolledBack,
    Said::LockReleased,
];

fn code(said: Option<Said>) -> u8 {
    let place = SAID.iter().position(|one| Some(*one) == said);
    place.map_or(0, |place| place as u8 + 1)
}

fn said(code: u8) -> Option<Said> {
    SAID.get(usize::from(code).checked_sub(1)?).copied()
}

impl World {
    fn tick(&mut self) {
        self.store.left = self.store.left.saturating_sub(1);
        for run in &mut self.runs {
            if run.holds() {
                run.age = (run.age + 1).min(LEASE);
            }
        }
        for message in &mut self.wire {
            // It makes no difference for the others.
            if matches!(message.asks, Asks::Acquire | Asks::Force(_) | Asks::Renew) {
                message.age = (message.age + 1).min(LEASE);
            }
        }
    }

    fn send(&mut self, run: u8, asks: Asks) {
        let token = match asks {
            // The earlier state, for a run that decides by it.
            Asks::Acquire => code(self.store.latest()),
            _ => self.runs[usize::from(run)].token,
        };
        self.wire.push(Message {
            run,
            asks,
            answer: None,
            token,
            age: 0,
        });
    }

    fn is_asking(&self, run: u8, asks: Asks) -> bool {
        let is_it = |message: &Message| message.run == run && message.asks == asks;
        self.wire.iter().any(is_it)
    }

    fn expects(&self, run: u8, asks: Asks) -> bool {
        let is_it = |one: &Message| one.run == run && one.asks == asks && one.answer.is_some();
        self.wire.iter().any(is_it)
    }

    /// Whether the first of two answers to a repeated request is in transit.
    fn expects_answer(&self, message: &Message) -> bool {
        self.expects(message.run, message.asks)
    }

    fn write(&mut self, message: &Message, said: Said) {
        self.store.log.push(Entry {
            token: message.token,
            run: message.run,
            said,
        });
    }

    fn release(&mut self, run: u8, says: End) {
        let ending = &mut self.runs[usize::from(run)];
        ending.phase = Phase::Releasing;
        ending.says = says;
        ending.renews = false;
        ending.age = 0;
        self.send(run, Asks::Release);
    }

    /// The answers are ignored from now on; the requests are still in transit.
    fn end(&mut self, at: usize, end: End) {
        let run = &mut self.runs[at];
        *run = Run {
            phase: Phase::Ended(end),
            was_forced_out: run.was_forced_out,
            has_begun: run.has_begun,
            has_session: run.has_session,
            ..Run::new(run.is_operator)
        };
        self.wire
            .retain(|message| usize::from(message.run) != at || message.answer.is_none());
    }

    fn restore(&mut self) {
        if let Some(backup) = self.backup.take() {
            self.store = backup;
            self.disturbs.restores -= 1;
            self.was_restored = true;
        }
    }
}
