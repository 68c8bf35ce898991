//! A proxy that holds a connection when a client sends a text, so that a test can act at exactly
//! that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flamingock_tests::proxy::{Client, url_through};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use super::start::DEADLINE;

/// The place at which a message is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Before the server has received it.
    BeforeServer,
    /// The server has received it, and its answer is held.
    AfterServer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The text has not been sent.
    Waiting,
    /// The text is held.
    Closed,
    /// The text is still held; its client sees a lost connection.
    Severed,
    /// Everything passes.
    Open,
    /// The connection with the text is closed; everything else passes.
    Cut,
}

/// Holds the first message with a text, and everything after it on any connection.
#[derive(Clone, Debug)]
pub(crate) struct HoldingProxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    held: Where,
    /// Whether the other connections are held too, as if the cable was pulled.
    all: bool,
    state: watch::Sender<State>,
    /// Whether the connection was closed for its client only.
    severed: AtomicBool,
    /// Whether the server has answered, although the client no longer waits.
    answered: watch::Sender<bool>,
}

/// Waits for a value until the deadline.
async fn reached<T>(values: &watch::Sender<T>, is_it: impl Fn(&T) -> bool, what: &str) {
    let mut values = values.subscribe();
    let it = timeout(DEADLINE, values.wait_for(is_it));
    it.await.expect(what).unwrap();
}

impl HoldingProxy {
    /// A text matches anywhere in a message; one that begins with `=` must be the whole statement.
    pub(crate) fn at(text: &str, held: Where) -> HoldingProxy {
        HoldingProxy::new(text, held, false)
    }

    /// From that moment, nothing passes on any connection.
    pub(crate) fn cable(text: &str, held: Where) -> HoldingProxy {
        HoldingProxy::new(text, held, true)
    }

    fn new(text: &str, held: Where, all: bool) -> HoldingProxy {
        let state = watch::Sender::new(State::Waiting);
        HoldingProxy(Arc::new(Inner {
            text: text.to_lowercase(),
            held,
            all,
            state,
            severed: AtomicBool::new(false),
            answered: watch::Sender::new(false),
        }))
    }

    /// Waits until the text is held.
    pub(crate) async fn closed(&self) {
        let is_closed = |state: &State| *state == State::Closed;
        reached(&self.0.state, is_closed, "the text is sent").await;
    }

    /// Lets everything pass.
    pub(crate) fn open(&self) {
        self.0.state.send_replace(State::Open);
    }

    /// Closes the connection of the held text for its client only: the server does not notice, and
    /// receives the text when everything passes.
    pub(crate) fn sever(&self) {
        self.0.severed.store(true, Ordering::SeqCst);
        self.0.state.send_replace(State::Severed);
    }

    fn is_severed(&self) -> bool {
        self.0.severed.load(Ordering::SeqCst)
    }

    /// Lets everything pass, and waits until the server has executed the text that was cut off from
    /// its client.
    pub(crate) async fn deliver(&self) {
        self.open();
        let has_answered = |answered: &bool| *answered;
        reached(&self.0.answered, has_answered, "the server answers").await;
    }

    /// Closes the connection on which the text is held.
    pub(crate) fn cut(&self) {
        self.0.state.send_replace(State::Cut);
    }

    /// The same database, reached through this proxy.
    pub(crate) async fn url(&self, url: &str) -> String {
        let proxy = self.clone();
        url_through(url, move |client| proxy.clone().serve(client)).await
    }

    async fn serve(self, client: Client) {
        if self.0.all {
            self.passing().await;
        }
        let Ok([(from_client, to_server), (from_server, to_client)]) = client.connect().await
        else {
            return;
        };
        let mine = watch::Sender::new(false);
        tokio::select! {
            () = self.up(from_client, to_server, &mine) => {}
            () = self.down(from_server, to_client, &mine) => {}
        }
    }

    /// Waits while the proxy holds this connection. Returns false if the connection must end.
    async fn goes_on(&self, mine: &watch::Sender<bool>) -> bool {
        let mine = *mine.borrow();
        if self.0.all || mine {
            self.passing().await;
        }
        !(mine && *self.0.state.borrow() == State::Cut)
    }

    async fn passing(&self) {
        let mut state = self.0.state.subscribe();
        let passes = |state: &State| !matches!(state, State::Closed | State::Severed);
        let _ = state.wait_for(passes).await;
    }

    /// Waits until the client of the text is cut off.
    async fn severed(&self, mine: &watch::Sender<bool>) {
        let mut state = self.0.state.subscribe();
        let _ = state.wait_for(|state| *state == State::Severed).await;
        if !*mine.borrow() {
            std::future::pending::<()>().await;
        }
    }

    /// Reads the answer to a text that arrived late and has no client any more.
    async fn answer(&self, mut from: OwnedReadHalf) {
        let mut chunk = vec![0; 64 * 1024];
        let _ = from.read(&mut chunk).await;
        self.0.answered.send_replace(true);
    }

    fn is_the_text(&self, chunk: &[u8]) -> bool {
        let said = String::from_utf8_lossy(chunk).to_lowercase();
        let Some(statement) = self.0.text.strip_prefix('=') else {
            return said.contains(&self.0.text);
        };
        // The bytes before it are the header of the packet.
        let said = said.trim_end_matches('\0').strip_suffix(statement);
        said.is_some_and(|head| !head.ends_with(|last: char| last.is_alphabetic() || last == ' '))
    }

    async fn up(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mine: &watch::Sender<bool>,
    ) {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = match from.read(&mut chunk).await {
                Ok(length) if length > 0 => length,
                // The answer to the text that was cut off is still to come.
                _ if *mine.borrow() && !*self.0.answered.borrow() && self.is_severed() => {
                    return std::future::pending().await;
                }
                _ => return,
            };
            let waiting = *self.0.state.borrow() == State::Waiting;
            if waiting && self.is_the_text(&chunk[..length]) {
                mine.send_replace(true);
                if self.0.held == Where::BeforeServer {
                    self.0.state.send_replace(State::Closed);
                }
            }
            if !self.goes_on(mine).await || to.write_all(&chunk[..length]).await.is_err() {
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
            let length = tokio::select! {
                length = from.read(&mut chunk) => length.unwrap_or(0),
                () = self.severed(mine) => {
                    drop(to);
                    return self.answer(from).await;
                }
            };
            if length > 0 && *mine.borrow() && *self.0.state.borrow() == State::Waiting {
                self.0.state.send_replace(State::Closed);
            }
            // A client does not learn that its peer is gone while the cable is pulled.
            if !self.goes_on(mine).await
                || length == 0
                || to.write_all(&chunk[..length]).await.is_err()
            {
                return;
            }
        }
    }
}
