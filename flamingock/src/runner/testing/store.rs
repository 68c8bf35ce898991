//! The conformance suite for stores: the rules on which the engine relies.

/// Lists the rules of a file, which are functions with these names.
macro_rules! rules {
    ($($name:ident: $text:literal;)+) => {
        pub(super) const RULES: &[super::Rule] = &[$(super::Rule {
            name: stringify!($name),
            text: $text,
            check: |store| Box::pin($name(store)),
        }),+];
    };
}

mod batch_rules;
mod entry_rules;
mod lane_rules;
mod lock_rules;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::entry::{Facts, NewEntry, State};
use crate::audit::grant::{AcquireRequest, LockGrant, STARTUP};
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::engine::collect::open_storage;
use crate::runner::builder::Runner;
use crate::target::storage::IntoStorage;
use crate::util::boxed::BoxFuture;
use crate::util::error_chain::ErrorChain;

/// What a store may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Optional {
    /// The progress of changes in batches that have no database of their own.
    Batches,
    /// The locks of changes in the background.
    Lanes,
}

/// Checks that a store keeps all rules on which runs rely, each with a new and empty store.
///
/// ```
/// use flamingock::MemoryStore;
/// use flamingock::testing::store;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// store::exercise(async || MemoryStore::new()).await;
/// # }
/// ```
///
/// A store of your own is passed in an `Arc`, as to [`Runner::new`]. The stores that are returned must
/// not share entries or locks with each other.
///
/// # Panics
/// If a rule is broken, with the names of all that are.
pub async fn exercise<S: IntoStorage>(fresh: impl AsyncFnMut() -> S) {
    exercise_without(&[], fresh).await;
}

/// Does the same for a store that leaves something out: it keeps the default implementation of those
/// methods. Changes that need them are refused on it.
///
/// # Panics
/// If a rule is broken, with the names of all that are.
pub async fn exercise_without<S: IntoStorage>(
    left_out: &[Optional],
    mut fresh: impl AsyncFnMut() -> S,
) {
    let mut broken = String::new();
    for rule in chosen(left_out) {
        let runner = Runner::new(fresh().await);
        let checked = match open_storage(&runner.settings) {
            Ok(storage) => {
                let check = check(rule, &storage.store);
                tokio::time::timeout(LONGEST, check)
                    .await
                    .unwrap_or_else(|_| Err(Broken("it did not end within a minute".to_owned())))
            }
            Err(error) => Err(Broken(format!("it could not be opened: {error}"))),
        };
        if let Err(Broken(text)) = checked {
            let _ = write!(broken, "\n  {}: {}\n    {text}", rule.name, rule.text);
        }
    }
    assert!(broken.is_empty(), "the store breaks rules:{broken}");
}

/// Returns the names of the rules, and their texts.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    chosen(&[]).map(|rule| (rule.name, rule.text))
}

/// Longer than any rule takes.
const LONGEST: Duration = Duration::from_secs(60);

async fn check(rule: &Rule, store: &Arc<dyn Store>) -> Verdict {
    store.create(SERVICE).await?;
    (rule.check)(&**store).await
}

fn chosen(left_out: &[Optional]) -> impl Iterator<Item = &'static Rule> {
    let kept = move |what| !left_out.contains(&what);
    let batches = kept(Optional::Batches).then_some(batch_rules::RULES);
    let lanes = kept(Optional::Lanes).then_some(lane_rules::RULES);
    lock_rules::RULES
        .iter()
        .chain(entry_rules::RULES)
        .chain(batches.into_iter().flatten())
        .chain(lanes.into_iter().flatten())
}

/// One rule.
struct Rule {
    name: &'static str,
    text: &'static str,
    check: for<'a> fn(&'a dyn Store) -> BoxFuture<'a, Verdict>,
}

/// How a rule is broken.
struct Broken(String);

type Verdict = Result<(), Broken>;

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Broken {
        Broken(ErrorChain::of(&error).to_string())
    }
}

fn ensure(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    match holds {
        true => Ok(()),
        false => Err(Broken(text())),
    }
}

/// Fails unless both are equal.
#[expect(clippy::needless_pass_by_value, reason = "rules are easier to read")]
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Verdict {
    let holds = found == expected;
    ensure(holds, || {
        format!("{what} is {found:?}, and {expected:?} is expected")
    })
}

/// The service of the rules.
const SERVICE: &str = "conformance";

/// Longer than a rule takes, so that no lease ends meanwhile.
const LEASE: Duration = Duration::from_secs(600);

fn request(service: &str, run_id: &str) -> AcquireRequest {
    AcquireRequest {
        service: service.to_owned(),
        lane: STARTUP.to_owned(),
        run_id: run_id.to_owned(),
        owner: format!("the run {run_id}"),
        lease: LEASE,
        force: None,
        floor: 0,
    }
}

/// Acquires the lock, which must be free.
async fn acquired(store: &dyn Store, run_id: &str) -> Result<LockGrant, Broken> {
    let acquired = store.acquire(&request(SERVICE, run_id)).await?;
    match acquired {
        Some(acquired) => Ok(acquired.grant),
        None => Err(Broken(format!("the run {run_id} did not get the lock"))),
    }
}

/// Releases the lock, and acquires it for another run.
async fn next_owner(
    store: &dyn Store,
    grant: &LockGrant,
    run_id: &str,
) -> Result<LockGrant, Broken> {
    store.release(grant, None).await?;
    acquired(store, run_id).await
}

fn entry(change_id: &str, attempt: u32, state: State) -> NewEntry {
    let mut entry = NewEntry::new(change_id, attempt, state);
    entry.stage = "default".to_owned();
    entry.change_order = "0001".to_owned();
    entry.target = "default".to_owned();
    entry.author = "ada".to_owned();
    entry.digest = "v1:abc".to_owned();
    entry.location = "src/changes.rs:7".to_owned();
    entry.origin_facts = Arc::new(Facts {
        host: "host-1".to_owned(),
        pid: 4711,
        ..Facts::default()
    });
    entry
}
