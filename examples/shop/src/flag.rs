//! The flag that opens the new checkout.

use flamingock::{change, rollback, verify};
use redis::{AsyncCommands as _, Client, RedisResult};

const FLAGS: &str = "flags";
const CHECKOUT: &str = "checkout-v2";

pub(crate) async fn answers(flags: Client) -> RedisResult<()> {
    let mut redis = flags.get_multiplexed_async_connection().await?;
    redis::cmd("PING").exec_async(&mut redis).await
}

/// Turns the new checkout on for everyone, unless the flag is set already.
#[change(
    id = "checkout-flag",
    order = "0001",
    stage = "release",
    target = "flags"
)]
async fn checkout_flag(flags: &Client) -> RedisResult<()> {
    let mut redis = flags.get_multiplexed_async_connection().await?;
    redis.hset_nx(FLAGS, CHECKOUT, "on").await
}

/// A flag that was set to another value since then stays.
#[rollback(checkout_flag)]
async fn delete_checkout_flag(flags: &Client) -> RedisResult<()> {
    let mut redis = flags.get_multiplexed_async_connection().await?;
    let set: Option<String> = redis.hget(FLAGS, CHECKOUT).await?;
    match set.as_deref() {
        Some("on") => redis.hdel(FLAGS, CHECKOUT).await,
        Some(_) | None => Ok(()),
    }
}

#[verify(checkout_flag)]
async fn has_checkout_flag(flags: &Client) -> RedisResult<bool> {
    let mut redis = flags.get_multiplexed_async_connection().await?;
    redis.hexists(FLAGS, CHECKOUT).await
}
