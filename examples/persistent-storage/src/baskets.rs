//! Keys that get another name and another type, while the application may write to them.
//!
//! Before: `cart:7` is the text `milk,bread`. After: `basket:7` is the list of `milk` and `bread`.

use flamingock::{change, rollback, verify};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Client, Pipeline, RedisResult};

/// Converts carts to baskets.
///
/// Each key is converted completely or not at all, so a failure or a crash leaves some of them
/// converted. The rollback converts those back, and a second run finds the remaining ones.
#[change(
    id = "baskets-for-carts",
    order = "0003",
    target = "redis",
    register = false
)]
pub(crate) async fn baskets_for_carts(redis: &Client) -> RedisResult<()> {
    let mut redis = redis.get_multiplexed_async_connection().await?;
    for cart in keys(&mut redis, "cart:*").await? {
        while !to_basket(&mut redis, &cart).await? {}
    }
    Ok(())
}

#[rollback(baskets_for_carts)]
async fn carts_for_baskets(redis: &Client) -> RedisResult<()> {
    let mut redis = redis.get_multiplexed_async_connection().await?;
    for basket in keys(&mut redis, "basket:*").await? {
        while !to_cart(&mut redis, &basket).await? {}
    }
    Ok(())
}

#[verify(baskets_for_carts)]
async fn are_all_baskets(redis: &Client) -> RedisResult<bool> {
    let mut redis = redis.get_multiplexed_async_connection().await?;
    Ok(keys(&mut redis, "cart:*").await?.is_empty())
}

/// Whether it is a basket now, and not a key that was written meanwhile.
async fn to_basket(redis: &mut MultiplexedConnection, cart: &str) -> RedisResult<bool> {
    watch(redis, cart).await?;
    let items: String = redis.get(cart).await?;
    let basket = cart.replacen("cart", "basket", 1);
    let mut write = redis::pipe();
    write
        .atomic()
        .rpush(&basket, items.split(',').collect::<Vec<_>>());
    replace(redis, cart, &basket, write).await
}

async fn to_cart(redis: &mut MultiplexedConnection, basket: &str) -> RedisResult<bool> {
    watch(redis, basket).await?;
    let items: Vec<String> = redis.lrange(basket, 0, -1).await?;
    let cart = basket.replacen("basket", "cart", 1);
    let mut write = redis::pipe();
    write.atomic().set(&cart, items.join(","));
    replace(redis, basket, &cart, write).await
}

/// From here on, a transaction has no effect once another client has written to the key.
async fn watch(redis: &mut MultiplexedConnection, key: &str) -> RedisResult<()> {
    redis::cmd("WATCH").arg(key).exec_async(redis).await
}

/// Writes the new key and removes the old one, atomically; the new one keeps the old one's time to
/// live.
async fn replace(
    redis: &mut MultiplexedConnection,
    old: &str,
    new: &str,
    mut write: Pipeline,
) -> RedisResult<bool> {
    let left: i64 = redis.pttl(old).await?;
    if left > 0 {
        write.pexpire(new, left);
    }
    let done: Option<redis::Value> = write.del(old).query_async(redis).await?;
    Ok(done.is_some())
}

/// The keys of a pattern, sorted. `SCAN` can return one twice, and does not block the server like
/// `KEYS`.
async fn keys(redis: &mut MultiplexedConnection, pattern: &str) -> RedisResult<Vec<String>> {
    let mut found = Vec::new();
    let mut scan = redis.scan_match::<_, String>(pattern).await?;
    while let Some(key) = scan.next_item().await {
        found.push(key?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}
