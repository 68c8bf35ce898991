//! The network between the processes of a schedule and their server.

use std::sync::Arc;
use std::time::Duration;

use flamingock_tests::Proxy;
use flamingock_time::Trace;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

/// Cuts before the server has received a message, or before the client has received its answer.
const TEXTS: [&str; 6] = [
    "commit",
    "begin",
    "insert into effects",
    "flamingock_audit",
    "flamingock_lock",
    "flamingock_lease",
];

/// A network for each process; none where the database is a file.
pub(super) struct Weather {
    proxies: Vec<Arc<Proxy>>,
    /// Ends with the schedule.
    _changing: JoinSet<()>,
}

impl Weather {
    pub(super) fn of(seed: u64, lease: Duration, url: &str, trace: &Arc<Trace>) -> Weather {
        let mut changing = JoinSet::new();
        let mut proxies = Vec::new();
        let processes = if url.starts_with("sqlite") { 0 } else { 3 };
        let mut random = StdRng::seed_from_u64(seed.rotate_left(16));
        for process in 0..processes {
            let proxy = Arc::new(Proxy::in_front_of(url).unwrap());
            proxies.push(Arc::clone(&proxy));
            for _ in 0..random.random_range(0..3) {
                let at = lease.mul_f64(random.random_range(0.0..4.0));
                let what = random.random_range(0..5);
                let text = TEXTS[random.random_range(0..TEXTS.len())];
                let nth = random.random_range(1..4);
                let delay = lease.mul_f64(random.random_range(0.0..0.4));
                let (proxy, trace) = (Arc::clone(&proxy), Arc::clone(trace));
                changing.spawn(async move {
                    tokio::time::sleep(at).await;
                    let what = match what {
                        0 => {
                            proxy.reset();
                            "every connection is cut".to_owned()
                        }
                        1 => {
                            proxy.delay(delay);
                            format!("late by {delay:?} from now on")
                        }
                        2 => {
                            proxy.cut_before(text, nth);
                            format!("cut before {text:?}, time {nth}")
                        }
                        _ => {
                            proxy.cut_after(text, nth);
                            format!("cut after {text:?}, time {nth}")
                        }
                    };
                    trace.say(format!("network of run {process}: {what}"));
                });
            }
        }
        Weather {
            proxies,
            _changing: changing,
        }
    }

    /// The URL of the database for a process; the last one has no network of its own.
    pub(super) fn url(&self, database: &str, process: usize) -> String {
        match self.proxies.get(process) {
            Some(proxy) => proxy.url(database),
            None => database.to_owned(),
        }
    }
}
