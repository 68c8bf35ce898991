//! `recovery.md`: the operator's calls in code.

use flamingock::{MemoryStore, Runner, change, changes};

#[change(id = "open-account", order = "0001")]
async fn open_account() {}

#[tokio::test]
async fn calls_only_read() -> Result<(), flamingock::Error> {
    let store = MemoryStore::new();
    let runner = Runner::new(&store).changes(changes![open_account]);

    let plan = runner.plan().await?; // what a run would do
    let issues = runner.issues().await?; // the changes that need manual resolution
    let entries = runner.history(&Default::default()).await?; // the recorded entries
    let lock = runner.lock_status().await?; // the current or last lock owner

    assert_eq!(plan.counts().not_reached, 1);
    assert!(issues.is_empty() && entries.is_empty() && lock.is_none());
    Ok(())
}
