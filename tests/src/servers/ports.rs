//! Ports for servers.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A loopback port that was free a moment ago.
///
/// It lies below the range of ports for outgoing connections: a client that retries against a
/// stopped server would otherwise connect to itself sooner or later, and keep the server from
/// restarting.
///
/// # Errors
///
/// Fails if many in a row are taken.
pub fn free_port() -> io::Result<u16> {
    let mut last = None;
    for _ in 0..50 {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(15_000..32_000))) {
            Ok(listener) => return Ok(listener.local_addr()?.port()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no free port")))
}
