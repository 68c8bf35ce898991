//! Stalls: times in which a busy machine gave this process no processor, and probably its servers
//! neither.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

const TICK: Duration = Duration::from_millis(50);

/// A schedule that fails after a stall of this length, half of its lease, is played again. Several
/// stalls together exceed the limits of a run for an answer, which begin at 3 s.
const LIMIT: Duration = Duration::from_millis(500);

/// Finds stalls by a clock that ticks beside the schedules.
pub(crate) struct Stalls {
    ticks: Arc<Mutex<Ticks>>,
    /// Ends with this value.
    _ticking: JoinSet<()>,
}

struct Ticks {
    latest: Instant,
    /// The end and the length of the latest stall.
    stall: Option<(Instant, Duration)>,
}

impl Ticks {
    fn tick(&mut self) {
        let now = Instant::now();
        let apart = now - self.latest;
        if apart >= LIMIT {
            self.stall = Some((now, apart));
        }
        self.latest = now;
    }
}

impl Stalls {
    pub(crate) fn watch() -> Stalls {
        let ticks = Arc::new(Mutex::new(Ticks {
            latest: Instant::now(),
            stall: None,
        }));
        let mut ticking = JoinSet::new();
        let clock = Arc::clone(&ticks);
        ticking.spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                clock.lock().unwrap().tick();
            }
        });
        Stalls {
            ticks,
            _ticking: ticking,
        }
    }

    /// Returns the length of the latest stall that ended after `began`.
    pub(crate) fn since(&self, began: Instant) -> Option<Duration> {
        let mut ticks = self.ticks.lock().unwrap();
        // The clock has not ticked yet if the stall ends now.
        ticks.tick();
        let (ended, length) = ticks.stall?;
        (ended > began).then_some(length)
    }
}
