//! A network between a test and its database server that the test can disturb.

mod accept;
mod connection;
mod cut;
mod relay;
mod traffic;
mod wire;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{Database, Pool};
use tokio::sync::watch;

pub use self::relay::{Client, url_through};

use self::accept::Listening;
use self::cut::{Moment, Rule};
use self::traffic::Traffic;
use crate::address::Address;
use crate::servers::free_port;

/// A TCP proxy in front of one server, whose faults are switched while connections are open.
///
/// It recognises nothing but texts in what it forwards: those of simple queries are plain bytes on
/// the wire of PostgreSQL and MySQL. Connections must not be encrypted. It lives in the runtime of
/// its test.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
    listening: Mutex<Option<Listening>>,
}

/// State that all connections share.
#[derive(Debug)]
struct Network {
    host: String,
    /// The server that new connections lead to.
    port: AtomicU16,
    weather: watch::Sender<Weather>,
    /// Counts the resets; a connection ends when it changes.
    resets: watch::Sender<u64>,
    /// Whether an answer was held back.
    has_held: watch::Sender<bool>,
    rule: Mutex<Option<Rule>>,
    traffic: Mutex<Traffic>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// Nothing gets through, and nothing is lost.
    held: bool,
    /// In each direction.
    delay: Duration,
}

impl Proxy {
    /// A proxy to a server on this machine, which forwards everything.
    ///
    /// # Errors
    ///
    /// Fails if there is no free port.
    pub fn start(upstream_port: u16) -> io::Result<Self> {
        Self::to("127.0.0.1", upstream_port, free_port()?)
    }

    /// The same on a port that the server knows.
    ///
    /// # Errors
    ///
    /// Fails if the port is taken.
    pub fn on(port: u16, upstream_port: u16) -> io::Result<Self> {
        Self::to("127.0.0.1", upstream_port, port)
    }

    /// A proxy to the server of a database URL, which forwards everything.
    ///
    /// # Errors
    ///
    /// Fails if there is no free port.
    pub fn in_front_of(url: &str) -> io::Result<Self> {
        let address = Address::parse(url);
        Self::to(&address.host, address.port, free_port()?)
    }

    fn to(host: &str, port: u16, own: u16) -> io::Result<Self> {
        let network = Arc::new(Network {
            host: host.to_owned(),
            port: AtomicU16::new(port),
            weather: watch::Sender::default(),
            resets: watch::Sender::default(),
            has_held: watch::Sender::default(),
            rule: Mutex::default(),
            traffic: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own))?;
        let port = listener.local_addr()?.port();
        let listening = Mutex::new(Some(Listening::start(listener, Arc::clone(&network))?));
        Ok(Self {
            port,
            network,
            listening,
        })
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same database, through the proxy.
    #[must_use]
    pub fn url(&self, database_url: &str) -> String {
        Address::parse(database_url)
            .with_local_port(self.port)
            .url()
    }

    /// A pool of the same database, through the proxy.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be reached.
    pub async fn pool<D: Database>(&self, database_url: &str, connections: u32) -> Pool<D> {
        let options = PoolOptions::new().max_connections(connections);
        let pool = options.connect(&self.url(database_url)).await;
        pool.expect("a database behind the proxy")
    }

    /// Leads new connections to another server on the same host, like an address after a failover.
    /// Open ones stay.
    pub fn lead_to(&self, port: u16) {
        self.network.port.store(port, Ordering::Relaxed);
    }

    /// Ends all faults: everything is forwarded at once, what was held back first; connections are
    /// accepted, and a cut that has not happened yet is cancelled.
    ///
    /// # Errors
    ///
    /// Fails if another process has taken the port after [`refuse`](Self::refuse).
    pub fn pass(&self) -> io::Result<()> {
        *lock(&self.network.rule) = None;
        self.network.weather.send_replace(Weather::default());
        let mut listening = lock(&self.listening);
        if listening.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
            *listening = Some(Listening::start(listener, Arc::clone(&self.network))?);
        }
        Ok(())
    }

    /// Closes the port: new connections are refused, open ones continue.
    pub async fn refuse(&self) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.end().await;
        }
    }

    /// Resets every open connection, on both sides; new ones are accepted.
    pub fn reset(&self) {
        self.network.resets.send_modify(|resets| *resets += 1);
    }

    /// Swallows everything: connections are accepted and stay open, and no byte is forwarded in
    /// either direction, nor the end of a connection, until the proxy passes again.
    pub fn blackhole(&self) {
        self.network
            .weather
            .send_modify(|weather| weather.held = true);
    }

    /// Delays all further bytes by this time, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.network
            .weather
            .send_modify(|weather| weather.delay = delay);
    }

    /// Resets the connection on which a client sends this text for the `nth` time from now (the
    /// first is 1; all connections count), before the server receives it. Case does not matter.
    pub fn cut_before(&self, text: &str, nth: usize) {
        *lock(&self.network.rule) = Some(Rule::new(Moment::Before, text, nth));
    }

    /// Like [`cut_before`](Self::cut_before), but the server receives and answers the text, and the
    /// client does not get the answer.
    pub fn cut_after(&self, text: &str, nth: usize) {
        *lock(&self.network.rule) = Some(Rule::new(Moment::After, text, nth));
    }

    /// Like [`cut_after`](Self::cut_after), but the connection stays open and the client waits
    /// forever: the moment to kill it. [`held`](Self::held) waits for that moment.
    pub fn hold_after(&self, text: &str, nth: usize) {
        self.network.has_held.send_replace(false);
        *lock(&self.network.rule) = Some(Rule::new(Moment::Hold, text, nth));
    }

    /// Returns once the server has answered the text of [`hold_after`](Self::hold_after).
    pub async fn held(&self) {
        // This value owns the sender, so the channel does not close.
        let _ = self
            .network
            .has_held
            .subscribe()
            .wait_for(|held| *held)
            .await;
    }

    /// Whether a cut waits for its text.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        lock(&self.network.rule).is_some()
    }

    /// The number of times that clients sent this text, whatever its case.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        lock(&self.network.traffic).count(text)
    }

    /// The number of times that a client sent after its server had: the round trips. The greeting
    /// of each connection counts.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        lock(&self.network.traffic).bursts().len()
    }

    /// The number of executions that clients requested: a text, of one statement or of several, or
    /// a prepared statement. Preparing one does not count.
    #[must_use]
    pub fn statements(&self) -> usize {
        lock(&self.network.traffic).statements()
    }

    /// The bytes that clients sent, one entry per round trip, with the non-text parts made
    /// readable.
    #[must_use]
    pub fn sent(&self) -> Vec<String> {
        let traffic = lock(&self.network.traffic);
        traffic
            .bursts()
            .iter()
            .map(|burst| String::from_utf8_lossy(burst).into_owned())
            .collect()
    }

    /// Starts the counters again from zero.
    pub fn forget(&self) {
        lock(&self.network.traffic).forget();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.reset();
    }
}

/// A panic in another test must not hide the result of this one.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
