//! The changes of a schedule, and their effects.

use std::sync::{Arc, Mutex, PoisonError};

use flamingock::{BoxError, Context, change, rollback, verify};

use crate::fates::{Call, Mishap};
use crate::process::Process;
use crate::trace::Trace;

/// How often a change can be attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once, unless it was rolled back.
    Once,
    /// Again, unless the verify function finds its effect.
    Verified,
    /// Again.
    Retried,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Live,
    Done,
    /// The function was dropped, or its process killed.
    Cut,
    RolledBack,
}

#[derive(Debug)]
struct Effect {
    change: &'static str,
    process: Arc<Process>,
    stand: Stand,
    /// The number of pauses of its process when it began, and whether it was paused since: a paused
    /// process may still act later.
    stands: u32,
    was_paused: bool,
}

impl Effect {
    fn is_blind(&self) -> bool {
        self.was_paused || (self.stand == Stand::Live && self.process.stands() > self.stands)
    }

    fn ends(&mut self, stand: Stand) {
        self.was_paused = self.is_blind();
        self.stand = stand;
    }
}

/// The effects of the changes of a schedule.
#[derive(Debug)]
pub(crate) struct Effects {
    all: Mutex<Vec<Effect>>,
    trace: Arc<Trace>,
}

impl Effects {
    pub(crate) fn new(trace: &Arc<Trace>) -> Arc<Effects> {
        Arc::new(Effects {
            all: Mutex::default(),
            trace: Arc::clone(trace),
        })
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Effect>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the effect exists, and whether it may exist more than once.
    pub(crate) fn count(&self, change: &str) -> (usize, bool) {
        let all = self.all();
        let of_change = all.iter().filter(|effect| effect.change == change);
        let done = of_change
            .clone()
            .filter(|effect| effect.stand == Stand::Done);
        let was_paused = of_change.clone().any(|effect| effect.was_paused);
        (done.count(), was_paused)
    }

    fn begin(self: &Arc<Self>, change: &'static str, kind: Kind, process: &Arc<Process>) -> Live {
        process.note(|| format!("begins {change}"));
        let mut all = self.all();
        for other in all.iter().filter(|other| other.change == change) {
            let blind = other.is_blind();
            let stand = match other.stand {
                Stand::Live if other.process.is_killed() => Stand::Cut,
                stand => stand,
            };
            let wrong = match (stand, kind) {
                (Stand::RolledBack, _) => false,
                (Stand::Live, Kind::Verified | Kind::Retried) => !blind,
                (Stand::Done, Kind::Verified) => !blind,
                (Stand::Cut, Kind::Verified) | (Stand::Done | Stand::Cut, Kind::Retried) => false,
                (_, Kind::Once) => true,
            };
            if wrong {
                self.trace.wrong(format!(
                    "run {} begins \"{change}\", which is {:?} by run {}",
                    process.name, stand, other.process.name
                ));
            }
        }
        all.push(Effect {
            change,
            process: Arc::clone(process),
            stand: Stand::Live,
            stands: process.stands(),
            was_paused: false,
        });
        Live {
            effects: Arc::clone(self),
            place: all.len() - 1,
        }
    }

    fn is_there(&self, change: &str) -> bool {
        self.count(change).0 > 0
    }

    fn roll_back(&self, change: &str, process: &Arc<Process>) {
        process.note(|| format!("rolls back {change}"));
        let own = |effect: &&mut Effect| {
            effect.change == change
                && Arc::ptr_eq(&effect.process, process)
                && effect.stand == Stand::Done
        };
        if let Some(effect) = self.all().iter_mut().find(own) {
            effect.stand = Stand::RolledBack;
        }
    }
}

/// A running change.
struct Live {
    effects: Arc<Effects>,
    place: usize,
}

impl Live {
    fn done(&self) {
        self.effects.all()[self.place].ends(Stand::Done);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut all = self.effects.all();
        let effect = &mut all[self.place];
        if effect.stand == Stand::Live {
            effect.ends(Stand::Cut);
            effect.process.note(|| format!("cut in {}", effect.change));
        }
    }
}

/// The place for the effects of a process's changes.
#[derive(Clone, Debug)]
pub struct Site {
    pub(crate) process: Arc<Process>,
    pub(crate) effects: Arc<Effects>,
}

impl Site {
    /// Performs the effect of a change.
    pub async fn apply(&self, change: &'static str, kind: Kind) {
        let live = self.effects.begin(change, kind, &self.process);
        self.pass().await;
        live.done();
        self.process.note(|| format!("has done {change}"));
    }

    /// Takes the time of a change, during which its process may be paused or killed.
    pub async fn pass(&self) {
        let fate = self.process.fate(Call::Effect);
        tokio::time::sleep(fate.before).await;
        match fate.mishap {
            Mishap::StandsStill(pause) => self.process.stand_still(pause).await,
            Mishap::KilledBefore | Mishap::KilledAfter => {
                self.process.kill();
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        tokio::time::sleep(fate.after).await;
    }
}

#[change(id = "manual", order = "001", stage = "a", register = false)]
async fn manual(site: &Site) {
    site.apply("manual", Kind::Once).await;
}

#[change(id = "verified", order = "002", stage = "b", register = false)]
async fn verified(site: &Site) {
    site.apply("verified", Kind::Verified).await;
}

#[verify(verified)]
async fn is_verified(site: &Site) -> Result<bool, BoxError> {
    let fate = site.process.fate(Call::Verify);
    tokio::time::sleep(fate.before).await;
    Ok(site.effects.is_there("verified"))
}

#[change(
    id = "retried",
    order = "003",
    stage = "c",
    recovery = "retry",
    register = false
)]
async fn retried(site: &Site) {
    site.apply("retried", Kind::Retried).await;
}

/// Fails at its first attempt.
#[change(id = "fails", order = "004", stage = "d", register = false)]
async fn fails(site: &Site, context: &Context) -> Result<(), BoxError> {
    site.apply("fails", Kind::Once).await;
    match context.attempt() {
        1 => Err("it is the first attempt".into()),
        _ => Ok(()),
    }
}

#[rollback(fails)]
async fn roll_back(site: &Site) {
    let fate = site.process.fate(Call::Rollback);
    if fate.mishap == Mishap::KilledBefore {
        site.process.kill();
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(fate.before).await;
    site.effects.roll_back("fails", &site.process);
}

/// The changes that every schedule applies, whatever its store.
#[must_use]
pub fn common() -> Vec<&'static flamingock::Definition> {
    flamingock::changes![manual, verified, retried, fails]
        .into_iter()
        .collect()
}

/// Whether one of these changes can become an issue.
pub(crate) fn can_be_an_issue(change: &str) -> bool {
    matches!(change, "manual" | "fails")
}
