//! Requests over TLS.

use std::fs;

use tempfile::TempDir;

use crate::http::service::{fails, runner};
use crate::tls_server::Server;

#[tokio::test]
async fn request_is_sent_only_to_servers_trusted_by_the_file() {
    let server = Server::start();
    let folder = TempDir::new().unwrap();
    let [ours, none] = ["ours.pem", "none.pem"].map(|name| folder.path().join(name));
    fs::write(&ours, &server.authority).unwrap();
    fs::write(&none, "not a certificate").unwrap();
    let text = |more: &str| {
        let url = &server.url;
        format!("template: http\napply:\n  method: POST\n  url: {url}\n  body: {{ a: 1 }}\n{more}")
    };
    let error = fails(&text("")).await;
    assert!(error.contains("was not answered: "), "{error}");
    assert!(error.contains("UnknownIssuer"), "{error}");

    let trusting = text(&format!("  ca_file: '{}'\n", ours.display()));
    runner(&trusting).run().await.unwrap();
    assert_eq!(server.posts.recv().unwrap(), r#"{"a":1}"#);

    let error = fails(&text(&format!("  ca_file: '{}'\n", none.display()))).await;
    assert!(error.contains("no PEM with certificates"), "{error}");
    let missing = folder.path().join("missing.pem");
    let error = fails(&text(&format!("  ca_file: '{}'\n", missing.display()))).await;
    assert!(error.contains("was not sent: `"), "{error}");
}
