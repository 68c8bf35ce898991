//! A plan is refused like a run when a change needs a value that is not provided.

use flamingock::{Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, with_table};

use super::Backend;

/// A value that is never provided.
#[derive(Clone, Debug)]
struct Nowhere;

#[change(id = "asks", order = "001", register = false)]
async fn asks(_nowhere: &Nowhere) {}

#[tokio::test]
async fn plan_is_refused_when_a_change_needs_a_missing_value() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![asks]);
    let refused = runner().run().await.unwrap_err();
    let planned = runner().plan().await.unwrap_err();
    assert_eq!(planned.problems(), refused.problems());
    assert!(planned.to_string().contains("Nowhere"), "{planned}");
    runner().provide(Nowhere).plan().await.unwrap();
    let atomic = runner()
        .provide(Nowhere)
        .stage(Stage::new("default").atomic());
    let planned = atomic.plan().await.unwrap_err();
    assert!(planned.to_string().contains("atomic"), "{planned}");
    // Tags filter the change out.
    let tagged = Runner::new(&pool).changes(changes![asks_for_tag]);
    tagged.plan().await.unwrap();
}

#[change(id = "asks-for-tag", order = "001", tags = ["other"], register = false)]
async fn asks_for_tag(_nowhere: &Nowhere) {}
