//! The stream that the parts of the shop talk through.

use async_nats::jetstream::stream::Config;
use flamingock::{BoxError, change, rollback, verify};

use crate::nats::{Nats, STREAM};

/// What happens in the shop is kept for who listens later.
#[change(id = "shop-stream", order = "0001", stage = "events", target = "nats")]
async fn shop_stream(nats: &Nats) -> Result<(), BoxError> {
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec!["shop.>".to_owned()],
        ..Config::default()
    };
    // The server looks first: an equal stream is left as it is, another one of this name is refused.
    nats.jetstream().await?.create_stream(config).await?;
    Ok(())
}

/// A stream goes with what is in it, so one that is not empty stays.
#[rollback(shop_stream)]
async fn no_shop_stream(nats: &Nats) -> Result<(), BoxError> {
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
