//! Slow services.

use std::time::{Duration, Instant};

use flamingock::MemoryStore;

use crate::http::service::{Service, fails, runner_on};

#[tokio::test]
async fn request_is_limited_by_its_timeout() {
    let service = Service::start().await;
    let url = service.url("/slow");
    let began = Instant::now();
    let text = format!("template: http\napply: {{ method: POST, url: '{url}', timeout: 300ms }}\n");
    let error = fails(&text).await;
    assert!(
        error.contains(&format!("POST {url} was not answered: timeout")),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// The change has ended before its request: the next request must not overtake it.
#[tokio::test]
async fn next_request_waits_for_an_abandoned_one() {
    let service = Service::start().await;
    let store = MemoryStore::new();
    let text = |path: &str| {
        let url = service.url(path);
        format!(
            "template: http\ntimeout: 1s\nrecovery: retry\napply: {{ method: POST, url: '{url}', timeout: 3s }}\n"
        )
    };
    let began = Instant::now();
    let first = runner_on(&store, &text("/slow")).run().await;
    let error = format!("{:#}", first.unwrap_err());
    assert!(error.contains("longer than its timeout of 1s"), "{error}");
    let text = text("/things/a").replace("timeout: 1s", "timeout: 20s");
    runner_on(&store, &text).run().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert_eq!(service.asked(), ["POST /slow", "POST /things/a"]);
}

/// Every later request waits, even if others are waiting already.
#[tokio::test]
async fn all_later_requests_wait_for_an_abandoned_one() {
    let service = Service::start().await;
    let text = |path: &str, timeout: &str| {
        let url = service.url(path);
        format!(
            "template: http\ntimeout: {timeout}\nrecovery: retry\napply: {{ method: POST, url: '{url}', timeout: 3s }}\n"
        )
    };
    let began = Instant::now();
    let given_up = runner_on(&MemoryStore::new(), &text("/slow", "1s")).run();
    given_up.await.unwrap_err();
    let others = ["/things/a", "/things/b", "/things/c"].map(|path| {
        let runner = runner_on(&MemoryStore::new(), &text(path, "20s"));
        async move {
            runner.run().await.unwrap();
            assert!(began.elapsed() >= Duration::from_secs(3));
        }
    });
    futures_util::future::join_all(others).await;
    assert_eq!(service.asked().len(), 4, "{:?}", service.asked());
}
