//! The guarantees, in every state of the world.

use super::world::{End, Entry, Kind, Phase, Run, Said, World};

/// The guarantee that is broken in this state.
pub(super) fn broken(kind: Kind, world: &World) -> Option<&'static str> {
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
        && kind != Kind::Midway
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
    let once = match kind {
        Kind::Manual | Kind::Shared | Kind::Midway => true,
        Kind::Verified => !world.was_paused && !forced,
    };
    if once && world.effects > 1 {
        return Some("one effect");
    }
    if kind == Kind::Shared && usize::from(world.effects) != applied {
        return Some("the effect is there if and only if it is APPLIED");
    }
    let says = |run: &Run| run.phase == Phase::Ended(End::Applied);
    if applied == 0 && world.runs.iter().any(says) {
        return Some("who says that it is applied is right");
    }
    None
}
