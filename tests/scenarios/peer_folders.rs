//! Folders of other tools create here what the tool itself creates, and migrations that the tool
//! has applied are adopted and do not run again.

use flamingock::EmbeddedFolder;
use flamingock::adopt::{Adoption, Tool};
use flamingock::{Runner, UndoTarget, include_files};
use flamingock_tests::{Backend as _, strings};
use sqlx::Pool;

use super::{Backend, Db, peers};

/// The tool's name for this database.
pub(super) const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// All columns of the two tables, in order.
pub(super) async fn schema(pool: &Pool<Db>) -> Vec<String> {
    let columns = match NAME {
        "SQLite" => {
            "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_master m \
             JOIN pragma_table_info(m.name) c WHERE m.name IN ('users', 'orders') ORDER BY m.name, c.cid"
        }
        "PostgreSQL" => {
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name IN ('users', 'orders') \
             ORDER BY table_name, ordinal_position"
        }
        _ => {
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name IN ('users', 'orders') \
             ORDER BY table_name, ordinal_position"
        }
    };
    strings(pool, columns).await
}

/// The pool of the database on which the tool has run.
pub(super) async fn are_read_and_adopted(
    theirs: &Pool<Db>,
    tool: Tool,
    files: &'static EmbeddedFolder,
    ids: [&str; 2],
    undone: UndoTarget,
) {
    let database = Backend::fresh().await;
    let ours = database.pool(1).await;
    let report = Runner::new(&ours).files(files).run().await.unwrap();
    let applied: Vec<&str> = report.changes().map(|change| change.id.as_str()).collect();
    assert_eq!(applied, ids);
    assert_eq!(report.counts().newly_applied, 2);
    let made = schema(&ours).await;
    assert_eq!(made.len(), 5);
    assert_eq!(made, schema(theirs).await);

    let runner = || Runner::new(theirs).files(files);
    let adopted = runner().adopt(&Adoption::of(tool)).await.unwrap();
    assert_eq!(adopted.adopted.len(), 2);
    assert!(adopted.unmapped.is_empty() && adopted.not_in_history.is_empty());
    assert!(runner().run().await.unwrap().is_up_to_date());
    assert_eq!(schema(theirs).await, made);

    if tool != Tool::Refinery {
        // Their down files also work here.
        let report = Runner::new(&ours).files(files).undo(undone).await;
        report.unwrap();
        assert_eq!(schema(&ours).await, Vec::<String>::new());
    }
}

/// The pool of the database on which the tool has run its first file only.
pub(super) async fn are_continued(theirs: &Pool<Db>, tool: Tool, files: &'static EmbeddedFolder) {
    let database = Backend::fresh().await;
    let ours = database.pool(1).await;
    Runner::new(&ours).files(files).run().await.unwrap();
    assert_eq!(schema(theirs).await.len(), 2);
    let runner = || {
        let adoption = Adoption::of(tool).allow_empty();
        Runner::new(theirs).files(files).adopt_first(adoption)
    };
    let counts = runner().run().await.unwrap().counts();
    assert_eq!((counts.already_applied, counts.newly_applied), (1, 1));
    assert_eq!(schema(theirs).await, schema(&ours).await);
    assert!(runner().run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn sqlx_folder_is_read_unchanged() {
    let files = include_files!(
        "fixtures/folders/peer_sqlx",
        static,
        register = false,
        format = "sqlx"
    );
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    super::super::peers::sqlx(&pool, None).await;
    let ids = ["0001_create_users", "0002_create_orders"];
    are_read_and_adopted(&pool, Tool::Sqlx, files, ids, UndoTarget::Count(2)).await;

    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    super::super::peers::sqlx(&pool, Some(1)).await;
    are_continued(&pool, Tool::Sqlx, files).await;
}

#[tokio::test]
async fn refinery_folder_is_read_unchanged() {
    let files = include_files!("fixtures/folders/peer_refinery", static, register = false);
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    peers::refinery(&database.url, None).await;
    let ids = ["V1__create_users", "V2__create_orders"];
    are_read_and_adopted(&pool, Tool::Refinery, files, ids, UndoTarget::Count(2)).await;

    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    peers::refinery(&database.url, Some(1)).await;
    are_continued(&pool, Tool::Refinery, files).await;
}
