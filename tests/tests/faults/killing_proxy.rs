//! A proxy that kills a process at the n-th message: before the server has received it, or after
//! the server has answered and before the process has received the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock_tests::proxy::{Client, url_through};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// The messages that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's messages, before they are forwarded.
    Client,
    /// The server's messages, before they are forwarded.
    Server,
}

/// Counts the messages of one process to all of its servers.
#[derive(Clone, Debug)]
pub(crate) struct KillingProxy(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    side: Side,
    left: AtomicUsize,
    process: watch::Sender<Option<u32>>,
}

impl KillingProxy {
    pub(crate) fn new(side: Side, nth: usize) -> KillingProxy {
        let process = watch::Sender::new(None);
        KillingProxy(Arc::new(Counter {
            side,
            left: AtomicUsize::new(nth),
            process,
        }))
    }

    /// Nothing is forwarded before the process to kill is known.
    pub(crate) fn of(&self, process: u32) {
        self.0.process.send_replace(Some(process));
    }

    /// The same database, reached through this proxy.
    pub(crate) async fn url(&self, url: &str) -> String {
        let proxy = self.clone();
        url_through(url, move |client| proxy.clone().serve(client)).await
    }

    async fn serve(self, client: Client) {
        let Ok([(from_client, to_server), (from_server, to_client)]) = client.connect().await
        else {
            return;
        };
        // When one direction ends, both sockets are closed.
        tokio::select! {
            () = self.pass(Side::Client, from_client, to_server) => {}
            () = self.pass(Side::Server, from_server, to_client) => {}
        }
    }

    async fn pass(&self, side: Side, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut chunk = vec![0; 64 * 1024];
        let mut process = self.0.process.subscribe();
        loop {
            let length = match from.read(&mut chunk).await {
                Ok(length) if length > 0 => length,
                _ => return,
            };
            let Ok(process) = process
                .wait_for(Option::is_some)
                .await
                .map(|process| *process)
            else {
                return;
            };
            if side == self.0.side && self.0.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                let process = process.and_then(|process| Pid::from_raw(process.cast_signed()));
                // The test waits for the end of the process, so the id cannot have been reused.
                let _ = kill_process(process.unwrap(), Signal::KILL);
                return;
            }
            if to.write_all(&chunk[..length]).await.is_err() {
                return;
            }
        }
    }
}
