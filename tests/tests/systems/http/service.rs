//! A service with its own interface, like a SaaS product: it stores what is put into it, and
//! records its requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use flamingock::{MemoryStore, Runner};
use flamingock_tests::folder;

/// Its requests, in order: `POST /things/a {"b":1}`.
#[derive(Clone, Default)]
pub(crate) struct Service {
    things: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
    port: u16,
}

impl Service {
    pub(crate) async fn start() -> Service {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Service {
            port: listener.local_addr().unwrap().port(),
            ..Service::default()
        };
        let router = Router::new()
            .route("/things/{name}", any(thing))
            .route("/status/{status}", any(status))
            .route("/moved", any(async || Redirect::permanent("/things/a")))
            .route("/slow", any(slow))
            .with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        service
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let all = self.headers.lock().unwrap();
        let values = all.iter().filter_map(|headers| headers.get(name));
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    fn note(&self, method: &Method, uri: &Uri, headers: HeaderMap, body: &str) {
        let asked = format!("{method} {uri} {body}");
        self.asked.lock().unwrap().push(asked.trim_end().to_owned());
        self.headers.lock().unwrap().push(headers);
    }
}

async fn thing(
    State(service): State<Service>,
    Path(name): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    service.note(&method, &uri, headers, &body);
    let mut things = service.things.lock().unwrap();
    let there = things.get(&name).cloned();
    match (method, there) {
        (Method::GET, Some(thing)) => thing.into_response(),
        (Method::POST | Method::PUT, _) => {
            things.insert(name, body);
            StatusCode::CREATED.into_response()
        }
        (Method::DELETE, Some(_)) => {
            things.remove(&name);
            StatusCode::NO_CONTENT.into_response()
        }
        (_, None) => StatusCode::NOT_FOUND.into_response(),
        (_, Some(_)) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// Answers with that status, and with the body of the request.
async fn status(
    State(service): State<Service>,
    Path(status): Path<u16>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let told = format!(
        "{uri}\n{:?}\n  {body} {}",
        headers.get("authorization"),
        "x".repeat(1_000)
    );
    service.note(&method, &uri, headers, &body);
    (StatusCode::from_u16(status).unwrap(), told).into_response()
}

/// Takes longer than any request waits.
async fn slow(State(service): State<Service>, method: Method, uri: Uri, headers: HeaderMap) {
    service.note(&method, &uri, headers, "");
    std::future::pending::<()>().await;
}

/// A run of one change with this text.
pub(crate) fn runner(text: &str) -> Runner {
    runner_on(&MemoryStore::new(), text)
}

/// The same, with an audit that has entries.
pub(crate) fn runner_on(store: &MemoryStore, text: &str) -> Runner {
    let files = folder(&[("0001__thing.yaml", text)]);
    Runner::new(store.clone()).files(files)
}

/// The text of the run's failure.
pub(crate) async fn fails(text: &str) -> String {
    format!("{:#}", runner(text).run().await.unwrap_err())
}
