//! `audit-export.md`: the whole history, in pages.

use flamingock::audit::HistoryFilter;
use flamingock::{MemoryStore, Runner, change, changes};
use std::io::Write;

#[change(id = "warm-cache", order = "0001")]
async fn warm_cache() {}

/// Writes one JSON document per line, oldest entry first.
async fn export(runner: &Runner, mut out: impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let mut after = 0;
    loop {
        let filter = HistoryFilter::default();
        let page = runner.history_page(&filter, after, 500).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.seq;
        for entry in &page {
            serde_json::to_writer(&mut out, entry)?;
            out.write_all(b"\n")?;
        }
    }
}

#[tokio::test]
async fn every_entry_is_a_line() -> Result<(), Box<dyn std::error::Error>> {
    let runner = Runner::new(MemoryStore::new()).changes(changes![warm_cache]);
    runner.run().await?;
    let mut lines = Vec::new();
    export(&runner, &mut lines).await?;
    assert_eq!(String::from_utf8(lines)?.lines().count(), 2);
    Ok(())
}
