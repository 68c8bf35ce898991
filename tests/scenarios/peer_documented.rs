//! Folders and histories of tools that cannot be run here, as their documentation shows them: the
//! folders create the expected schema, and their histories are adopted.

use flamingock::EmbeddedFolder;
use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Runner, UndoTarget, include_files};
use flamingock_tests::{
    Backend as _, TestDatabase, audit, done, execute, folder, strings, with_table,
};
use sqlx::Pool;

use super::peer_folders::{NAME, schema};
use super::{Backend, Db};

const USERS: &str = "CREATE TABLE users (id INTEGER NOT NULL, name VARCHAR(100))";
const ORDERS: &str = "CREATE TABLE orders (id INTEGER NOT NULL, owner INTEGER)";
const TOTAL: &str = "ALTER TABLE orders ADD COLUMN total INTEGER";

fn goose() -> &'static EmbeddedFolder {
    include_files!("fixtures/folders/peer_goose", static, register = false)
}

fn flyway() -> &'static EmbeddedFolder {
    include_files!("fixtures/folders/peer_flyway", static, register = false)
}

fn diesel() -> &'static EmbeddedFolder {
    include_files!("fixtures/folders/peer_diesel", static, register = false)
}

async fn by_hand(statements: &[&str]) -> (TestDatabase<Backend>, Pool<Db>) {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    for statement in statements {
        execute(&pool, statement).await;
    }
    (database, pool)
}

/// Every change of the audit: its id, the author of its applied entry, and its transaction mode.
async fn applied(pool: &Pool<Db>) -> Vec<String> {
    let rows = "SELECT change_id, origin, transaction_mode FROM flamingock_audit \
                WHERE state = 'APPLIED' ORDER BY seq";
    strings(pool, rows).await
}

#[tokio::test]
async fn goose_folder_creates_the_expected_schema() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    let runner = || Runner::new(&pool).files(goose());
    runner().run().await.unwrap();
    let expected = [
        "00001_create_users|run|shared",
        "00002_create_orders|run|shared",
        "00003_total_of_an_order|run|none",
    ];
    assert_eq!(
        modes(applied(&pool).await),
        modes(expected.map(str::to_owned).into())
    );
    let (_other, hand) = by_hand(&[USERS, ORDERS, TOTAL]).await;
    assert_eq!(schema(&pool).await, schema(&hand).await);
    let users = strings(&pool, "SELECT id, name FROM users").await;
    assert_eq!(users, ["1|ada; the first -- +goose Down"]);
    assert_eq!(
        strings(&pool, "SELECT id, owner, total FROM orders").await,
        ["1|1|7"]
    );

    runner().undo(UndoTarget::Count(2)).await.unwrap();
    assert_eq!(schema(&pool).await.len(), 2);
    runner().undo(UndoTarget::Last).await.unwrap();
    assert_eq!(schema(&pool).await, Vec::<String>::new());
}

/// On MariaDB a file that creates tables has committed midway, which its entry records.
fn modes(entries: Vec<String>) -> Vec<String> {
    let committed = |entry: String| match NAME {
        "MariaDB" => entry.replace("|run|shared", "|run|none"),
        _ => entry,
    };
    entries.into_iter().map(committed).collect()
}

