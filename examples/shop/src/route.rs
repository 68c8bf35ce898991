//! The gateway's route to the service of products, through the admin interface of Caddy.

use std::time::Duration;

use flamingock::{BoxError, change, rollback, verify};
use reqwest::{Client, Response, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use crate::Trouble;

const ROUTE: &str = "products-route";

/// How often the new route is asked before it counts as broken.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    http: Client,
    admin: String,
    public: String,
    upstream: String,
}

impl Gateway {
    pub(crate) fn new(
        admin: String,
        public: String,
        upstream: String,
    ) -> Result<Gateway, BoxError> {
        Ok(Gateway {
            http: Client::builder()
                .timeout(Duration::from_secs(10))
                // Caddy closes its connections when it loads a new configuration.
                .pool_max_idle_per_host(0)
                .build()?,
            admin,
            public,
            upstream,
        })
    }

    pub(crate) async fn answers(self) -> Result<(), BoxError> {
        let asked = self.http.get(format!("{}/config/", self.admin)).send();
        accepted(asked.await?).map(drop)
    }

    /// Asks for the products, as customers do.
    async fn products(&self) -> Result<(), BoxError> {
        let asked = self.http.get(format!("{}/products", self.public)).send();
        accepted(asked.await?).map(drop)
    }

    fn route(&self) -> String {
        format!("{}/id/{ROUTE}", self.admin)
    }
}

/// Routes customers to the products, and checks the route.
#[change(
    id = "products-route",
    order = "0001",
    stage = "traffic",
    target = "gateway"
)]
async fn products_route(gateway: &Gateway, trouble: &Trouble) -> Result<(), BoxError> {
    // Caddy accepts the same route twice: check first.
    if !has_products_route(gateway).await? {
        let upstream = match trouble.0 {
            true => "127.0.0.1:1", // no service listens there
            false => &gateway.upstream,
        };
        let route = json!({
            "@id": ROUTE,
            "match": [{ "path": ["/products"] }],
            "handle": [{ "handler": "reverse_proxy", "upstreams": [{ "dial": upstream }] }],
        });
        let routes = "config/apps/http/servers/gateway/routes";
        let url = format!("{}/{routes}", gateway.admin);
        accepted(gateway.http.post(url).json(&route).send().await?)?;
    }
    let mut tries = 1;
    loop {
        match gateway.products().await {
            // Caddy can lose a request that comes while it loads the route.
            Err(_) if tries < TRIES => tries += 1,
            answered => return answered,
        }
        sleep(PAUSE).await;
    }
}

#[rollback(products_route)]
async fn delete_products_route(gateway: &Gateway) -> Result<(), BoxError> {
    let answer = gateway.http.delete(gateway.route()).send().await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(());
    }
    accepted(answer).map(drop)
}

#[verify(products_route)]
async fn has_products_route(gateway: &Gateway) -> Result<bool, BoxError> {
    let answer = gateway.http.get(gateway.route()).send().await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(false);
    }
    accepted(answer).map(|_| true)
}

fn accepted(answer: Response) -> Result<Response, BoxError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    Err(format!("{} answered {}", answer.url(), answer.status()).into())
}
