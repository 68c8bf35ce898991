//! `stores.md`: the test of a store.

use std::sync::Arc;

use flamingock::MemoryStore;
use flamingock::testing::store;

/// The store of the page.
async fn new_and_empty_store() -> MemoryStore {
    MemoryStore::new()
}

#[tokio::test]
async fn store_keeps_all_rules() {
    store::exercise(async || Arc::new(new_and_empty_store().await)).await;
}
