//! Changes that were applied by hand are recorded by a baseline.

use flamingock::{ErrorKind, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, done, query, strings, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

macro_rules! puts {
    ($name:ident, $id:literal, $order:literal, $stage:literal) => {
        #[change(id = $id, order = $order, stage = $stage, register = false)]
        async fn $name(db: &mut Connection) -> Result<(), sqlx::Error> {
            let statement = concat!("INSERT INTO done VALUES ('", $id, "')");
            query(db, statement).await.map(drop)
        }
    };
}

puts!(schema_1, "schema-1", "001", "schema");
puts!(schema_2, "schema-2", "002", "schema");
puts!(data_1, "data-1", "001", "data");
puts!(data_2, "data-2", "002", "data");

fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool)
        .changes(changes![data_2, data_1, schema_2, schema_1])
        .stage(Stage::new("schema"))
        .stage(Stage::new("data").after("schema"))
}

#[tokio::test]
async fn baseline_marks_changes_up_to_the_named_one_as_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let only = Runner::new(&pool).changes(changes![schema_1]);
    only.run().await.unwrap();
    let runner_now = runner(&pool);
    let reason = "restored from the dump of May";
    let baseline = runner_now.baseline("data-1", reason).await.unwrap();
    assert_eq!(baseline.recorded, ["schema-2", "data-1"]);
    assert_eq!(baseline.known, ["schema-1"]);
    let entries = "SELECT change_id, state, origin, reason FROM flamingock_audit \
                   WHERE origin <> 'run' ORDER BY seq";
    let marked =
        |id: &str| format!("{id}|MANUAL_MARKED_AS_APPLIED|operator|restored from the dump of May");
    assert_eq!(
        strings(&pool, entries).await,
        [marked("schema-2"), marked("data-1")]
    );
    let report = runner(&pool).run().await.unwrap();
    assert!(report.changes().all(|change| change.notes.is_empty()));
    assert_eq!(done(&pool).await, ["data-2", "schema-1"]);
    let again = runner(&pool).baseline("data-2", "again").await.unwrap();
    assert_eq!((again.recorded.len(), again.known.len()), (0, 4));
}

#[tokio::test]
async fn baseline_needs_a_reason_and_a_known_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for (id, reason, expected) in [
        ("data-1", " ", "needs a reason"),
        ("data-3", "by hand", "no change \"data-3\""),
    ] {
        let error = runner(&pool).baseline(id, reason).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(format!("{error:#}").contains(expected), "{error}");
    }
    let counts = runner(&pool).run().await.unwrap().counts();
    assert_eq!(counts.newly_applied, 4);
}
