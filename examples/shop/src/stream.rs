//! The stream through which the parts of the shop communicate.

use async_nats::jetstream::stream::Config;
use flamingock::{BoxError, change, rollback, verify};

use crate::nats::{Nats, STREAM};

/// Creates the stream that keeps the shop's events for later consumers.
#[change(id = "shop-stream", order = "0001", stage = "events", target = "nats")]
async fn shop_stream(nats: &Nats) -> Result<(), BoxError> {
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec!["shop.>".to_owned()],
        ..Config::default()
    };
    // The server checks the name: an equal stream is left unchanged, and another one with this name
    // is refused.
    nats.jetstream().await?.create_stream(config).await?;
    Ok(())
}

/// A stream is deleted with its messages, so one that is not empty stays.
#[rollback(shop_stream)]
async fn delete_shop_stream(nats: &Nats) -> Result<(), BoxError> {
    let Some(info) = nats.stream().await? else {
        return Ok(());
    };
    if info.state.messages > 0 {
        return Err(format!("the stream has {} messages", info.state.messages).into());
    }
    nats.jetstream().await?.delete_stream(STREAM).await?;
    Ok(())
}

#[verify(shop_stream)]
async fn has_shop_stream(nats: &Nats) -> Result<bool, BoxError> {
    Ok(nats.stream().await?.is_some())
}
