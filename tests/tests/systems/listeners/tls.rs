//! The webhook over TLS. The test's own authority has signed the certificate.

use flamingock::events::Webhook;
use flamingock::{MemoryStore, Report, Runner, change, changes};

use crate::tls_server::Server;

#[change(id = "warm-cache", order = "001", register = false)]
async fn warm_cache() {}

async fn run(webhook: Webhook) -> Report {
    Runner::new(MemoryStore::new())
        .changes(changes![warm_cache])
        .listener(webhook)
        .run()
        .await
        .unwrap()
}

#[tokio::test]
async fn post_is_sent_only_to_servers_trusted_by_the_application() {
    let server = Server::start();
    let report = run(Webhook::new(&server.url)).await;
    let [warning] = report.warnings.as_slice() else {
        panic!("{report}")
    };
    assert!(warning.contains("UnknownIssuer"), "{warning}");

    let webhook = Webhook::new(&server.url).certificate_authorities(&server.authority);
    let report = run(webhook).await;
    assert_eq!(report.warnings, Vec::<String>::new());
    let post: serde_json::Value = serde_json::from_str(&server.posts.recv().unwrap()).unwrap();
    assert_eq!(post["run_id"], report.run_id);
}

#[tokio::test]
async fn invalid_certificate_is_a_warning() {
    for pem in ["", "not a certificate", "-----BEGIN CERTIFICATE-----\n!"] {
        let webhook = Webhook::new("https://localhost:1/hooks").certificate_authorities(pem);
        let report = run(webhook).await;
        let [warning] = report.warnings.as_slice() else {
            panic!("{report}")
        };
        let reason = "its certificate authorities are no PEM with certificates";
        assert!(warning.contains(reason), "{warning}");
    }
}
