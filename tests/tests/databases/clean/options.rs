//! The options of a session follow the format of the folder.

use flamingock::{Runner, change, changes};
use flamingock_tests::{
    Backend, MariaDb, Postgres, Sqlite, TestDatabase, done, execute, folder, query, with_table,
};
use sqlx::MySqlConnection;

/// The same text as a file of each format.
const FORMATS: [&str; 7] = [
    "flamingock",
    "sqlx",
    "refinery",
    "diesel",
    "goose",
    "dbmate",
    "flyway",
];

fn files(format: &str, text: &str, transaction: bool) -> Vec<(&'static str, String)> {
    let own = |name| (name, text.to_owned());
    let headed = |name, head: &str| (name, format!("{head}{text}"));
    let header = "-- flamingock: transaction=false\n";
    match (format, transaction) {
        ("flamingock", true) => vec![own("0001__a.sql")],
        ("flamingock", false) => vec![headed("0001__a.sql", header)],
        ("sqlx", true) => vec![own("0001_a.sql")],
        ("sqlx", false) => vec![headed("0001_a.sql", "-- no-transaction\n")],
        ("refinery", true) => vec![own("V1__a.sql")],
        ("refinery", false) => vec![headed("V1__a.sql", header)],
        ("diesel", true) => vec![own("2024-01-01-000000_a/up.sql")],
        ("diesel", false) => vec![
            own("2024-01-01-000000_a/up.sql"),
            (
                "2024-01-01-000000_a/metadata.toml",
                "run_in_transaction = false\n".to_owned(),
            ),
        ],
        ("goose", true) => vec![headed("00001_a.sql", "-- +goose Up\n")],
        ("goose", false) => vec![headed(
            "00001_a.sql",
            "-- +goose NO TRANSACTION\n-- +goose Up\n",
        )],
        ("dbmate", _) => {
            let mark = if transaction {
                ""
            } else {
                " transaction:false"
            };
            let text = format!("-- migrate:up{mark}\n{text}\n-- migrate:down\n");
            vec![("20240101000000_a.sql", text)]
        }
        ("flyway", true) => vec![own("V1.1__a.sql")],
        ("flyway", false) => vec![
            own("V1.1__a.sql"),
            (
                "V1.1__a.sql.conf",
                "executeInTransaction=false\n".to_owned(),
            ),
        ],
        _ => panic!("{format}"),
    }
}

async fn found<B: Backend>(
    database: &TestDatabase<B>,
    most: u32,
    format: &str,
    text: &str,
    transaction: bool,
) -> Vec<String>
where
    for<'a> &'a sqlx::Pool<B::Db>: flamingock::IntoStorage,
{
    let watch = with_table(database, 1).await;
    let pool = database.pool(most).await;
    let files = files(format, text, transaction);
    let files: Vec<(&'static str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let report = Runner::new(&pool).files(folder(&files)).run().await;
    report.unwrap_or_else(|error| panic!("{format} {transaction}: {error:?}"));
    pool.close().await;
    done(&watch).await
}

#[tokio::test]
async fn mariadb_sessions_have_the_options_of_the_folders_tool() {
    let text = "INSERT INTO done VALUES (1 || 0);\nINSERT INTO done VALUES (CONCAT('zone ', @@session.time_zone));\n";
    for format in FORMATS {
        let expected = match format {
            "sqlx" | "diesel" => ["10", "zone +00:00"],
            _ => ["1", "zone SYSTEM"],
        };
        for (most, transaction) in [(1, true), (3, true), (3, false)] {
            let database = MariaDb::fresh().await;
            let found = found(&database, most, format, text, transaction).await;
            assert_eq!(found, expected, "{format} {most} {transaction}");
        }
    }
}

#[tokio::test]
async fn sql_mode_of_the_server_applies_to_flamingock_files_and_their_routines() {
    let database = MariaDb::fresh().await;
    let text = "CREATE TABLE count (x INT);\nCREATE PROCEDURE p() SELECT 1;\nINSERT INTO done SELECT sql_mode = @@GLOBAL.sql_mode FROM information_schema.ROUTINES WHERE ROUTINE_NAME = 'p' AND ROUTINE_SCHEMA = DATABASE();\n";
    assert_eq!(found(&database, 2, "flamingock", text, true).await, ["1"]);
}

#[change(id = "code", order = "0001", register = false)]
async fn code(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES (1 || 0)")
        .await
        .map(drop)
}

#[tokio::test]
async fn code_has_the_options_of_its_pool() {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = Runner::new(&pool).changes(changes![code]);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["10"]);
}

