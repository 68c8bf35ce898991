//! Tables that exist and are not visible never lead to a second history.

use flamingock::adopt::{Adoption, Tool};
use flamingock::audit::HistoryFilter;
use flamingock::{Policy, Resolution, Rule, Runner, TableNames, UndoTarget, change, changes};
use flamingock_tests::{Backend as _, done, execute, query, try_execute, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![one])
}

/// Every use of an invisible history is refused with these words.
pub(crate) async fn assert_refused(runner: impl Fn() -> Runner, words: &[&str], case: &str) {
    let mut errors = Vec::new();
    errors.push(("run", runner().run().await.err()));
    errors.push(("plan", runner().plan().await.err()));
    let check = runner().mode(flamingock::Mode::Check).run().await;
    errors.push(("check", check.err()));
    errors.push((
        "history",
        runner().history(&HistoryFilter::default()).await.err(),
    ));
    errors.push(("services", runner().services().await.err()));
    errors.push(("issues", runner().issues().await.err()));
    errors.push(("lock_status", runner().lock_status().await.err()));
    errors.push(("undo", runner().undo(UndoTarget::Last).await.err()));
    let resolved = runner().resolve("one", Resolution::Applied, "why").await;
    errors.push(("resolve", resolved.err()));
    errors.push(("baseline", runner().baseline("one", "why").await.err()));
    let adopted = runner().adopt_from_service("another").await;
    errors.push(("adopt from a service", adopted.err()));
    let adopted = runner().adopt(&Adoption::of(Tool::SeaOrm)).await;
    errors.push(("adopt", adopted.err()));
    errors.push(("release_lock", runner().release_lock("why").await.err()));
    errors.push(("verify", runner().verify().await.err()));
    let page = runner()
        .history_page(&HistoryFilter::default(), 0, 10)
        .await;
    errors.push(("history_page", page.err()));
    let undone = runner().undo(UndoTarget::Change("one".to_owned())).await;
    errors.push(("undo one", undone.err()));
    let adopting = runner().adopt_first(Adoption::of(Tool::SeaOrm)).run().await;
    errors.push(("adopt first", adopting.err()));
    let verified = runner().adopt_verified().run().await;
    errors.push(("adopt verified", verified.err()));
    for (what, error) in errors {
        let error = error.unwrap_or_else(|| panic!("{case}: {what} was not refused"));
        let text = format!("{error:?}");
        for word in words {
            assert!(text.contains(word), "{case}: {what}: no {word:?} in {text}");
        }
    }
}

#[tokio::test]
async fn partial_set_of_tables_is_refused() {
    for gone in ["audit", "lock", "lease"] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        runner(&pool).run().await.unwrap();
        execute(&pool, &format!("DROP TABLE flamingock_{gone}")).await;
        let pool = database.pool(2).await;
        let missing = format!("flamingock_{gone}");
        assert_refused(|| runner(&pool), &[missing.as_str(), "restore"], gone).await;
        assert_eq!(done(&pool).await, ["one"], "{gone}");
        let there = try_execute(&pool, &format!("SELECT 1 FROM {missing}")).await;
        assert!(there.is_err(), "{gone} was created");
    }
}

/// What a first run leaves when it dies while it creates the tables, on a database that does so
/// without a transaction.
#[tokio::test]
async fn partial_set_of_tables_without_entries_is_completed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    Runner::new(&pool).changes(changes![]).run().await.unwrap();
    runner(&pool).baseline("one", "for the test").await.unwrap();
    execute(&pool, "DELETE FROM flamingock_audit").await;
    execute(&pool, "DROP TABLE flamingock_lock").await;
    execute(&pool, "DROP TABLE flamingock_lease").await;
    assert_eq!(runner(&pool).run().await.unwrap().counts().newly_applied, 1);
    assert!(runner(&pool).run().await.unwrap().is_up_to_date());
}

fn prefix(prefix: &str) -> TableNames {
    TableNames::default().prefix(prefix.to_owned())
}

#[tokio::test]
async fn tables_with_another_prefix_are_refused_unless_a_prefix_is_configured() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    runner(&pool).tables(prefix("coc_")).run().await.unwrap();
    assert_refused(|| runner(&pool), &["coc_audit", "prefix"], "prefix").await;
    assert_eq!(done(&pool).await, ["one"]);
    // A configured prefix is intended, even the usual one.
    for prefix_of_its_own in ["shop_", "flamingock_"] {
        let own = || runner(&pool).tables(prefix(prefix_of_its_own));
        assert_eq!(own().run().await.unwrap().counts().newly_applied, 1);
        assert!(own().run().await.unwrap().is_up_to_date());
    }
    // Now tables with the usual name exist.
    assert!(runner(&pool).run().await.unwrap().is_up_to_date());
    assert_eq!(done(&pool).await, ["one", "one", "one"]);
}

#[change(id = "tagged", order = "002", tags = ["seeds"], register = false)]
async fn tagged(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('tagged')")
        .await
        .map(drop)
}

/// The stored digest of a run without the change does not apply to a binary that lacks it.
#[tokio::test]
async fn applied_change_that_was_filtered_and_then_removed_is_missing() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let policy = Policy::default().missing(Rule::Deny);
    let both = |tags: &str| {
        let runner = Runner::new(&pool).changes(changes![one, tagged]);
        runner.tags([tags]).policy(policy).run()
    };
    assert_eq!(both("seeds").await.unwrap().counts().newly_applied, 2);
    for _ in 0..2 {
        assert!(both("!seeds").await.unwrap().is_up_to_date());
    }
    let without = runner(&pool).tags(["!seeds"]).policy(policy);
    let error = without.run().await.unwrap_err();
    assert!(format!("{error:#}").contains("\"tagged\""), "{error}");
}
