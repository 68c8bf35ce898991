//! Folders of golang-migrate.

use flamingock::UndoTarget;
use flamingock::adopt::{Adoption, Tool};
use flamingock_tests::{done, folder_of, query, strings};

use super::{NAME, fresh, golang, modes, runner};

const GOLANG: &[(&str, &str)] = &[
    ("1_users.up.sql", "INSERT INTO done VALUES ('1');\n"),
    ("1_users.down.sql", "DELETE FROM done WHERE what = '1';\n"),
    (
        "0002_orders.up.sql",
        "BEGIN;\nINSERT INTO done VALUES ('2');\nCOMMIT;\n",
    ),
    (
        "2_drop_orders.down.sql",
        "DELETE FROM done WHERE what = '2';\n",
    ),
    ("10_third.up.sql", "INSERT INTO done VALUES ('3');\n"),
];

#[tokio::test]
async fn golang_migrate_folder_is_read_unchanged() {
    let (_database, pool) = fresh().await;
    let files = folder_of("golang-migrate", GOLANG);
    runner(&pool, files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2", "3"]);
    // A file with its own BEGIN and COMMIT runs outside a transaction.
    assert_eq!(
        modes(&pool).await,
        ["1_users|shared", "0002_orders|none", "10_third|shared"]
    );
    let undo = |id: &str| UndoTarget::Change(id.to_owned());
    runner(&pool, files)
        .undo(undo("0002_orders"))
        .await
        .unwrap();
    runner(&pool, files).undo(undo("1_users")).await.unwrap();
    assert_eq!(done(&pool).await, ["3"]);
}

#[tokio::test]
async fn golang_migrate_history_is_adopted_up_to_its_version() {
    let (_database, pool) = fresh().await;
    let files = folder_of("golang-migrate", GOLANG);
    let adoption = Adoption::of(Tool::GolangMigrate);
    golang(&pool, 2, true).await;
    let error = runner(&pool, files).adopt(&adoption).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("version 2, which is dirty"),
        "{error}"
    );
    golang(&pool, 3, false).await;
    let error = runner(&pool, files).adopt(&adoption).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("is at version 3, and no file here has it"),
        "{error}"
    );
    golang(&pool, 2, false).await;
    let adopted = runner(&pool, files).adopt(&adoption).await.unwrap();
    let ids: Vec<&str> = adopted
        .adopted
        .iter()
        .map(|one| one.change_id.as_str())
        .collect();
    assert_eq!(ids, ["1_users", "0002_orders"]);
    assert_eq!(adopted.not_in_history, ["10_third"]);
    runner(&pool, files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["3"]);
}

#[tokio::test]
async fn running_golang_migrate_is_detected() {
    let (_database, pool) = fresh().await;
    golang(&pool, 2, false).await;
    // The tool's own lock key: a checksum of the names, multiplied by its salt.
    let lock = match NAME {
        "PostgreSQL" => {
            let database = strings(&pool, "SELECT current_database()").await.remove(0);
            let key = key(&format!("public\0schema_migrations\0{database}"));
            Some(format!("SELECT pg_advisory_lock({key})"))
        }
        "MariaDB" => {
            let database = strings(&pool, "SELECT DATABASE()").await.remove(0);
            let key = key(&format!("{database}:schema_migrations"));
            Some(format!("SELECT GET_LOCK('{key}', 0)"))
        }
        // It has none on this database.
        _ => None,
    };
    let files = folder_of("golang-migrate", GOLANG);
    let adopt = async || {
        let adoption = Adoption::of(Tool::GolangMigrate);
        runner(&pool, files).adopt(&adoption).await
    };
    if let Some(lock) = lock {
        let mut held = pool.acquire().await.unwrap();
        query(&mut *held, &lock).await.unwrap();
        let error = format!("{:#}", adopt().await.unwrap_err());
        assert!(error.contains("golang-migrate is running"), "{error}");
        held.close().await.unwrap();
    }
    assert_eq!(adopt().await.unwrap().adopted.len(), 2);
}

/// CRC-32 bit by bit, and the salt.
fn key(name: &str) -> u32 {
    let sum = name.bytes().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 * (sum & 1))
        })
    });
    (!sum).wrapping_mul(1_486_364_155)
}

/// A file with its own id is still the file in the history.
#[tokio::test]
async fn file_with_its_own_id_is_found_by_its_name() {
    let (_database, pool) = fresh().await;
    golang(&pool, 1, false).await;
    let text = "-- flamingock: id=users\nINSERT INTO done VALUES ('1');\n";
    let files = folder_of("golang-migrate", &[("1_users.up.sql", text)]);
    let adopted = runner(&pool, files)
        .adopt(&Adoption::of(Tool::GolangMigrate))
        .await;
    assert_eq!(adopted.unwrap().adopted[0].change_id, "users");
}
