//! The file in the guide is read, sent, checked and rolled back.

use flamingock::template::SecretResolver;
use flamingock::{BoxError, MemoryStore, Runner, TargetSystem, UndoTarget};
use flamingock_tests::folder;

use crate::http::service::Service;

const GUIDE: &str = include_str!("../../../../flamingock/docs/templates.md");

#[derive(Debug)]
struct Vault;

#[async_trait::async_trait]
impl SecretResolver for Vault {
    async fn resolve(&self, name: &str) -> Result<String, BoxError> {
        Ok(format!("the value of {name}"))
    }
}

#[tokio::test]
async fn examples_of_the_guide_work() {
    let service = Service::start().await;
    let (_, section) = GUIDE.split_once("# The template `http`").unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    // The guide's service has one path for all, and this one a path for each.
    let text = block
        .replace("${GATEWAY:-http://127.0.0.1:2019}", &service.url(""))
        .replace("/config/routes", "/things/orders")
        .replace("/id/orders", "/things/orders");
    let files = folder(&[("0001__orders.yaml", &text)]);
    let store = MemoryStore::new();
    let runner = || {
        Runner::new(store.clone())
            .target(TargetSystem::new("gateway"))
            .secrets(Vault)
            .files(files)
    };
    runner().run().await.unwrap();
    let there = runner().verify().await.unwrap();
    assert_eq!(there[0].present, Some(true), "{there:?}");
    runner().undo(UndoTarget::Last).await.unwrap();
    let body = r#"{"@id":"orders","path":"/orders/*","ports":[8081]}"#;
    let expected = [
        "GET /things/orders".to_owned(),
        format!("POST /things/orders {body}"),
        "GET /things/orders".to_owned(),
        "DELETE /things/orders".to_owned(),
    ];
    assert_eq!(service.asked(), expected);
    let secret = "Bearer the value of GATEWAY_TOKEN";
    assert_eq!(service.header("authorization"), [secret]);
}
