//! A history in an unexpected place is never mistaken for an empty one.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Runner, change, changes};
use flamingock_tests::{Backend as _, TestDatabase, done, execute, query, strings, with_table};
use sqlx::Pool;

use super::super::rows;
use super::{Backend, Connection, Db};

#[change(id = "V1__create_users", order = "001", register = false)]
async fn users(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('users')")
        .await
        .map(drop)
}

#[change(id = "V2__create_orders", order = "002", register = false)]
async fn orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

fn name() -> &'static str {
    <Backend as flamingock_tests::Backend>::NAME
}

fn quoted(name: &str) -> String {
    match self::name() {
        "MariaDB" => format!("`{name}`"),
        _ => format!("\"{name}\""),
    }
}

fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![users, orders])
}

/// Flyway's table under another name, as SQL spells it.
async fn flyway(pool: &Pool<Db>, table: &str) {
    for statement in rows::FLYWAY {
        execute(pool, &statement.replace("flyway_schema_history", table)).await;
    }
}

async fn is_adopted(pool: &Pool<Db>, adoption: &Adoption) {
    let adopted = runner(pool).adopt(adoption).await.unwrap();
    assert_eq!(adopted.adopted.len(), 2, "{adopted}");
}

/// Every entry point refuses it, and nothing runs.
async fn refused(pool: &Pool<Db>, adoption: Adoption, expected: &[&str]) {
    let asked = runner(pool).plan_adoption(&adoption).await.unwrap_err();
    let adopted = runner(pool).adopt(&adoption).await.unwrap_err();
    let ran = runner(pool).adopt_first(adoption).run().await.unwrap_err();
    for error in [asked, adopted, ran] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        for expected in expected {
            let error = format!("{error:#}");
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
    assert!(done(pool).await.is_empty());
}

#[tokio::test]
async fn quoted_names_keep_their_capitals() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    flyway(&pool, &quoted("FlywayHistory")).await;
    is_adopted(&pool, &Adoption::of(Tool::Flyway).table("FlywayHistory")).await;
    let odd = Adoption::of(Tool::Flyway).table("\"Flyway 'History; x\"");
    flyway(&pool, &quoted("Flyway 'History; x")).await;
    let again = runner(&pool).adopt(&odd).await.unwrap();
    assert_eq!(again.known.len(), 2);
}

/// A schema, a database or an attached file, depending on the database.
async fn place(database: &TestDatabase<Backend>, pool: &Pool<Db>) -> String {
    match name() {
        "SQLite" => {
            let file = database.folder().unwrap().join("other.db");
            let attach = format!("ATTACH DATABASE '{}' AS \"my-App\"", file.display());
            execute(pool, &attach).await;
            "my-App".to_owned()
        }
        "MariaDB" => {
            let own = strings(pool, "SELECT DATABASE()").await.remove(0);
            let place = format!("{own}-App");
            execute(pool, &format!("CREATE DATABASE `{place}`")).await;
            place
        }
        _ => {
            execute(pool, "CREATE SCHEMA \"my-App\"").await;
            "my-App".to_owned()
        }
    }
}

async fn remove(pool: &Pool<Db>, place: &str) {
    if name() == "MariaDB" {
        execute(pool, &format!("DROP DATABASE `{place}`")).await;
    }
}

#[tokio::test]
async fn schema_with_a_dash_and_capitals_is_read() {
    let database = Backend::fresh().await;
    // A file is attached to one connection only.
    let pool = with_table(&database, 1).await;
    let place = place(&database, &pool).await;
    let table = format!("{}.{}", quoted(&place), quoted("flyway_schema_history"));
    flyway(&pool, &table).await;
    let adoption = Adoption::of(Tool::Flyway).table(format!("{place}.flyway_schema_history"));
    is_adopted(&pool, &adoption).await;
    remove(&pool, &place).await;
}

