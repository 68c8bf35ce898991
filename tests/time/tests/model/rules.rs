//! The rules of the lock, the lease and fencing, each of which can be left out, and the possible
//! events under them.

use super::explore::Model;
use super::guarantees;
use super::runs::waits_for;
use super::world::{Asks, Disturbs, End, Kind, Message, Phase, Run, Store, World};

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
        guarantees::broken(self.kind, world)
    }
}

type To<'a> = dyn FnMut(Action, &dyn Fn(&mut World)) + 'a;

impl Lock {
    pub(super) fn has(&self, rule: Rule) -> bool {
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
}
