//! Changes in files: in one order with changes in code, and with the same guarantees.

use flamingock::{ErrorKind, Runner, UndoTarget, change, changes, include_files};
use flamingock_tests::{Backend as _, audit, done, query, strings, with_table};

use super::{Backend, Connection};

#[change(id = "code", order = "0002", register = false)]
async fn code(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO orders VALUES (0, 'by code')").await?;
    query(db, "INSERT INTO done VALUES ('0002 code')")
        .await
        .map(drop)
}

#[tokio::test]
async fn files_and_code_run_in_one_order() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || {
        Runner::new(&pool)
            .changes(changes![code])
            .files(include_files!(
                "fixtures/folders/own",
                static,
                register = false
            ))
    };
    let report = runner().run().await.unwrap();
    let ids: Vec<&str> = report.changes().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, ["create_orders", "code", "first_orders"]);
    assert_eq!(report.counts().newly_applied, 3);
    let orders = strings(&pool, "SELECT what FROM orders ORDER BY id").await;
    assert_eq!(orders, ["by code", "it's; the first", "the second"]);
    let entries = strings(
        &pool,
        "SELECT change_id, author, description, location FROM flamingock_audit \
         WHERE state = 'APPLIED' ORDER BY seq",
    )
    .await;
    assert_eq!(
        entries[0],
        "create_orders|ada|Orders are kept here.|fixtures/folders/own/0001__create_orders.sql:1"
    );
    assert_eq!(
        entries[2],
        "first_orders|flamingock-tests||fixtures/folders/own/0003__first_orders.sql:1"
    );
    assert!(runner().run().await.unwrap().is_up_to_date());

    runner().undo(UndoTarget::Count(2)).await.unwrap_err();
    assert_eq!(done(&pool).await, ["0001 file", "0002 code", "0003 file"]);
}

#[tokio::test]
async fn rollback_file_undoes_its_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || {
        Runner::new(&pool).files(include_files!(
            "fixtures/folders/own",
            static,
            register = false
        ))
    };
    runner().run().await.unwrap();
    let target = UndoTarget::Change("create_orders".to_owned());
    runner().undo(target).await.unwrap();
    assert_eq!(done(&pool).await, ["0001 file", "0001 undone", "0003 file"]);
    let last = audit(&pool).await.pop().unwrap();
    assert!(last.starts_with("create_orders 1 ROLLED_BACK"), "{last}");
}

#[tokio::test]
async fn duplicate_of_file_and_code_is_named_with_both_places() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![code])
        .files(include_files!(
            "fixtures/folders/clash",
            static,
            register = false
        ))
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    let place = format!("{}", changes![code][0].location());
    for text in &texts {
        assert!(
            text.starts_with("fixtures/folders/clash/0002__code.sql:1: "),
            "{text}"
        );
        assert!(text.contains(&place), "{text}");
    }
    assert_eq!(done(&pool).await, Vec::<String>::new());
}
