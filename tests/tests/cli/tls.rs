//! The program `flamingock` has TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::app::App;

/// The request with which a client of PostgreSQL asks for TLS: its length, and its code.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The first byte of a message of the handshake.
const HANDSHAKE: u8 = 22;

#[test]
fn program_begins_tls_when_the_server_agrees() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let seen = thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        let mut request = [0; 8];
        client.read_exact(&mut request).unwrap();
        assert_eq!(request, REQUEST);
        client.write_all(b"S").unwrap();
        let mut first = [0; 1];
        client.read_exact(&mut first).unwrap();
        first[0]
    });
    let app = App::on(&format!(
        "postgres://ada@127.0.0.1:{port}/orders?sslmode=require"
    ));
    let ran = app.central(&["status"]);
    assert_eq!(ran.code, 5, "the server has no certificate: {ran:?}");
    assert_eq!(seen.join().unwrap(), HANDSHAKE);
}
