//! The requests that are sent, and the answers that are accepted.

use flamingock::{MemoryStore, UndoTarget};

use crate::http::service::{Service, fails, runner, runner_on};

#[tokio::test]
async fn request_is_sent_as_the_file_declares() {
    let service = Service::start().await;
    let url = service.url("/things/a?dry=no");
    let text = format!(
        "\
template: http
apply:
  method: PUT
  url: {url}
  headers: {{ X-Team: shop, accept: text/plain }}
  body:
    name: 'a; b'
    ports: [80, -1, 1.5]
    on: true
    owner: null
"
    );
    let report = runner(&text).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    let body = r#"{"name":"a; b","on":true,"owner":null,"ports":[80,-1,1.5]}"#;
    assert_eq!(service.asked(), [format!("PUT /things/a?dry=no {body}")]);
    assert_eq!(service.header("x-team"), ["shop"]);
    assert_eq!(service.header("content-type"), ["application/json"]);
    assert!(service.header("user-agent")[0].starts_with("flamingock/"));
}

#[tokio::test]
async fn every_method_is_sent_with_and_without_a_body() {
    let service = Service::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        for body in ["", "body: { a: 1 }"] {
            let url = service.url("/status/200");
            let text =
                format!("template: http\napply:\n  method: {method}\n  url: {url}\n  {body}\n");
            runner(&text).run().await.unwrap();
            let sent = if body.is_empty() { "" } else { " {\"a\":1}" };
            let asked = service.asked().pop().unwrap();
            assert_eq!(asked, format!("{method} /status/200{sent}"));
        }
    }
}

#[tokio::test]
async fn body_with_another_content_type_than_json_is_sent_unchanged() {
    let service = Service::start().await;
    let url = service.url("/things/a");
    for (called, sent) in [
        ("headers: { content-type: text/plain }", "a=1\nb"),
        (
            "headers: { content-type: application/merge-patch+json }",
            r#""a=1\nb""#,
        ),
        ("", r#""a=1\nb""#),
    ] {
        let text = format!(
            "template: http\napply:\n  method: POST\n  url: {url}\n  body: \"a=1\\nb\"\n  {called}\n"
        );
        runner(&text).run().await.unwrap();
        assert_eq!(
            service.asked().pop().unwrap(),
            format!("POST /things/a {sent}")
        );
    }
}

#[tokio::test]
async fn unexpected_answer_fails_and_is_quoted() {
    let service = Service::start().await;
    for (path, expect, expected) in [
        (
            "/status/500",
            "",
            "500 Internal Server Error, and not with 2xx: ",
        ),
        ("/status/200", "expect: 201", "200 OK, and not with 201: "),
        (
            "/status/409",
            "expect: [200, 201]",
            "409 Conflict, and not with 200 or 201: ",
        ),
        // Redirects are not followed: another service would receive a request that the file does
        // not name.
        ("/moved", "", "308 Permanent Redirect, and not with 2xx"),
    ] {
        let url = service.url(path);
        let text = format!("template: http\napply:\n  method: POST\n  url: {url}\n  {expect}\n");
        let error = fails(&text).await;
        let told = format!("POST {url} was answered with {expected}");
        assert!(error.contains(&told), "{error}");
        assert!(!error.contains(&"x".repeat(501)), "{error}");
        assert!(error.contains("changes/0001__thing.yaml:1"), "{error}");
    }
    for (path, expect) in [
        ("/status/204", ""),
        ("/status/409", "expect: [200, 409]"),
        ("/status/404", "expect: '404'"),
    ] {
        let url = service.url(path);
        let text = format!("template: http\napply:\n  method: POST\n  url: {url}\n  {expect}\n");
        runner(&text).run().await.unwrap();
    }
}

#[tokio::test]
async fn unanswered_request_is_reported() {
    let text = "template: http\napply: { method: POST, url: 'http://127.0.0.1:1/a' }\n";
    let error = fails(text).await;
    assert!(
        error.contains("POST http://127.0.0.1:1/a was not answered: "),
        "{error}"
    );
}

#[tokio::test]
async fn request_is_skipped_when_its_check_passes() {
    let service = Service::start().await;
    let url = service.url("/things/a");
    let text = format!(
        "\
template: http
apply:
  method: POST
  url: {url}
  body: {{ b: 1 }}
  unless: {{ url: {url}, contains: {{ b: 1 }} }}
rollback: {{ method: DELETE, url: {url}, expect: [204, 404] }}
"
    );
    let apply = async || runner(&text).run().await.unwrap();
    let (ask, post) = (
        "GET /things/a".to_owned(),
        "POST /things/a {\"b\":1}".to_owned(),
    );
    apply().await;
    assert_eq!(service.asked(), [ask.clone(), post.clone()]);
    // A second run with an empty audit.
    apply().await;
    assert_eq!(service.asked(), [ask.clone(), post, ask]);
}

#[tokio::test]
async fn undo_sends_the_rollback_request() {
    let service = Service::start().await;
    let url = service.url("/things/a");
    let text = format!(
        "template: http\napply: {{ method: POST, url: '{url}' }}\nrollback: {{ method: DELETE, url: '{url}' }}\n"
    );
    let store = MemoryStore::new();
    runner_on(&store, &text).run().await.unwrap();
    let undone = runner_on(&store, &text).undo(UndoTarget::Last).await;
    assert_eq!(undone.unwrap().counts().undone, 1);
    assert_eq!(service.asked(), ["POST /things/a", "DELETE /things/a"]);
}

#[tokio::test]
async fn failure_in_the_middle_is_rolled_back_step_by_step() {
    let service = Service::start().await;
    let step = |name: &str, apply: &str| {
        let thing = service.url(&format!("/things/{name}"));
        format!(
            "  - apply: {{ method: POST, url: '{apply}' }}\n    rollback: {{ method: DELETE, url: '{thing}', expect: [204, 404] }}\n"
        )
    };
    let text = format!(
        "template: http\nsteps:\n{}{}{}",
        step("a", &service.url("/things/a")),
        step("b", &service.url("/status/503")),
        step("c", &service.url("/things/c")),
    );
    let error = fails(&text).await;
    assert!(error.contains("step 2 of 3 failed"), "{error}");
    let expected = [
        "POST /things/a",
        "POST /status/503",
        "DELETE /things/b",
        "DELETE /things/a",
    ];
    assert_eq!(service.asked(), expected);
}
