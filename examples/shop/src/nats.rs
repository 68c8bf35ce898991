//! The part of NATS JetStream that the changes need.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{self, Context, ErrorCode};
use flamingock::BoxError;

/// The stream of the shop.
pub(crate) const STREAM: &str = "SHOP";

#[derive(Debug, Clone)]
pub(crate) struct Nats {
    url: String,
}

impl Nats {
    pub(crate) fn at(url: String) -> Nats {
        Nats { url }
    }

    pub(crate) async fn jetstream(&self) -> Result<Context, BoxError> {
        Ok(jetstream::new(async_nats::connect(&self.url).await?))
    }

    pub(crate) async fn answers(self) -> Result<(), BoxError> {
        self.stream().await.map(drop)
    }

    /// The broker's data about the stream, if it exists.
    pub(crate) async fn stream(&self) -> Result<Option<Info>, BoxError> {
        match self.jetstream().await?.get_stream(STREAM).await {
            Ok(stream) => Ok(Some(stream.cached_info().clone())),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(said)
                    if said.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(error.into()),
            },
        }
    }
}