/// Settings by the pool's own hooks apply to every format.
#[tokio::test]
async fn hooks_of_the_pool_run_last() {
    let database = MariaDb::fresh().await;
    let pool = database.pool_with_hook(2, "SET time_zone = '+03:00'").await;
    execute(&pool, "CREATE TABLE done (what VARCHAR(200))").await;
    let text = "INSERT INTO done VALUES (@@session.time_zone)";
    let files = folder(&[("0001__a.sql", text)]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["+03:00"]);
}

#[tokio::test]
async fn postgres_sessions_have_the_options_of_the_folders_tool() {
    let text = "INSERT INTO done VALUES (current_setting('DateStyle'));\nINSERT INTO done VALUES ('zone ' || current_setting('TimeZone'));\n";
    for format in FORMATS {
        let expected = match format {
            "sqlx" => ["ISO, MDY", "zone UTC"],
            "diesel" => ["German, DMY", "zone UTC"],
            "dbmate" => ["ISO, MDY", "zone Europe/Berlin"],
            "flyway" => ["ISO, DMY", "zone Europe/Berlin"],
            _ => ["German, DMY", "zone Europe/Berlin"],
        };
        for transaction in [true, false] {
            let database = Postgres::fresh().await;
            let admin = database.pool(1).await;
            let texts = [
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO ''Europe/Berlin''', current_database()); END $$",
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET datestyle TO ''German, DMY''', current_database()); END $$",
            ];
            for text in texts {
                execute(&admin, text).await;
            }
            admin.close().await;
            let found = found(&database, 2, format, text, transaction).await;
            assert_eq!(found, expected, "{format} {transaction}");
        }
    }
}

#[tokio::test]
async fn sqlite_foreign_keys_are_enforced_where_the_folders_tool_does() {
    let text = "INSERT INTO done SELECT foreign_keys FROM pragma_foreign_keys";
    for format in FORMATS {
        let expected = match format {
            "goose" | "flyway" | "dbmate" | "diesel" => "0",
            _ => "1",
        };
        for (most, transaction) in [(1, true), (3, true), (3, false)] {
            let database = Sqlite::fresh().await;
            let found = found(&database, most, format, text, transaction).await;
            assert_eq!(found, [expected], "{format} {most} {transaction}");
        }
    }
}

/// A user without access to the server's files cannot know which settings a session would have
/// without sqlx.
#[tokio::test]
async fn plan_notes_options_that_remain_those_of_sqlx() {
    let database = Postgres::fresh().await;
    let admin = with_table(&database, 1).await;
    let role = format!("notes_{:x}", rand::random::<u64>());
    execute(
        &admin,
        &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'"),
    )
    .await;
    execute(&admin, &format!("GRANT ALL ON SCHEMA public TO {role}")).await;
    let (_, place) = database.url.rsplit_once('@').unwrap();
    let url = format!("postgres://{role}:secret@{place}");
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let notes = async |name, pool: &sqlx::PgPool| {
        let files = folder(&[(name, "SELECT 1")]);
        let report = Runner::new(pool).files(files).plan().await.unwrap();
        let change = report.changes().next().unwrap();
        let notes = change.notes.iter().map(ToString::to_string);
        notes.collect::<Vec<_>>().join("\n")
    };
    let said = notes("0001__a.sql", &pool).await;
    assert!(said.contains("DateStyle and TimeZone"), "{said}");
    assert_eq!(notes("0001_a.sql", &pool).await, "");
    assert_eq!(notes("0001__a.sql", &admin).await, "");
    pool.close().await;
    execute(&admin, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
