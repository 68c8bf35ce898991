//! `templates.md`: an own template, and the file that names it.

use crate::secrets::Vault;
use flamingock::template::Secret;
use flamingock::{BoxError, template, verify};
use flamingock::{MemoryStore, Runner, TargetSystem, include_files, templates};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Broker(Arc<Mutex<Vec<String>>>);

impl Broker {
    async fn log_in(&self, token: &str) -> Result<(), BoxError> {
        match token {
            "open sesame" => Ok(()),
            _ => Err("wrong token".into()),
        }
    }

    async fn create(&self, name: &str, _: u8) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(name.to_owned());
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), BoxError> {
        self.0.lock().unwrap().retain(|other| other != name);
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>, BoxError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// What a file declares.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    name: String,
    replicas: Option<u8>,
    token: Option<Secret>,
    #[serde(default)]
    delete: bool,
}

#[template("stream")]
async fn stream(stream: Stream, broker: &Broker) -> Result<(), BoxError> {
    if let Some(token) = &stream.token {
        broker.log_in(token.reveal()).await?;
    }
    if stream.delete {
        broker.delete(&stream.name).await
    } else {
        broker
            .create(&stream.name, stream.replicas.unwrap_or(1))
            .await
    }
}

#[verify(template = stream)]
async fn stream_exists(name: String, broker: &Broker) -> Result<bool, BoxError> {
    Ok(broker.names().await?.contains(&name))
}

#[tokio::test]
async fn file_is_applied_by_its_template() -> Result<(), flamingock::Error> {
    let broker = Broker::default();
    let changes = include_files!("snippets/templates", static, register = false);
    let report = Runner::new(MemoryStore::new())
        .files(changes)
        .templates(templates![stream])
        .secrets(Vault)
        .target(TargetSystem::new("events").provide(broker.clone()))
        .run()
        .await?;
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(*broker.0.lock().unwrap(), ["ORDERS"]);
    Ok(())
}
