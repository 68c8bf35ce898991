//! The result of a check: applied, not applied, or unknown.

use flamingock::MemoryStore;

use crate::http::service::{Service, runner_on};

async fn verdict(service: &Service, apply: &str, verify: &str) -> Result<Option<bool>, String> {
    let url = service.url("/things/a");
    let text = format!(
        "template: http\napply: {{ method: POST, url: '{url}', body: {apply} }}\nverify: {verify}\n"
    );
    let store = MemoryStore::new();
    runner_on(&store, &text).run().await.unwrap();
    let verdicts = runner_on(&store, &text).verify().await.unwrap();
    match &verdicts[0].error {
        Some(error) => Err(error.to_string()),
        None => Ok(verdicts[0].present),
    }
}

#[tokio::test]
async fn check_is_decided_by_status_and_body() {
    let service = Service::start().await;
    let (there, other) = (service.url("/things/a"), service.url("/things/b"));
    let thing = r#"{ "@id": "a", "ports": [80, 443] }"#;
    for (verify, expected) in [
        (format!("{{ url: '{there}' }}"), true),
        (format!("{{ url: '{other}' }}"), false),
        (
            format!("{{ url: '{there}', contains: {{ '@id': a, ports: 443 }} }}"),
            true,
        ),
        (
            format!("{{ url: '{there}', contains: {{ '@id': b }} }}"),
            false,
        ),
        (
            format!("{{ url: '{other}', contains: {{ '@id': a }} }}"),
            false,
        ),
        (
            format!("{{ url: '{there}', expect: 404, absent: 200 }}"),
            false,
        ),
        (
            format!("{{ url: '{other}', expect: 404, absent: 200 }}"),
            true,
        ),
        (
            format!("{{ method: DELETE, url: '{there}', expect: [204] }}"),
            true,
        ),
    ] {
        let found = verdict(&service, thing, &verify).await;
        assert_eq!(found, Ok(Some(expected)), "{verify}");
    }
}

#[tokio::test]
async fn other_answers_make_the_check_inconclusive() {
    let service = Service::start().await;
    let at = |path: &str| service.url(path);
    for (verify, expected) in [
        (
            format!("{{ url: '{}' }}", at("/status/500")),
            "was answered with 500 Internal Server Error, which is neither 2xx, if it is there, nor 404, if it is not: ",
        ),
        (
            format!("{{ url: '{}', expect: 204 }}", at("/status/200")),
            "was answered with 200 OK, which is neither 204, if",
        ),
        (
            format!("{{ url: '{}' }}", at("/status/401")),
            "was answered with 401 Unauthorized, which is neither",
        ),
        (
            format!("{{ url: '{}', contains: {{ a: 1 }} }}", at("/status/200")),
            "is no JSON, ",
        ),
        (
            "{ url: 'http://127.0.0.1:1' }".to_owned(),
            "was not answered: ",
        ),
    ] {
        let error = verdict(&service, "{}", &verify).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
