//! One connection through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use super::cut::{Moment, Tail};
use super::wire::{self, Protocol};
use super::{Network, lock};

/// Bytes in transit, and the time of their arrival.
type Parcel = (Instant, Vec<u8>);

/// The end of a connection that no fault has requested.
struct Cut;

pub(super) async fn serve(mut client: TcpStream, number: u64, network: Arc<Network>) {
    let mut resets = network.resets.subscribe();
    let mut server = None;
    let ended_well = tokio::select! {
        end = run(&mut client, &mut server, number, &network) => end.is_ok(),
        _ = resets.changed() => false,
    };
    if !ended_well {
        for socket in [Some(client), server].into_iter().flatten() {
            let _ = socket.set_zero_linger();
        }
    }
}

async fn run(
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    number: u64,
    network: &Network,
) -> Result<(), Cut> {
    network.fair_weather().await;
    let port = network.port.load(Ordering::Relaxed);
    let connected = TcpStream::connect((network.host.as_str(), port)).await;
    let server = server.insert(connected.map_err(|_| Cut)?);
    client.set_nodelay(true).map_err(|_| Cut)?;
    server.set_nodelay(true).map_err(|_| Cut)?;

    let connection = Connection {
        number,
        network,
        has_client_spoken: AtomicBool::new(false),
        is_swallowing: AtomicBool::new(false),
        is_holding: AtomicBool::new(false),
        client_is_gone: Notify::new(),
    };
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let (send_up, up) = unbounded_channel();
    let (send_down, down) = unbounded_channel();
    tokio::try_join!(
        connection.read_client(from_client, send_up),
        connection.deliver(up, to_server),
        connection.read_server(from_server, send_down),
        connection.deliver(down, to_client),
    )?;
    Ok(())
}

struct Connection<'a> {
    number: u64,
    network: &'a Network,
    has_client_spoken: AtomicBool,
    /// The server's next answer must not reach the client.
    is_swallowing: AtomicBool,
    /// The client receives nothing more.
    is_holding: AtomicBool,
    client_is_gone: Notify,
}

impl Connection<'_> {
    async fn read_client(
        &self,
        mut client: ReadHalf<'_>,
        to_server: UnboundedSender<Parcel>,
    ) -> Result<(), Cut> {
        let mut tail = Tail::default();
        while let Some(chunk) = read(&mut client).await? {
            self.has_client_spoken.store(true, Ordering::Relaxed);
            lock(&self.network.traffic).client_sent(self.number, &chunk);
            match self.due(&tail, &chunk) {
                Some(Moment::Before) => return Err(Cut),
                Some(Moment::After) => self.is_swallowing.store(true, Ordering::Relaxed),
                Some(Moment::Hold) => self.is_holding.store(true, Ordering::Relaxed),
                None => {}
            }
            tail.push(&chunk);
            let _ = to_server.send(self.parcel(chunk));
        }
        self.client_is_gone.notify_one();
        Ok(())
    }

    async fn read_server(
        &self,
        mut server: ReadHalf<'_>,
        to_client: UnboundedSender<Parcel>,
    ) -> Result<(), Cut> {
        let mut protocol = None;
        let mut swallowed = Vec::new();
        while let Some(chunk) = read(&mut server).await? {
            let protocol = *protocol.get_or_insert_with(|| self.protocol());
            lock(&self.network.traffic).server_sent(self.number);
            if self.is_holding.load(Ordering::Relaxed) {
                self.network.has_held.send_replace(true);
            } else if self.is_swallowing.load(Ordering::Relaxed) {
                swallowed.extend(chunk);
                if wire::is_complete(protocol, &swallowed) {
                    return Err(Cut);
                }
            } else {
                let _ = to_client.send(self.parcel(chunk));
            }
        }
        // A client whose answer is held back does not notice either that the server has closed.
        if self.is_holding.load(Ordering::Relaxed) {
            self.client_is_gone.notified().await;
        }
        Ok(())
    }

    async fn deliver(
        &self,
        mut parcels: UnboundedReceiver<Parcel>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), Cut> {
        while let Some((arrival, chunk)) = parcels.recv().await {
            sleep_until(arrival).await;
            self.network.fair_weather().await;
            to.write_all(&chunk).await.map_err(|_| Cut)?;
        }
        self.network.fair_weather().await;
        to.shutdown().await.map_err(|_| Cut)
    }

    /// Checks the waiting cut, and removes it once it applies.
    fn due(&self, tail: &Tail, chunk: &[u8]) -> Option<Moment> {
        let mut rule = lock(&self.network.rule);
        let moment = rule.as_mut()?.applies(tail, chunk)?;
        *rule = None;
        Some(moment)
    }

    /// The protocol of a server that has just sent its first message.
    fn protocol(&self) -> Protocol {
        match self.has_client_spoken.load(Ordering::Relaxed) {
            true => Protocol::PostgreSql,
            false => Protocol::MySql,
        }
    }

    fn parcel(&self, chunk: Vec<u8>) -> Parcel {
        (Instant::now() + self.network.weather.borrow().delay, chunk)
    }
}

impl Network {
    /// Waits while everything is held back.
    async fn fair_weather(&self) {
        // This value owns the sender, so the channel does not close.
        let _ = self
            .weather
            .subscribe()
            .wait_for(|weather| !weather.held)
            .await;
    }
}

async fn read(from: &mut ReadHalf<'_>) -> Result<Option<Vec<u8>>, Cut> {
    let mut chunk = vec![0; 64 * 1024];
    let length = from.read(&mut chunk).await.map_err(|_| Cut)?;
    chunk.truncate(length);
    Ok((length > 0).then_some(chunk))
}
