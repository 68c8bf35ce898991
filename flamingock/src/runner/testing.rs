//! Helpers for the tests of an application: they check that its changes match the committed
//! manifest, build changes without the attribute, and give each test a database of its own in which
//! all changes are applied.
//!
//! The changes themselves are tested like any other function, because the attribute leaves them
//! callable. To run them through the engine, list them and use an empty store:
//!
//! ```
//! use flamingock::{MemoryStore, Outcome, Runner, change, changes};
//!
//! #[derive(Clone, Default)]
//! struct Cache(std::sync::Arc<std::sync::atomic::AtomicU32>);
//!
//! /// Fills the cache before the first request.
//! #[change(id = "warm-cache", order = "0001", register = false)]
//! async fn warm_cache(cache: &Cache) {
//!     cache.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), flamingock::Error> {
//! let cache = Cache::default();
//! let store = MemoryStore::new();
//! for expected in [Outcome::NewlyApplied, Outcome::AlreadyApplied] {
//!     let runner = Runner::new(&store).changes(changes![warm_cache]).provide(cache.clone());
//!     let report = runner.run().await?;
//!     assert_eq!(report.changes().next().map(|change| change.outcome), Some(expected));
//! }
//! assert_eq!(cache.0.load(std::sync::atomic::Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```

mod change;
#[cfg(feature = "_sqlx")]
mod database;
pub mod store;

use std::path::{Path, PathBuf};

pub use self::change::{ChangeBuilder, change};
#[cfg(feature = "_sqlx")]
pub use self::database::{Clonable, TestDatabase, database};
use super::builder::Runner;
use crate::plan::manifest;

/// The environment variable that makes [`assert_manifest`] write the file.
const UPDATE: &str = "FLAMINGOCK_UPDATE_MANIFEST";

/// The environment variable in which cargo passes a test the folder of its package.
const PACKAGE: &str = "CARGO_MANIFEST_DIR";

/// Compares the runner's changes with a committed manifest. Touches no database.
///
/// A change that was edited, renamed, reordered or removed after it was applied then shows up as a
/// difference in review, and not in production. With the environment variable
/// `FLAMINGOCK_UPDATE_MANIFEST=1` the file is written, and nothing is compared.
///
/// The path is relative to the package of the running test (`CARGO_MANIFEST_DIR`), or to the
/// current folder if that variable is not set.
///
/// ```
/// # use flamingock::{MemoryStore, Runner, change, changes, testing};
/// # #[change(id = "warm-cache", order = "0001", register = false)]
/// # async fn warm_cache() {}
/// # let folder = std::env::temp_dir().join(format!("flamingock-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("changes.lock");
/// # std::fs::write(&path, Runner::new(MemoryStore::new()).changes(changes![warm_cache]).manifest().unwrap()).unwrap();
/// fn runner() -> Runner {
///     Runner::new(MemoryStore::new()).changes(changes![warm_cache])
/// }
///
/// // In a test: `testing::assert_manifest(&runner(), "changes.lock");`
/// testing::assert_manifest(&runner(), path);
/// # std::fs::remove_dir_all(folder).unwrap();
/// ```
///
/// # Panics
/// - If the manifest differs. The message lists the differences line by line, and says how to
///   accept them.
/// - If the changes do not form a valid pipeline. The message lists every problem.
/// - If the file cannot be read or written.
#[track_caller]
pub fn assert_manifest(runner: &Runner, path: impl AsRef<Path>) {
    let path = place(path.as_ref(), std::env::var_os(PACKAGE).map(PathBuf::from));
    let update = std::env::var_os(UPDATE).is_some_and(|value| value == "1");
    if let Err(message) = check_file(runner, &path, update) {
        panic!("{}: {message}", path.display());
    }
}

fn place(path: &Path, package: Option<PathBuf>) -> PathBuf {
    match package {
        Some(package) => package.join(path),
        None => path.to_owned(),
    }
}

fn check_file(runner: &Runner, path: &Path, update: bool) -> Result<(), String> {
    let now = runner.manifest().map_err(|error| format!("{error:#}"))?;
    if update {
        return std::fs::write(path, now).map_err(|error| format!("cannot be written: {error}"));
    }
    match std::fs::read_to_string(path) {
        Ok(committed) => manifest::compare(&now, &committed),
        Err(error) => Err(format!(
            "cannot be read: {error}. To write it, run this test with {UPDATE}=1"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::memory::MemoryStore;

    fn runner() -> Runner {
        Runner::new(MemoryStore::new()).changes(crate::changes![])
    }

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("flamingock-{}-{name}", std::process::id()))
    }

    #[test]
    fn paths_are_those_of_the_package() {
        let path = Path::new("changes.lock");
        assert_eq!(
            place(path, Some(PathBuf::from("/app"))),
            Path::new("/app/changes.lock")
        );
        assert_eq!(place(path, None), path);
    }

    #[test]
    fn what_was_written_is_accepted_and_a_missing_file_names_the_variable() {
        let path = file("written.lock");
        let missing = check_file(&runner(), &path, false).unwrap_err();
        assert!(
            missing.contains("FLAMINGOCK_UPDATE_MANIFEST=1"),
            "{missing}"
        );
        check_file(&runner(), &path, true).unwrap();
        check_file(&runner(), &path, false).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_difference_is_shown_with_its_sign() {
        let path = file("different.lock");
        std::fs::write(
            &path,
            "default 0001 \"gone\" target=default transaction v1:0\n",
        )
        .unwrap();
        let message = check_file(&runner(), &path, false).unwrap_err();
        assert!(message.contains("\n  - default 0001 \"gone\""), "{message}");
        std::fs::remove_file(path).unwrap();
    }
}
