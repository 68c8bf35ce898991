//! The store executes the requests of runs.

use super::rules::{Lock, Rule};
use super::runs::waits_for;
use super::world::{Answer, Asks, Kind, LEASE, Message, Said, World, code};

impl Lock {
    /// The request of a run is executed.
    pub(super) fn deliver(&self, next: &mut World, place: usize) {
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
}
