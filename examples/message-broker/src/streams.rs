//! NATS JetStream: a stream, and a consumer of it.

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Info, StorageType};
use async_nats::jetstream::{self, Context, ErrorCode, stream};
use flamingock::{BoxError, change, rollback, verify};

#[derive(Debug)]
pub(crate) struct Nats {
    url: String,
}

impl Nats {
    pub(crate) fn at(url: String) -> Nats {
        Nats { url }
    }

    async fn jetstream(&self) -> Result<Context, BoxError> {
        Ok(jetstream::new(async_nats::connect(&self.url).await?))
    }
}

/// Creates the stream that keeps orders for later consumers.
#[change(
    id = "orders-stream",
    order = "0001",
    stage = "streams",
    target = "nats"
)]
async fn orders_stream(nats: &Nats) -> Result<(), BoxError> {
    let orders = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        storage: StorageType::File,
        ..stream::Config::default()
    };
    // The server checks the name: an equal stream is left unchanged, and another one with this name
    // is refused.
    nats.jetstream().await?.create_stream(orders).await?;
    Ok(())
}

/// Deletes the stream with its messages: after a failed creation there are none, and an undo is
/// refused while there are orders.
#[rollback(orders_stream)]
async fn delete_orders_stream(nats: &Nats) -> Result<(), BoxError> {
    let Some(info) = find_orders(nats).await? else {
        return Ok(());
    };
    if info.state.messages > 0 {
        return Err(format!("the stream has {} orders", info.state.messages).into());
    }
    nats.jetstream().await?.delete_stream("ORDERS").await?;
    Ok(())
}

#[verify(orders_stream)]
async fn has_orders_stream(nats: &Nats) -> Result<bool, BoxError> {
    Ok(find_orders(nats).await?.is_some())
}

async fn find_orders(nats: &Nats) -> Result<Option<Info>, BoxError> {
    match nats.jetstream().await?.get_stream("ORDERS").await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) if is_missing_stream(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_missing_stream(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(said)
        if said.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// Creates the consumer by which billing receives every order from the first one on.
#[change(
    id = "billing-consumer",
    order = "0002",
    stage = "streams",
    target = "nats"
)]
async fn billing_consumer(nats: &Nats) -> Result<(), BoxError> {
    // An existing consumer is in use: the server would treat a second creation as an update.
    if has_billing_consumer(nats).await? {
        return Ok(());
    }
    let billing = pull::Config {
        durable_name: Some("billing".to_owned()),
        filter_subject: "orders.placed".to_owned(),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    let orders = nats.jetstream().await?.get_stream("ORDERS").await?;
    orders.create_consumer(billing).await?;
    Ok(())
}

#[rollback(billing_consumer)]
async fn delete_billing_consumer(nats: &Nats) -> Result<(), BoxError> {
    if has_billing_consumer(nats).await? {
        let orders = nats.jetstream().await?.get_stream("ORDERS").await?;
        orders.delete_consumer("billing").await?;
    }
    Ok(())
}

#[verify(billing_consumer)]
async fn has_billing_consumer(nats: &Nats) -> Result<bool, BoxError> {
    let orders = nats.jetstream().await?.get_stream("ORDERS").await?;
    match orders.consumer_info("billing").await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
