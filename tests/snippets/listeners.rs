//! `listeners.md`: a function, and a type that awaits.

use async_trait::async_trait;
use flamingock::BoxError;
use flamingock::events::{Event, EventKind, Listener};
use flamingock::{MemoryStore, Runner, change, changes};

#[change(id = "warm-cache", order = "0001")]
async fn warm_cache() {}

#[tokio::test]
async fn function_is_a_listener() -> Result<(), flamingock::Error> {
    let (sender, received) = std::sync::mpsc::channel();
    Runner::new(MemoryStore::new())
        .changes(changes![warm_cache])
        .listener(move |event: &Event| match &event.kind {
            EventKind::ChangeStarted { .. } | EventKind::ChangeEnded { .. } => {
                let _ = sender.send(event.to_string());
            }
            _ => {}
        })
        .run()
        .await?;
    assert_eq!(received.iter().count(), 2);
    Ok(())
}

struct Pager;

impl Pager {
    async fn page(&self, _: &str) -> Result<(), BoxError> {
        Ok(())
    }
}

#[async_trait]
impl Listener for Pager {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        match &event.kind {
            EventKind::IssueFound { .. } => self.page(&event.to_string()).await,
            _ => Ok(()),
        }
    }
}

fn print_issues() -> Runner {
    Runner::new(MemoryStore::new()).listener(|event: &Event| {
        if let EventKind::IssueFound { .. } = &event.kind {
            eprintln!("{event}");
        }
    })
}

fn page_issues() -> Runner {
    Runner::new(MemoryStore::new()).listener(Pager)
}
