//! `changes.md`: values that a change takes.

use flamingock::{BoxError, Context, change};
use flamingock::{MemoryStore, Runner, TargetSystem, changes};
use std::sync::{Arc, Mutex};

trait Mailer: Send + Sync {
    fn send(&self, text: &str);
}

struct Limits {
    per_hour: u32,
}

#[change(id = "welcome", order = "0001", target = "mail")]
async fn welcome(
    mailer: &dyn Mailer,
    limits: Option<&Limits>,
    context: &Context,
) -> Result<(), BoxError> {
    let limit = limits.map_or(100, |limits| limits.per_hour);
    mailer.send(&format!("{}: {limit} an hour", context.change_id()));
    Ok(())
}

#[derive(Default)]
struct Outbox(Mutex<Vec<String>>);

impl Mailer for Outbox {
    fn send(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[tokio::test]
async fn values_are_injected() -> Result<(), flamingock::Error> {
    let outbox = Arc::new(Outbox::default());
    Runner::new(MemoryStore::new())
        .changes(changes![welcome])
        .target(TargetSystem::new("mail").provide_arc::<dyn Mailer>(outbox.clone()))
        .provide(Limits { per_hour: 20 })
        .run()
        .await?;
    assert_eq!(*outbox.0.lock().unwrap(), ["welcome: 20 an hour"]);
    Ok(())
}
