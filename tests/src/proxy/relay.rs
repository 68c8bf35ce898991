//! A port in front of a database, for a proxy that decides about each message itself.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::address::Address;

/// A client that has connected to the port. The server does not know yet.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    host: String,
    port: u16,
}

/// One direction of a connection: what one side sends, and where it goes. The sockets are closed
/// when all four halves are dropped.
type Direction = (OwnedReadHalf, OwnedWriteHalf);

impl Client {
    /// Connects to the server, and returns the direction from the client and the one to it.
    ///
    /// # Errors
    ///
    /// Fails if the server can't be reached.
    pub async fn connect(self) -> io::Result<[Direction; 2]> {
        let server = TcpStream::connect((self.host, self.port)).await?;
        let _ = (self.socket.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = self.socket.into_split();
        let (from_server, to_server) = server.into_split();
        Ok([(from_client, to_server), (from_server, to_client)])
    }
}

/// The URL of the same database through a new port, at which each client is served by `serve`, until
/// the runtime of the test ends.
///
/// # Panics
///
/// Panics if there is no free port.
pub async fn url_through<F>(url: &str, serve: impl Fn(Client) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = Address::parse(url);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (host, port) = (address.host.clone(), address.port);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let host = host.clone();
            tokio::spawn(serve(Client { socket, host, port }));
        }
    });
    address.with_local_port(own).url()
}
