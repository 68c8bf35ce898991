//! A server with TLS. The test's own authority has signed its certificate.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server that accepts posts.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) posts: mpsc::Receiver<String>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = own.signed_by(&key, &issuer).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (taken, posts) = mpsc::channel();
        std::thread::spawn(move || serve(&listener, &Arc::new(config), &taken));
        Server {
            url: format!("https://localhost:{port}/hooks"),
            authority: authority_pem,
            posts,
        }
    }
}

fn serve(listener: &TcpListener, config: &Arc<ServerConfig>, taken: &mpsc::Sender<String>) {
    for stream in listener.incoming() {
        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream.unwrap());
        // A client that does not trust the certificate closes the connection.
        if let Some(body) = request(&mut stream) {
            let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            taken.send(body).unwrap();
        }
    }
}

/// The body of a request; none if the request is incomplete.
fn request(stream: &mut impl Read) -> Option<String> {
    let mut read = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let Some((head, body)) = read.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.unwrap().parse().unwrap() {
            return Some(body.to_owned());
        }
    }
}
