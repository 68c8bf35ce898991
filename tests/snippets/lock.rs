//! `lock.md`: the options of the lock.

use flamingock::{LockOptions, MemoryStore, OnLockTimeout, Runner};
use std::time::Duration;

#[test]
fn options_are_the_defaults() {
    let options = LockOptions::default()
        .lease(Duration::from_secs(30)) // renewed at a third of it
        .wait(Duration::from_secs(180)) // then the run fails, and names the lock owner
        .poll(Duration::from_millis(50)) // grows to a second
        .on_timeout(OnLockTimeout::Fail);
    let runner = Runner::new(MemoryStore::new()).lock(options);
    assert_eq!(options, LockOptions::default());
    drop(runner);
}
