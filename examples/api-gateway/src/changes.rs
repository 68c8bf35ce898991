//! The changes of the gateway, each applied once.

use flamingock::{BoxError, change, rollback, verify};
use serde_json::{Value, json};

use crate::Orders;
use crate::gateway::Gateway;

const ROUTES: &str = "config/apps/http/servers/gateway/routes";

/// Routes requests for orders to the first instance of the service.
#[change(id = "orders-route", order = "0001", target = "gateway")]
async fn orders_route(gateway: &Gateway, orders: &Orders) -> Result<(), BoxError> {
    let first = upstream("orders-upstream-0", &orders.upstreams[0]);
    let proxy = json!({ "@id": "orders-proxy", "handler": "reverse_proxy", "upstreams": [first] });
    let route = json!({
        "@id": "orders-route",
        "match": [{ "path": ["/orders/*"] }],
        "handle": [proxy],
    });
    gateway.add(ROUTES, "orders-route", &route).await
}

#[rollback(orders_route)]
async fn delete_orders_route(gateway: &Gateway) -> Result<(), BoxError> {
    gateway.remove("orders-route").await
}

#[verify(orders_route)]
async fn has_orders_route(gateway: &Gateway) -> Result<bool, BoxError> {
    Ok(gateway.find("orders-route").await?.is_some())
}

/// Adds the other instances of the service and balances the load. Each addition is a request that
/// the gateway can refuse: earlier additions remain then, and the rollback removes them.
#[change(id = "orders-balanced", order = "0002", target = "gateway")]
async fn orders_balanced(gateway: &Gateway, orders: &Orders) -> Result<(), BoxError> {
    for (number, address) in orders.upstreams.iter().enumerate().skip(1) {
        let id = format!("orders-upstream-{number}");
        let upstream = upstream(&id, address);
        gateway
            .add("id/orders-proxy/upstreams", &id, &upstream)
            .await?;
    }
    let policy = json!({
        "@id": "orders-balancing",
        "selection_policy": { "policy": orders.balancing },
    });
    let place = "id/orders-proxy/load_balancing";
    gateway.add(place, "orders-balancing", &policy).await
}

#[rollback(orders_balanced)]
async fn delete_orders_balancing(gateway: &Gateway, orders: &Orders) -> Result<(), BoxError> {
    gateway.remove("orders-balancing").await?;
    for number in 1..orders.upstreams.len() {
        gateway.remove(&format!("orders-upstream-{number}")).await?;
    }
    Ok(())
}

#[verify(orders_balanced)]
async fn are_orders_balanced(gateway: &Gateway) -> Result<bool, BoxError> {
    // The load balancing is the last step: if it exists, all of them do.
    Ok(gateway.find("orders-balancing").await?.is_some())
}

fn upstream(id: &str, address: &str) -> Value {
    json!({ "@id": id, "dial": address })
}
