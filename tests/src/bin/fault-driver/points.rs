//! Acts at the n-th event of `tracing`: sqlx emits each statement that has ended, the engine its
//! decisions.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::watch;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Counts down to a point.
struct Countdown {
    left: AtomicUsize,
    spans: AtomicU64,
    reached: Box<dyn Fn() + Send + Sync>,
}

impl Countdown {
    fn tick(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            (self.reached)();
        }
    }
}

impl Subscriber for Countdown {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query" || metadata.target().starts_with("flamingock")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.tick();
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.tick();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Acts at the `nth` point from now; the first is 1.
fn at(nth: usize, reached: impl Fn() + Send + Sync + 'static) {
    let countdown = Countdown {
        left: AtomicUsize::new(nth),
        spans: AtomicU64::new(1),
        reached: Box::new(reached),
    };
    tracing::subscriber::set_global_default(countdown).expect("no other subscriber is set");
}

/// Kills this process at the `nth` point.
pub(crate) fn die_at(nth: usize) {
    at(nth, || {
        // No destructor, no message to the server: like a power cut.
        let _ = kill_process(getpid(), Signal::KILL);
    });
}

/// Ends at the `nth` point, and never before.
pub(crate) fn point(nth: usize) -> impl Future<Output = ()> + Send + 'static {
    let reached = watch::Sender::new(false);
    let mut heard = reached.subscribe();
    at(nth, move || {
        reached.send_replace(true);
    });
    async move {
        if heard.wait_for(|reached| *reached).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