#[tokio::test]
async fn goose_block_is_one_statement() {
    let body = match NAME {
        "PostgreSQL" => {
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  INSERT INTO done VALUES ('by the routine'); -- noted;\n  RETURN new;\nEND;\n$$;\n-- +goose StatementEnd\nCREATE TRIGGER noting AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION noted();"
        }
        "MariaDB" => {
            "CREATE TRIGGER noting AFTER INSERT ON users FOR EACH ROW BEGIN\n  INSERT INTO done VALUES ('by the routine'); -- noted;\n  SET @noted = 1;\nEND;\n-- +goose StatementEnd"
        }
        _ => {
            "CREATE TRIGGER noting AFTER INSERT ON users BEGIN\n  INSERT INTO done VALUES ('by the routine'); -- noted;\n  SELECT 1;\nEND;\n-- +goose StatementEnd"
        }
    };
    for head in ["", "-- +goose NO TRANSACTION\n"] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let text = format!(
            "{head}-- +goose Up\n{USERS};\n-- +goose StatementBegin\n{body}\nINSERT INTO users VALUES (1, 'ada');\n-- +goose Down\nDROP TABLE users;\n"
        );
        let files = folder(&[("20240131120000_routine.sql", &text)]);
        Runner::new(&pool).files(files).run().await.unwrap();
        assert_eq!(done(&pool).await, ["by the routine"]);
        let undone = Runner::new(&pool).files(files).undo(UndoTarget::Last);
        undone.await.unwrap();
        assert_eq!(schema(&pool).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn flyway_folder_creates_the_expected_schema() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    let runner = || Runner::new(&pool).files(flyway());
    let report = runner().run().await.unwrap();
    let order: Vec<&str> = report.changes().map(|change| change.id.as_str()).collect();
    let expected = [
        "V1__create_users",
        "V1.1__names_of_users",
        "V2__create_orders",
        "V10__total_of_an_order",
        "R__orders_of_users",
    ];
    assert_eq!(order, expected);
    let entries = applied(&pool).await;
    assert_eq!(entries[3], "V10__total_of_an_order|run|none");
    let (_other, hand) = by_hand(&[USERS, ORDERS, TOTAL]).await;
    assert_eq!(schema(&pool).await, schema(&hand).await);
    assert_eq!(
        strings(&pool, "SELECT id, name FROM users").await,
        ["1|ada"]
    );
    assert_eq!(
        strings(&pool, "SELECT owner, orders FROM orders_of_users").await,
        ["1|2"]
    );

    let undone = UndoTarget::Change("V1.1__names_of_users".to_owned());
    runner().undo(undone).await.unwrap();
    let users = schema(&pool)
        .await
        .into_iter()
        .filter(|column| column.starts_with("users|"));
    assert_eq!(users.count(), 1);
    let last = runner()
        .undo(UndoTarget::Change("V2__create_orders".to_owned()))
        .await;
    let text = format!("{:#}", last.unwrap_err());
    assert!(text.contains("has no rollback beside its file"), "{text}");
}

/// The effects of the tool's migrations exist, a history records them, and only the new file runs.
async fn goes_on(
    applied_by_tool: &[&str],
    tool: Tool,
    files: &'static EmbeddedFolder,
    expected: &[&str],
) -> (TestDatabase<Backend>, Pool<Db>) {
    let (database, pool) = by_hand(applied_by_tool).await;
    let runner = || {
        let adoption = Adoption::of(tool).allow_empty();
        Runner::new(&pool).files(files).adopt_first(adoption)
    };
    let report = runner().run().await.unwrap();
    let new = expected
        .iter()
        .filter(|entry| entry.contains("|run|"))
        .count();
    assert_eq!(report.counts().newly_applied, new);
    assert_eq!(applied(&pool).await, expected);
    assert!(runner().run().await.unwrap().is_up_to_date());
    let (_other, hand) = by_hand(&[USERS, ORDERS, TOTAL]).await;
    assert_eq!(schema(&pool).await, schema(&hand).await);
    (database, pool)
}

#[tokio::test]
async fn goose_history_is_adopted_and_the_next_file_runs() {
    let history = [
        USERS,
        ORDERS,
        "INSERT INTO orders VALUES (5, 5)",
        "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO goose_db_version (id, version_id, is_applied) VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 3, true), (5, 3, false)",
    ];
    let expected = [
        "00001_create_users|import|none",
        "00002_create_orders|import|none",
        "00003_total_of_an_order|run|none",
    ];
    let (_database, pool) = goes_on(&history, Tool::Goose, goose(), &expected).await;
    assert_eq!(
        strings(&pool, "SELECT id, owner, total FROM orders").await,
        ["5|5|7"]
    );
}

#[tokio::test]
async fn flyway_history_is_adopted_and_the_next_file_runs() {
    let history = [
        USERS,
        ORDERS,
        "CREATE VIEW orders_of_users AS SELECT 'of Flyway' AS origin",
        "CREATE TABLE flyway_schema_history (installed_rank INTEGER NOT NULL PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL)",
        "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) VALUES \
         (1, '1', 'create users', 'SQL', 'V1__create_users.sql', 1, 'ada', 3, true), \
         (2, '1.1', 'names of users', 'SQL', 'V1.1__names_of_users.sql', 1, 'ada', 3, true), \
         (3, '1.1', 'names of users', 'UNDO_SQL', 'U1.1__names_of_users.sql', 1, 'ada', 3, true), \
         (4, '1.1', 'names of users', 'SQL', 'V1.1__names_of_users.sql', 1, 'ada', 3, true), \
         (5, '2', 'create orders', 'SQL', 'orders/V2__create_orders.sql', 1, 'ada', 3, true), \
         (6, NULL, 'orders of users', 'SQL', 'R__orders_of_users.sql', 1, 'ada', 3, true)",
    ];
    let expected = [
        "V1__create_users|import|none",
        "V1.1__names_of_users|import|none",
        "V2__create_orders|import|none",
        "R__orders_of_users|import|none",
        "V10__total_of_an_order|run|none",
        // DDL commits on MariaDB.
        match <Backend as flamingock_tests::Backend>::NAME {
            "MariaDB" => "R__orders_of_users|run|none",
            _ => "R__orders_of_users|run|shared",
        },
    ];
    let (_database, pool) = goes_on(&history, Tool::Flyway, flyway(), &expected).await;
    // Flyway's history does not tell which version of the view was applied, so the folder's version
    // counts.
    let orders = strings(&pool, "SELECT orders FROM orders_of_users").await;
    assert_eq!(orders, Vec::<String>::new());
}

#[tokio::test]
async fn diesel_history_is_adopted_and_the_next_file_runs() {
    let history = [
        USERS,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240131120000')",
    ];
    let expected = [
        "2024-01-31-120000_create_users|import|none",
        "2024-01-31-120001_create_orders|run|none",
    ];
    goes_on(&history, Tool::Diesel, diesel(), &expected).await;
}

#[tokio::test]
async fn history_with_more_than_the_folder_refuses_the_run() {
    let history = [
        USERS,
        "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO goose_db_version (id, version_id, is_applied) VALUES (1, 0, true), (2, 1, true), (3, 4, true)",
    ];
    let (_database, pool) = by_hand(&history).await;
    let runner = Runner::new(&pool)
        .files(goose())
        .adopt_first(Adoption::of(Tool::Goose));
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(format!("{error:#}").contains("\"4\""), "{error}");
    assert_eq!(audit(&pool).await, Vec::<String>::new());
    assert_eq!(schema(&pool).await.len(), 2);
}
