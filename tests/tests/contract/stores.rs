//! The conformance suite, on each store of this project.

use std::collections::BTreeSet;

use flamingock::MemoryStore;
use flamingock::testing::store;
use flamingock_tests::{Backend, TestDatabase, scenarios};
use sqlx::Pool;

#[tokio::test]
async fn memory_keeps_all_rules() {
    store::exercise(async || MemoryStore::new()).await;
}

scenarios!(sqlite, postgres, mariadb; store_keeps_all_rules);

async fn store_keeps_all_rules<B: Backend>()
where
    for<'a> &'a Pool<B::Db>: flamingock::IntoStorage,
{
    let mut last: Option<(TestDatabase<B>, &Pool<B::Db>)> = None;
    store::exercise(async || {
        if let Some((database, pool)) = last.take() {
            pool.close().await;
            drop(database);
        }
        let database = B::fresh().await;
        // Each store has a pool of its own, which outlives this call.
        let pool: &Pool<B::Db> = Box::leak(Box::new(database.pool(10).await));
        last = Some((database, pool));
        pool
    })
    .await;
}

#[test]
fn rules_have_names_of_their_own() {
    let names: BTreeSet<&str> = store::names().map(|(name, _)| name).collect();
    assert_eq!(names.len(), store::names().count());
    assert!(names.len() > 60);
}