#[tokio::test]
async fn history_in_another_schema_is_named_even_if_an_empty_one_is_allowed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let place = place(&database, &pool).await;
    let table = format!("{}.{}", quoted(&place), quoted("flyway_schema_history"));
    flyway(&pool, &table).await;
    match name() {
        "PostgreSQL" => {
            let written = "\"my-App\".flyway_schema_history";
            let adoption = Adoption::of(Tool::Flyway).allow_empty();
            refused(&pool, adoption.clone(), &["no table", written, "run again"]).await;
            // The table with the usual name exists as well, and is empty.
            flyway(&pool, "flyway_schema_history").await;
            execute(&pool, "DELETE FROM flyway_schema_history").await;
            refused(&pool, adoption, &["is empty", written, "run again"]).await;
        }
        // SQLite finds an attached table by its name alone.
        "SQLite" => is_adopted(&pool, &Adoption::of(Tool::Flyway).allow_empty()).await,
        // Another database of the server belongs to another application: the error only names it.
        _ => {
            let written = format!("\"{place}\".flyway_schema_history");
            let adoption = Adoption::of(Tool::Flyway);
            let error = runner(&pool).adopt(&adoption).await.unwrap_err();
            let error = format!("{error:#}");
            let is_named = error.contains(&written) || error.contains(" more");
            assert!(
                error.contains("other databases of the server") && is_named,
                "{error}"
            );
            let adoption = Adoption::of(Tool::Flyway).allow_empty();
            let adopted = runner(&pool).adopt(&adoption).await.unwrap();
            assert_eq!(adopted.not_in_history.len(), 2);
        }
    }
    remove(&pool, &place).await;
}

#[tokio::test]
async fn history_in_other_letter_case_is_named_even_if_an_empty_one_is_allowed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    flyway(&pool, &quoted("Flyway_Schema_History")).await;
    let adoption = Adoption::of(Tool::Flyway).allow_empty();
    match name() {
        "SQLite" => is_adopted(&pool, &adoption).await,
        _ => refused(&pool, adoption, &["\"Flyway_Schema_History\"", "run again"]).await,
    }
}

#[tokio::test]
async fn table_of_an_older_tool_version_is_named() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    flyway(&pool, "schema_version").await;
    let adoption = Adoption::of(Tool::Flyway).allow_empty();
    refused(&pool, adoption.clone(), &["schema_version", "run again"]).await;
    is_adopted(&pool, &adoption.table("schema_version")).await;
}

#[tokio::test]
async fn configured_table_must_exist() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let adoption = || Adoption::of(Tool::Flyway).table("flyway_hystory");
    refused(&pool, adoption(), &["no table \"flyway_hystory\""]).await;
    let expected = ["although it was named", ".allow_missing()"];
    refused(&pool, adoption().allow_empty(), &expected).await;
    let adopted = runner(&pool)
        .adopt(&adoption().allow_missing())
        .await
        .unwrap();
    assert_eq!(adopted.not_in_history.len(), 2);
}

#[tokio::test]
async fn configured_schema_must_exist() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let adoption = || Adoption::of(Tool::Flyway).table("nowhere.flyway_schema_history");
    for adoption in [
        adoption(),
        adoption().allow_empty(),
        adoption().allow_missing(),
    ] {
        refused(&pool, adoption, &["no schema \"nowhere\""]).await;
    }
}

/// PostgreSQL folds names to lower case for tools that do not quote them.
#[tokio::test]
async fn unquoted_names_are_folded_as_the_database_folds_them() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for statement in rows::LIQUIBASE {
        execute(&pool, &statement.replace("DATABASECHANGELOG", "AppLog")).await;
    }
    let adoption = Adoption::of(Tool::Liquibase)
        .table("AppLog")
        .mapping("create-users = V1__create_users\ncreate-orders = V2__create_orders")
        .unwrap();
    is_adopted(&pool, &adoption).await;
}

#[tokio::test]
async fn table_of_another_tool_is_refused_with_its_name() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "CREATE TABLE flyway_schema_history (version INT)").await;
    let expected = "could not be read as flyway's history";
    refused(&pool, Adoption::of(Tool::Flyway), &[expected]).await;
}
