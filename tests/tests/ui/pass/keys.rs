//! Every key, and its default.

use std::time::Duration;

use flamingock::__private::{Change, FLAMINGOCK_CHANGES_0_1, Recovery};
use flamingock::change;
use sqlx::SqliteConnection;

/// Users can sign in.
///
///  With a password.
#[change(id = "plain", order = "001")]
async fn plain() {}

#[change(
    order = "2026.11-a_1",
    id = "Full: every key, ünïcode",
    author = "ada",
    stage = "schema",
    target = "billing",
    transaction = false,
    recovery = "retry",
    tags = ["dev", "demo"],
    timeout = "1m 30s",
    lock_timeout = "250ms",
    statement_timeout = "2h",
    register = false,
)]
async fn full(_db: &mut SqliteConnection) {}

macro_rules! numbered {
    ($name:ident, $id:literal, $order:expr, $($key:tt)*) => {
        #[change(id = $id, order = $order, $($key)*)]
        async fn $name(_limits: &$crate::Limits) -> ::core::result::Result<(), $crate::Failure> {
            ::core::result::Result::Ok(())
        }
    };
}

pub struct Limits;

pub type Failure = std::io::Error;

numbered!(
    generated,
    "generated",
    "0003",
    tags = [],
    recovery = "manual"
);

macro_rules! passed_on {
    ($item:item) => {
        #[change(id = "passed-on", order = "0004")]
        $item
    };
}

passed_on! {
    /// Through a fragment.
    async fn passed() {}
}

fn main() {
    let plain = plain::DEFINITION;
    assert_eq!((plain.id, plain.order), ("plain", "001"));
    assert_eq!(plain.author, env!("CARGO_PKG_NAME"));
    assert_eq!(plain.description, "Users can sign in.\n\n With a password.");
    assert_eq!((plain.stage, plain.target), ("default", "default"));
    assert_eq!(plain.recovery, Recovery::Manual);
    assert!(plain.tags.is_empty());
    assert_eq!(
        (plain.timeout, plain.lock_timeout, plain.statement_timeout),
        (None, None, None)
    );
    assert_eq!(plain.module_path, module_path!());
    assert_eq!(
        plain.crate_name(),
        module_path!().split("::").next().unwrap()
    );
    assert_eq!(plain.body.name, "plain");
    assert_eq!(
        (plain.location().file, plain.location().line),
        (file!(), 13)
    );

    let full = full::DEFINITION;
    assert_eq!(
        (full.id, full.order),
        ("Full: every key, ünïcode", "2026.11-a_1")
    );
    assert_eq!((full.author, full.description), ("ada", ""));
    assert_eq!((full.stage, full.target), ("schema", "billing"));
    assert!(!full.body.transaction);
    assert_eq!(full.recovery, Recovery::Retry);
    assert_eq!(full.tags, ["dev", "demo"]);
    assert_eq!(full.timeout, Some(Duration::from_secs(90)));
    assert_eq!(full.lock_timeout, Some(Duration::from_millis(250)));
    assert_eq!(full.statement_timeout, Some(Duration::from_secs(7200)));
    assert_eq!(full.location().line, 29);

    assert_eq!(generated::DEFINITION.id, "generated");
    assert_eq!(passed::DEFINITION.description, "Through a fragment.");

    let mut registered: Vec<_> = FLAMINGOCK_CHANGES_0_1
        .iter()
        .map(|change| change.id)
        .collect();
    registered.sort_unstable();
    assert_eq!(
        registered,
        ["generated", "passed-on", "plain"],
        "`full` is in no registry"
    );
    assert_eq!(
        flamingock::changes![full, plain].map(|change| change.id),
        [full.id, plain.id]
    );
}
