//! `stores.md`: the test of a store.

use std::sync::Arc;

use flamingock::MemoryStore;
use flamingock::testing::store::{self, Optional};

/// The store of the page.
async fn new_and_empty_store() -> MemoryStore {
    MemoryStore::new()
}

#[tokio::test]
async fn store_keeps_all_rules() {
    store::exercise(async || Arc::new(new_and_empty_store().await)).await;
}

#[tokio::test]
async fn store_without_optional_parts_keeps_the_others() {
    let left_out = [Optional::Batches, Optional::Lanes];
    store::exercise_without(&left_out, async || Arc::new(new_and_empty_store().await)).await;
}
