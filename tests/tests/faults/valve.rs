//! A proxy that holds a connection where a client sends a text, so that a test can do something at
//! exactly that moment.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::start::DEADLINE;

/// Where a message is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Before the server has it.
    BeforeServer,
    /// The server has it; its answer is held.
    AfterServer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The text has not come by.
    Waiting,
    /// The text is held.
    Closed,
    /// Everything passes.
    Open,
}

/// Holds the first message with a text, and everything that comes after it on any connection.
#[derive(Clone, Debug)]
pub(crate) struct Valve(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    held: Where,
    /// Whether the other connections are held too, as where a cable is pulled.
    all: bool,
    state: watch::Sender<State>,
}

impl Valve {
    pub(crate) fn at(text: &str, held: Where) -> Valve {
        let (text, state) = (text.to_lowercase(), watch::Sender::new(State::Waiting));
        Valve(Arc::new(Inner { text, held, all: false, state }))
    }

    /// From the moment on nothing passes on any connection.
    pub(crate) fn cable(text: &str, held: Where) -> Valve {
        let (text, state) = (text.to_lowercase(), watch::Sender::new(State::Waiting));
        Valve(Arc::new(Inner { text, held, all: true, state }))
    }

    /// Waits until the text is held.
    pub(crate) async fn closed(&self) {
        let mut state = self.0.state.subscribe();
        let closed = state.wait_for(|state| *state == State::Closed);
        timeout(DEADLINE, closed).await.expect("the text comes by").unwrap();
        // What was on its way to the server before has arrived when its answer is held, or nothing
        // was.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Lets everything pass.
    pub(crate) fn open(&self) {
        self.0.state.send_replace(State::Open);
    }

    /// The same database, on the way through here.
    pub(crate) async fn url(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap();
        let (address, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (valve, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(valve.clone().serve(client, address.clone()));
            }
        });
        format!("{scheme}://{user}@127.0.0.1:{port}/{database}")
    }

    async fn serve(self, client: TcpStream, address: String) {
        if self.0.all {
            self.passing().await;
        }
        let Ok(server) = TcpStream::connect(address).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mine = watch::Sender::new(false);
        tokio::select! {
            () = self.up(from_client, to_server, &mine) => {}
            () = self.down(from_server, to_client, &mine) => {}
        }
    }

    /// Waits while the valve is closed.
    async fn passing(&self) {
        let mut state = self.0.state.subscribe();
        let _ = state.wait_for(|state| *state != State::Closed).await;
    }

    async fn up(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mine: &watch::Sender<bool>) {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = match from.read(&mut chunk).await {
                Ok(length) if length > 0 => length,
                _ => return,
            };
            if self.0.all || *mine.borrow() {
                self.passing().await;
            }
            let text = String::from_utf8_lossy(&chunk[..length]).to_lowercase();
            let found = *self.0.state.borrow() == State::Waiting && text.contains(&self.0.text);
            if found {
                mine.send_replace(true);
                self.0.state.send_replace(State::Closed);
                if self.0.held == Where::BeforeServer {
                    self.passing().await;
                }
            }
            if to.write_all(&chunk[..length]).await.is_err() {
                return;
            }
        }
    }

    async fn down(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mine: &watch::Sender<bool>,
    ) {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = match from.read(&mut chunk).await {
                Ok(length) if length > 0 => length,
                // Nobody learns of the end while the cable is out.
                _ if self.0.all || *mine.borrow() => return self.passing().await,
                _ => return,
            };
            if self.0.all || *mine.borrow() {
                self.passing().await;
            }
            if to.write_all(&chunk[..length]).await.is_err() {
                return;
            }
        }
    }
}
