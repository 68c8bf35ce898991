//! The part of Caddy's admin interface that the changes need.

use std::time::Duration;

use flamingock::BoxError;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Gateway {
    http: Client,
    admin: String,
}

impl Gateway {
    pub(crate) fn new(admin: String) -> Result<Gateway, reqwest::Error> {
        // Without a timeout, a gateway that accepts a connection and never answers would block the
        // change forever.
        let http = Client::builder()
            .timeout(Duration::from_secs(10))
            // Caddy closes its connections when it loads a new configuration.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Gateway { http, admin })
    }

    /// The part of the configuration with this `@id`, if there is one.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Value>, BoxError> {
        let answer = self.send(Method::GET, &format!("id/{id}"), None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(accepted(answer).await?.json().await?))
    }

    /// Adds a part with this `@id` to a list, unless it exists: the gateway would accept a second
    /// `POST` of the same part and have it twice.
    pub(crate) async fn add(&self, list: &str, id: &str, part: &Value) -> Result<(), BoxError> {
        if self.find(id).await?.is_none() {
            self.set(list, part).await?;
        }
        Ok(())
    }

    /// Sets a value, or appends to a list.
    pub(crate) async fn set(&self, path: &str, part: &Value) -> Result<(), BoxError> {
        let answer = self.send(Method::POST, path, Some(part)).await?;
        accepted(answer).await.map(drop)
    }

    /// Removes the part with this `@id`, if it exists.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), BoxError> {
        let answer = self.send(Method::DELETE, &format!("id/{id}"), None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        accepted(answer).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}/{path}", self.admin));
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }
}

/// The answer, or an error with the gateway's message, which names the mistake.
async fn accepted(answer: Response) -> Result<Response, BoxError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (status, text) = (answer.status(), answer.text().await?);
    let said: Option<Value> = serde_json::from_str(&text).ok();
    let said = said.and_then(|body| body["error"].as_str().map(str::to_owned));
    Err(format!("{status}: {}", said.unwrap_or(text)).into())
}
