//! An irreversible change.

use flamingock::{BoxError, change, verify};

use crate::Trouble;
use crate::nats::Nats;

/// Announces to all subscribers that the shop has opened.
///
/// A published message can't be withdrawn, so there is no rollback: if this fails, check the stream
/// and resolve the issue.
#[change(
    id = "announce-opening",
    order = "0001",
    stage = "announcement",
    target = "nats"
)]
async fn announce_opening(nats: &Nats, trouble: &Trouble) -> Result<(), BoxError> {
    let broker = nats.jetstream().await?;
    let sent = broker.publish("shop.opened", "welcome".into()).await?;
    sent.await?;
    if trouble.0 {
        // The broker has the message, and only its answer is lost, as if the connection broke.
        return Err("the broker did not acknowledge shop.opened".into());
    }
    Ok(())
}

/// Resolves a crash: nothing else is in the stream before the shop has opened.
#[verify(announce_opening)]
async fn is_announced(nats: &Nats) -> Result<bool, BoxError> {
    let info = nats.stream().await?;
    Ok(info.is_some_and(|info| info.state.messages > 0))
}
