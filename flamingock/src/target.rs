//! Target systems: what changes change.

use std::sync::Arc;

use crate::argument::Values;
use crate::database::Database;

/// The name of the target, the stage and the service that nobody named.
pub(crate) const DEFAULT: &str = "default";

/// A system that changes change: a name, the values that its changes may take, and for a database
/// of sqlx the connection.
///
/// The audit's database is a target without being named: "default".
///
/// ```
/// use flamingock::{MemoryStore, Runner, TargetSystem, change, changes};
///
/// struct Region(&'static str);
///
/// #[change(id = "first-bucket", order = "0001", target = "files", detached)]
/// async fn first_bucket(region: &Region) {
///     assert_eq!(region.0, "north");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flamingock::Error> {
/// Runner::new(MemoryStore::new())
///     .changes(changes![first_bucket])
///     .target(TargetSystem::new("files").provide(Region("north")))
///     .provide(Region("south")) // for every target that has none of its own
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TargetSystem {
    pub(crate) name: String,
    pub(crate) values: Values,
    pub(crate) database: Option<Arc<dyn Database>>,
    /// Whether this is the database that the audit is in, through the same pool.
    pub(crate) holds_audit: bool,
}

impl TargetSystem {
    /// A system that takes part in no transaction of ours: its changes take what
    /// [`provide`](Self::provide) gives them.
    pub fn new(name: impl Into<String>) -> TargetSystem {
        TargetSystem {
            name: name.into(),
            values: Values::default(),
            database: None,
            holds_audit: false,
        }
    }

    /// Gives changes of this target a value, which they take as `&T` or `Option<&T>`. It comes
    /// before a value of the same type that the runner provides; the last one of a type counts.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> TargetSystem {
        self.provide_arc(Arc::new(value))
    }

    /// The same for a value that is shared, or unsized: `provide_arc::<dyn Mailer>(mailer)`.
    #[must_use]
    pub fn provide_arc<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> TargetSystem {
        self.values.insert(value);
        self
    }
}
