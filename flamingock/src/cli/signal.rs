//! Signals: the first one asks the run to stop, the second one ends the process.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::oneshot;

/// The number of the signal that was caught; 0 if there was none.
#[derive(Clone, Debug, Default)]
pub(super) struct Caught(Arc<AtomicU8>);

impl Caught {
    pub(super) fn signal(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }
}

/// Listens for signals until the process ends. The future completes at the first signal; `say`
/// reports it to the user.
pub(super) fn listen(
    say: impl Fn(&str) + Send + 'static,
) -> io::Result<(Caught, impl Future<Output = ()> + Send + 'static)> {
    let mut signals = Signals::new()?;
    let caught = Caught::default();
    let (first, asked) = oneshot::channel();
    let told = caught.clone();
    tokio::spawn(async move {
        told.0.store(signals.next().await, Ordering::Relaxed);
        let _ = first.send(());
        say(
            "stopping: a change outside a transaction is let finish; a second signal ends the process at once",
        );
        let number = signals.next().await;
        std::process::exit(128 + i32::from(number));
    });
    Ok((caught, async move {
        if asked.await.is_err() {
            std::future::pending::<()>().await;
        }
    }))
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
