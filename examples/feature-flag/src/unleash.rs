//! The part of Unleash's admin API that the changes need.

use std::time::Duration;

use flamingock::BoxError;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

/// The flags of one project, in one environment.
#[derive(Debug)]
pub(crate) struct Unleash {
    http: Client,
    admin: String,
    token: String,
    environment: String,
}

impl Unleash {
    pub(crate) fn new(url: &str, token: String, environment: String) -> Result<Unleash, BoxError> {
        Ok(Unleash {
            http: Client::builder().timeout(Duration::from_secs(10)).build()?,
            admin: format!("{url}/api/admin"),
            token,
            environment,
        })
    }

    /// The flag, if there is one.
    pub(crate) async fn find(&self, flag: &str) -> Result<Option<Flag>, BoxError> {
        let path = format!("projects/default/features/{flag}");
        let answer = self.send(Method::GET, &path, None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let found: Value = accepted(answer).await?.json().await?;
        let environments = found["environments"].as_array();
        let ours = environments
            .into_iter()
            .flatten()
            .find(|one| one["name"] == self.environment);
        Ok(Some(Flag {
            description: found["description"].as_str().map(str::to_owned),
            is_on: ours.is_some_and(|ours| ours["enabled"] == true),
            strategies: ours
                .and_then(|ours| ours["strategies"].as_array())
                .map_or(0, Vec::len),
        }))
    }

    pub(crate) async fn create(&self, flag: &str, description: &str) -> Result<(), BoxError> {
        let body = json!({ "name": flag, "type": "release", "description": description });
        self.post("projects/default/features", &body).await
    }

    /// Turns the flag on for that percentage of the users, always the same ones.
    pub(crate) async fn roll_out(&self, flag: &str, percent: u8) -> Result<(), BoxError> {
        let parameters =
            json!({ "rollout": percent.to_string(), "stickiness": "default", "groupId": flag });
        let body = json!({ "name": "flexibleRollout", "parameters": parameters });
        self.post(&self.within(flag, "strategies"), &body).await
    }

    pub(crate) async fn turn_on(&self, flag: &str) -> Result<(), BoxError> {
        self.post(&self.within(flag, "on"), &json!({})).await
    }

    /// Archives the flag, which does not free its name, and deletes it from the archive, which
    /// does.
    pub(crate) async fn delete(&self, flag: &str) -> Result<(), BoxError> {
        for path in [
            format!("projects/default/features/{flag}"),
            format!("archive/{flag}"),
        ] {
            let answer = self.send(Method::DELETE, &path, None).await?;
            if answer.status() != StatusCode::NOT_FOUND {
                accepted(answer).await?;
            }
        }
        Ok(())
    }

    fn within(&self, flag: &str, what: &str) -> String {
        let environment = &self.environment;
        format!("projects/default/features/{flag}/environments/{environment}/{what}")
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(), BoxError> {
        let answer = self.send(Method::POST, path, Some(body)).await?;
        accepted(answer).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, reqwest::Error> {
        let url = format!("{}/{path}", self.admin);
        let request = self
            .http
            .request(method, url)
            .header("Authorization", &self.token);
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }
}

/// The vendor's data about a flag.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) description: Option<String>,
    pub(crate) is_on: bool,
    pub(crate) strategies: usize,
}

/// The answer, or an error with the vendor's message.
async fn accepted(answer: Response) -> Result<Response, BoxError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (status, text) = (answer.status(), answer.text().await?);
    let said: Option<Value> = serde_json::from_str(&text).ok();
    let said = said.and_then(|body| body["message"].as_str().map(str::to_owned));
    Err(format!("{status}: {}", said.unwrap_or(text)).into())
}
