//! Secrets reach the service, and nothing else.

use flamingock::template::SecretResolver;
use flamingock::{BoxError, Runner};
use flamingock_tests::{Backend as _, Sqlite, folder, strings};

use crate::http::service::Service;

#[derive(Debug)]
struct Vault;

#[async_trait::async_trait]
impl SecretResolver for Vault {
    async fn resolve(&self, name: &str) -> Result<String, BoxError> {
        match name {
            "TOKEN" => Ok("hunter2".to_owned()),
            "PATH" => Ok("hidden7".to_owned()),
            "BROKEN" => Ok("two\nlines".to_owned()),
            _ => Err("there is no such secret".into()),
        }
    }
}

fn file(url: &str, more: &str) -> String {
    format!(
        "\
template: http
apply:
  method: POST
  url: {url}/${{secret:PATH}}
  headers: {{ authorization: 'Bearer ${{secret:TOKEN}}' }}
  body: {{ deep: [{{ token: '${{secret:TOKEN}}', text: 'a ${{secret:PATH}} b' }}] }}
{more}"
    )
}

#[tokio::test]
async fn secrets_of_url_header_and_body_are_sent() {
    let service = Service::start().await;
    let text = file(&service.url("/things"), "");
    let files = folder(&[("0001__thing.yaml", &text)]);
    let runner = Runner::new(flamingock::MemoryStore::new()).secrets(Vault);
    runner.files(files).run().await.unwrap();
    let body = r#"{"deep":[{"text":"a hidden7 b","token":"hunter2"}]}"#;
    assert_eq!(service.asked(), [format!("POST /things/hidden7 {body}")]);
    assert_eq!(service.header("authorization"), ["Bearer hunter2"]);
}

#[tokio::test]
async fn secrets_echoed_by_a_service_reach_neither_error_nor_audit() {
    let service = Service::start().await;
    let database = Sqlite::fresh().await;
    let pool = database.pool(1).await;
    for (url, more, expected) in [
        (
            service.url("/status/400?x="),
            "",
            "/${secret:PATH} was answered with 400 Bad Request, and not with 2xx: /status/400?x=/${secret:PATH}",
        ),
        (
            "http://127.0.0.1:1".to_owned(),
            "",
            "/${secret:PATH} was not answered: ",
        ),
        (
            service.url("/things"),
            "  expect: 418\n",
            "and not with 418",
        ),
    ] {
        let text = file(&url, &format!("{more}recovery: retry\n"));
        let files = folder(&[("0001__thing.yaml", &text)]);
        let runner = Runner::new(&pool).secrets(Vault).files(files);
        let error = runner.run().await.unwrap_err();
        let said = format!(
            "{error} {error:?} {}",
            serde_json::to_string(error.report().unwrap()).unwrap()
        );
        assert!(said.contains(expected), "{said}");
        let rows = strings(
            &pool,
            "SELECT change_id, description, error, reason, metadata FROM flamingock_audit",
        )
        .await;
        for text in [said, rows.concat()] {
            assert!(
                !text.contains("hunter2") && !text.contains("hidden7"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn secret_that_is_invalid_in_a_header_is_not_sent() {
    let service = Service::start().await;
    let text =
        file(&service.url("/things"), "").replace("Bearer ${secret:TOKEN}", "${secret:BROKEN}");
    let files = folder(&[("0001__thing.yaml", &text)]);
    let runner = Runner::new(flamingock::MemoryStore::new()).secrets(Vault);
    let error = format!("{:#}", runner.files(files).run().await.unwrap_err());
    assert!(
        error.contains("was not sent: the value of its header `authorization` has a character"),
        "{error}"
    );
    assert_eq!(service.asked(), [""; 0]);
}

/// An error shortens the answer. Half of a secret would not be recognised as a secret.
#[tokio::test]
async fn shortened_answer_shows_no_part_of_a_secret() {
    let service = Service::start().await;
    for before in 400..500 {
        let text = file(&service.url("/status/400?"), "")
            .replace("deep:", &format!("aa: '{}', deep:", "y".repeat(before)));
        let files = folder(&[("0001__thing.yaml", &text)]);
        let runner = Runner::new(flamingock::MemoryStore::new()).secrets(Vault);
        let error = format!("{:#}", runner.files(files).run().await.unwrap_err());
        for part in ["hun", "hid"] {
            assert!(!error.contains(part), "{before}: {error}");
        }
    }
}
