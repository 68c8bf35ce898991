//! A folder of diesel, compared with the tool itself.

use flamingock::adopt::Tool;
use flamingock::{UndoTarget, include_files};
use flamingock_tests::Backend as _;

use super::peer_folders::{are_continued, are_read_and_adopted};
use super::{Backend, peers};

#[tokio::test]
async fn diesel_folder_is_read_unchanged() {
    let files = include_files!("fixtures/folders/peer_diesel", static, register = false);
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    peers::diesel(&database.url, 2);
    let ids = [
        "2024-01-31-120000_create_users",
        "2024-01-31-120001_create_orders",
    ];
    are_read_and_adopted(&pool, Tool::Diesel, files, ids, UndoTarget::Count(2)).await;

    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    peers::diesel(&database.url, 1);
    are_continued(&pool, Tool::Diesel, files).await;
}
