//! A proxy that kills a process at the n-th message: before the server has received it, or after
//! the server has answered and before the process has received the answer.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
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
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let (address, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (toll, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(toll.clone().serve(client, address.clone()));
            }
        });
        format!("{scheme}://{user}@127.0.0.1:{port}/{database}")
    }

    async fn serve(self, client: TcpStream, address: String) {
        let Ok(server) = TcpStream::connect(address).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
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
