//! A server that starts later than the application.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use flamingock::{BoxError, MemoryStore, Runner, TargetSystem, change, changes};
use flamingock_tests::Recorder;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy)]
struct Address(SocketAddr);

#[change(id = "greets", order = "001", target = "server", register = false)]
async fn greets(server: &Address) -> Result<(), BoxError> {
    let mut greeting = String::new();
    let mut connection = TcpStream::connect(server.0).await?;
    connection.read_to_string(&mut greeting).await?;
    assert_eq!(greeting, "hello");
    Ok(())
}

async fn listens(server: Address) -> Result<(), std::io::Error> {
    TcpStream::connect(server.0).await.map(drop)
}

#[tokio::test]
async fn server_that_starts_late_does_not_fail_the_run() {
    // A free port: the server listens there later.
    let reserved = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = Address(reserved.local_addr().unwrap());
    drop(reserved);
    let recorder = Recorder::default();
    let target = TargetSystem::new("server")
        .provide(server)
        .ready(move || listens(server), Duration::from_secs(30));
    let run = Runner::new(MemoryStore::new())
        .changes(changes![greets])
        .target(target)
        .listener(recorder.listener())
        .run();
    let run = tokio::spawn(run);
    recorder
        .hears("target server waited: Connection refused")
        .await;
    let listener = TcpListener::bind(server.0).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            // A readiness check that has timed out does not read it.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut connection, b"hello").await;
        }
    });
    let report = run.await.unwrap().unwrap();
    assert_eq!(report.counts().newly_applied, 1);
}
