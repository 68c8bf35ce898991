//! The webhook, against a real server.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use flamingock::events::EventKind;
use flamingock::events::Webhook;
use flamingock::{BoxError, ErrorKind, MemoryStore, Report, Runner, change, changes};
use serde_json::{Value, json};

#[change(id = "warm-cache", order = "001", register = false)]
async fn warm_cache() {}

#[change(id = "breaks", order = "002", register = false)]
async fn breaks() -> Result<(), BoxError> {
    Err("broken".into())
}

type Posts = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A server on its own port, with one path that accepts posts and some that do not.
async fn server() -> (SocketAddr, Posts) {
    let posts = Posts::default();
    let take = |State(posts): State<Posts>, headers: HeaderMap, body: String| async move {
        let body = serde_json::from_str(&body).unwrap();
        posts.lock().unwrap().push((headers, body));
    };
    let routes = Router::new()
        .route("/hooks/s3cret", post(take))
        .route(
            "/hooks/s3cret/full",
            post(async || (StatusCode::INSUFFICIENT_STORAGE, "no room\n")),
        )
        .route(
            "/hooks/s3cret/moved",
            post(async || {
                (
                    StatusCode::PERMANENT_REDIRECT,
                    [("location", "/hooks/s3cret")],
                )
            }),
        )
        .route("/hooks/s3cret/hangs", post(pending::<()>))
        .with_state(posts.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
    (address, posts)
}

fn runner(webhook: Webhook) -> Runner {
    Runner::new(MemoryStore::new())
        .service("shop")
        .changes(changes![warm_cache, breaks])
        .listener(webhook)
}

#[tokio::test]
async fn end_of_a_run_and_its_issues_are_posted_with_headers() {
    let (address, posts) = server().await;
    let webhook = Webhook::new(format!("http://{address}/hooks/s3cret"))
        .header("authorization", "Bearer t0ken")
        .header("x-team", "shop");
    let error = runner(webhook).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let report = error.report().unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    let posts = posts.lock().unwrap();
    let [(_, issue), (headers, end)] = posts.as_slice() else {
        panic!("{posts:?}")
    };
    assert_eq!(headers["authorization"], "Bearer t0ken");
    assert_eq!(headers["x-team"], "shop");
    assert_eq!(headers["content-type"], "application/json");
    assert!(
        headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("flamingock/")
    );
    assert_eq!(
        (&issue["event"], &issue["id"]),
        (&json!("issue_found"), &json!("breaks"))
    );
    assert_eq!(
        (&end["event"], &end["service"], &end["run_id"]),
        (&json!("run_ended"), &json!("shop"), &json!(report.run_id))
    );
    assert_eq!(end["error"]["kind"], "changes_failed");
    let changes = &end["report"]["stages"][0]["changes"];
    assert_eq!(
        (&changes[0]["outcome"], &changes[1]["outcome"]),
        (&json!("newly_applied"), &json!("failed"))
    );
}

#[tokio::test]
async fn application_chooses_events_and_payload() {
    let (address, posts) = server().await;
    let webhook = Webhook::new(format!("http://{address}/hooks/s3cret"))
        .when(|event| matches!(event.kind, EventKind::ChangeEnded { .. }))
        .body(|event| json!({ "text": event.to_string() }));
    runner(webhook).run().await.unwrap_err();
    let posts = posts.lock().unwrap();
    let bodies: Vec<&Value> = posts.iter().map(|(_, body)| body).collect();
    let expected = [
        json!({ "text": "\"warm-cache\" newly applied" }),
        json!({ "text": "\"breaks\" failed: broken [target default]" }),
    ];
    assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
}

async fn warning(webhook: Webhook) -> String {
    let report: Report = Runner::new(MemoryStore::new())
        .changes(changes![warm_cache])
        .listener(webhook)
        .run()
        .await
        .unwrap();
    assert!(report.is_success());
    let [warning] = report.warnings.as_slice() else {
        panic!("{report}")
    };
    warning.clone()
}

#[tokio::test]
async fn rejected_post_is_a_warning_without_secrets() {
    let (address, _) = server().await;
    let to = |path: &str| {
        Webhook::new(format!("http://{address}/hooks/s3cret{path}"))
            .header("authorization", "Bearer t0ken")
    };
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let cases = [
        (
            to("/full"),
            "the answer was 507 Insufficient Storage: no room",
        ),
        (to("/moved"), "the answer was 308 Permanent Redirect"),
        (to("/nowhere"), "the answer was 404 Not Found"),
        (
            to("/hangs").timeout(Duration::from_millis(200)),
            "timeout: global",
        ),
        (
            Webhook::new(format!("http://{closed}/hooks/s3cret")),
            "Connection refused",
        ),
        // The server speaks no TLS.
        (
            Webhook::new(format!("https://{address}/hooks/s3cret")),
            "received corrupt message",
        ),
        (
            Webhook::new("hooks/s3cret"),
            "its URL is none: write `https://host/path`",
        ),
        (
            Webhook::new("ftp://127.0.0.1/s3cret"),
            "its URL is none: write `https://host/path`",
        ),
        (
            to("").header("not a name", "t0ken"),
            "\"not a name\" is no name of a header",
        ),
        (
            to("").header("authorization", "t0ken\n"),
            "the value of its header \"authorization\" has a character that no header can have",
        ),
    ];
    for (webhook, reason) in cases {
        let shown = format!("{webhook:?}");
        let warning = warning(webhook).await;
        assert!(warning.contains(reason), "{warning}");
        assert!(warning.starts_with("the listener webhook"), "{warning}");
        for secret in ["s3cret", "t0ken"] {
            assert!(!warning.contains(secret), "{warning}");
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
