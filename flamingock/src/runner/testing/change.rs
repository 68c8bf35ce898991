//! Changes that a test builds without the attribute.

use std::fmt;
use std::panic::Location as Caller;
use std::time::Duration;

use crate::change::argument::{Inputs, Outlives};
use crate::change::body::{Answer, Body, Callable, Code};
use crate::change::definition::{Definition, Phase, REFUSED, Recovery, Repeat};
use crate::change::problem::Location;
use crate::util::boxed::BoxError;

/// Builds a change without the attribute: for tests that need many changes, or ids and settings
/// that are made up.
///
/// The change has the order "0001" and does nothing, until its setters say otherwise. It lives as
/// long as the process, like every change.
///
/// ```
/// use flamingock::{MemoryStore, Runner, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flamingock::Error> {
/// let changes = (1..=100).map(|number| {
///     let order = format!("{number:04}");
///     testing::change(format!("change-{number}")).order(order).build()
/// });
/// let runner = Runner::new(MemoryStore::new()).changes(changes);
/// assert_eq!(runner.run().await?.counts().newly_applied, 100);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn change(id: impl Into<String>) -> ChangeBuilder {
    let caller = Caller::caller();
    let location = Location {
        file: caller.file(),
        line: caller.line(),
    };
    let body = Body::new("", location, &[], false, |_, _| Box::pin(async { Ok(()) }));
    ChangeBuilder {
        definition: Definition {
            id: kept(id),
            order: "0001",
            author: "testing",
            stage: "default",
            target: "default",
            digest: "v1:testing",
            module_path: "testing",
            body,
            ..*REFUSED
        },
    }
}

/// A change that a test builds: see [`change`](change()).
#[derive(Debug)]
#[must_use = "`build` returns the change"]
pub struct ChangeBuilder {
    definition: Definition,
}

impl ChangeBuilder {
    /// Sets the position in the stage.
    pub fn order(mut self, order: impl Into<String>) -> ChangeBuilder {
        self.definition.order = kept(order);
        self
    }

    /// Sets the stage.
    pub fn stage(mut self, stage: impl Into<String>) -> ChangeBuilder {
        self.definition.stage = kept(stage);
        self
    }

    /// Sets the target system.
    pub fn target(mut self, target: impl Into<String>) -> ChangeBuilder {
        self.definition.target = kept(target);
        self
    }

    /// Sets the author.
    pub fn author(mut self, author: impl Into<String>) -> ChangeBuilder {
        self.definition.author = kept(author);
        self
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<String>) -> ChangeBuilder {
        self.definition.description = kept(description);
        self
    }

    /// Adds a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> ChangeBuilder {
        let mut tags = self.definition.tags.to_vec();
        tags.push(kept(tag));
        self.definition.tags = tags.leak();
        self
    }

    /// Sets what the engine may do about an unfinished attempt.
    pub fn recovery(mut self, recovery: Recovery) -> ChangeBuilder {
        self.definition.recovery = recovery;
        self
    }

    /// Sets whether the change is repeatable.
    pub fn repeat(mut self, repeat: Repeat) -> ChangeBuilder {
        self.definition.repeat = repeat;
        self
    }

    /// Sets when the change runs.
    pub fn phase(mut self, phase: Phase) -> ChangeBuilder {
        self.definition.phase = phase;
        self
    }

    /// Sets the change in the background that must be applied before.
    pub fn requires(mut self, id: impl Into<String>) -> ChangeBuilder {
        self.definition.requires = Some(kept(id));
        self
    }

    /// Sets the digest. A change with another digest than the applied one has drifted.
    pub fn digest(mut self, digest: impl Into<String>) -> ChangeBuilder {
        self.definition.digest = kept(digest);
        self
    }

    /// Sets the timeout of its function.
    pub fn timeout(mut self, timeout: Duration) -> ChangeBuilder {
        self.definition.timeout = Some(timeout);
        self
    }

    /// Calls this function when the change is applied, outside a transaction.
    pub fn applies<F, Fut>(mut self, function: F) -> ChangeBuilder
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.definition.body.code = called(function);
        self.definition.body.needs = &[];
        self.definition.body.transaction = false;
        self
    }

    /// Calls this function when the change is rolled back or undone.
    pub fn rolls_back<F, Fut>(mut self, function: F) -> ChangeBuilder
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.definition.rollback = Some(Box::leak(Box::new(Body {
            code: called(function),
            needs: &[],
            transaction: false,
            ..self.definition.body
        })));
        self
    }

    /// Takes the functions of another change: what it does, its rollback and its verify function.
    pub fn functions_of(mut self, change: &Definition) -> ChangeBuilder {
        self.definition.body = Body { ..change.body };
        self.definition.rollback = change.rollback;
        self.definition.verify = change.verify;
        self
    }

    /// Takes everything but the id of another change.
    pub fn like(self, change: &Definition) -> ChangeBuilder {
        ChangeBuilder {
            definition: Definition {
                id: self.definition.id,
                body: Body { ..change.body },
                ..*change
            },
        }
    }

    /// Returns the change, for [`Runner::changes`](crate::Runner::changes).
    pub fn build(self) -> &'static Definition {
        Box::leak(Box::new(self.definition))
    }
}

/// A function without arguments.
struct Function<F>(F);

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

impl<F, Fut> Callable<()> for Function<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    fn call<'a, 'c>(
        &'static self,
        _inputs: Inputs<'a, 'c>,
        _outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, ()> {
        Box::pin((self.0)())
    }
}

fn called<F, Fut>(function: F) -> Code<()>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    Code::Read(Box::leak(Box::new(Function(function))))
}

fn kept(text: impl Into<String>) -> &'static str {
    text.into().leak()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{MemoryStore, Runner, UndoTarget};

    #[tokio::test]
    async fn built_change_is_applied_and_undone() {
        let calls = Arc::new(AtomicU32::new(0));
        let add = |amount: u32| {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(amount, Ordering::Relaxed);
                async { Ok(()) }
            }
        };
        let change = change("built")
            .order("0002")
            .stage("schema")
            .applies(add(1))
            .rolls_back(add(10))
            .build();
        let runner = Runner::new(MemoryStore::new())
            .stage(crate::Stage::new("schema"))
            .changes([change]);
        assert_eq!(runner.run().await.unwrap().counts().newly_applied, 1);
        assert!(runner.run().await.unwrap().is_up_to_date());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        runner
            .undo(UndoTarget::Change("built".into()))
            .await
            .unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 11);
        let filter = crate::audit::HistoryFilter::default();
        let entry = runner.history(&filter).await.unwrap().remove(0);
        assert_eq!(entry.stage.as_deref(), Some("schema"));
        let location = entry.location.unwrap();
        assert!(location.contains("change.rs:"), "{location}");
    }
}
