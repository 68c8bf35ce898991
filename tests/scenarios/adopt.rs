//! A change that another tool has applied is recorded as applied and does not run again.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{Definition, Runner, change, changes};
use flamingock_tests::{Backend as _, done, execute, query, strings, with_table};
use sqlx::Pool;

use super::super::rows;
use super::{Backend, Connection, Db, peers};

/// Two applied changes and a pending one.
macro_rules! changes_called {
    ($users:literal, $orders:literal) => {{
        #[change(id = $users, order = "001", register = false)]
        async fn users(db: &mut Connection) -> Result<(), sqlx::Error> {
            query(db, "INSERT INTO done VALUES ('users')")
                .await
                .map(drop)
        }

        #[change(id = $orders, order = "002", register = false)]
        async fn orders(db: &mut Connection) -> Result<(), sqlx::Error> {
            query(db, "INSERT INTO done VALUES ('orders')")
                .await
                .map(drop)
        }

        changes![users, orders, third]
    }};
}

#[change(id = "third", order = "003", register = false)]
async fn third(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

async fn is_adopted(pool: &Pool<Db>, tool: Tool, changes: [&'static Definition; 3]) {
    let runner = || Runner::new(pool).changes(changes);
    let columns = match tool {
        // The checksums are bytes, not text.
        Tool::Sqlx => "version, description, success, installed_on",
        _ => "*",
    };
    let theirs = format!("SELECT {columns} FROM {} ORDER BY 1", tool.table().unwrap());
    let before = strings(pool, &theirs).await;

    let adopted = runner().adopt(&Adoption::of(tool)).await.unwrap();
    let ids: Vec<&str> = changes.iter().map(|change| change.id).collect();
    let taken: Vec<&str> = adopted
        .adopted
        .iter()
        .map(|one| one.change_id.as_str())
        .collect();
    assert_eq!(taken, ids[..2]);
    assert!(adopted.known.is_empty() && adopted.unmapped.is_empty());
    assert_eq!(adopted.not_in_history, ["third"]);

    let entries = "SELECT change_id, state, origin, attempt FROM flamingock_audit ORDER BY seq";
    let import = |id: &str| format!("{id}|APPLIED|import|1");
    assert_eq!(
        strings(pool, entries).await,
        [import(ids[0]), import(ids[1])]
    );
    let reasons = strings(pool, "SELECT reason FROM flamingock_audit ORDER BY seq").await;
    let start = format!("adopted from {tool}: ");
    assert!(
        reasons.iter().all(|reason| reason.starts_with(&start)),
        "{reasons:?}"
    );

    let again = runner().adopt(&Adoption::of(tool)).await.unwrap();
    assert_eq!((again.adopted.len(), again.known.len()), (0, 2));

    let report = runner().run().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.already_applied, counts.newly_applied), (2, 1));
    assert!(report.changes().all(|change| change.notes.is_empty()));
    assert_eq!(done(pool).await, ["third"]);
    assert_eq!(strings(pool, &theirs).await, before);
}

async fn documented(rows: &[&str]) -> (flamingock_tests::TestDatabase<Backend>, Pool<Db>) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for statement in rows {
        let mut statement = (*statement).to_owned();
        if <Backend as flamingock_tests::Backend>::NAME == "MariaDB" {
            statement = statement.replace('"', "`");
        }
        execute(&pool, &statement).await;
    }
    (database, pool)
}

#[tokio::test]
async fn sqlx() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sqlx(&pool).await;
    let changes = changes_called!("0001_create_users", "0002_create_orders");
    is_adopted(&pool, Tool::Sqlx, changes).await;
}

#[tokio::test]
async fn refinery() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    peers::refinery(&database.url).await;
    let changes = changes_called!("V1__create_users", "V2__create_orders");
    is_adopted(&pool, Tool::Refinery, changes).await;
}

#[tokio::test]
async fn sea_orm() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sea_orm(&database.url).await;
    let changes = changes_called!(
        "m20240131_000001_create_users",
        "m20240131_000002_create_orders"
    );
    is_adopted(&pool, Tool::SeaOrm, changes).await;
}

#[tokio::test]
async fn diesel() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    peers::diesel(&database.url).await;
    let changes = changes_called!(
        "2024-01-31-120000_create_users",
        "2024-01-31-120001_create_orders"
    );
    is_adopted(&pool, Tool::Diesel, changes).await;
}

#[tokio::test]
async fn goose() {
    let (_database, pool) = documented(rows::GOOSE).await;
    let changes = changes_called!("00001_create_users", "00002_create_orders");
    is_adopted(&pool, Tool::Goose, changes).await;
}

#[tokio::test]
async fn flyway() {
    let (_database, pool) = documented(rows::FLYWAY).await;
    let changes = changes_called!("V1__create_users", "V2__create_orders");
    is_adopted(&pool, Tool::Flyway, changes).await;
}

#[tokio::test]
async fn liquibase() {
    let (_database, pool) = documented(rows::LIQUIBASE).await;
    let changes = changes_called!("create-users", "changes.xml::create-orders::ada");
    is_adopted(&pool, Tool::Liquibase, changes).await;
}

#[tokio::test]
async fn flamingock_java() {
    let (_database, pool) = documented(rows::FLAMINGOCK_JAVA).await;
    let changes = changes_called!("create-users", "create-orders");
    is_adopted(&pool, Tool::FlamingockJava, changes).await;
}

/// The id column had another name before Flamingock for Java 1.0.
#[tokio::test]
async fn flamingock_java_with_the_column_task_id() {
    let old: Vec<String> = rows::FLAMINGOCK_JAVA
        .iter()
        .map(|text| text.replace("change_id", "task_id"))
        .collect();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let (_database, pool) = documented(&old).await;
    let changes = changes_called!("create-users", "create-orders");
    is_adopted(&pool, Tool::FlamingockJava, changes).await;
}

#[tokio::test]
async fn differing_names_are_mapped_by_lines_or_by_a_function() {
    for by_lines in [true, false] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        super::super::peers::sqlx(&pool).await;
        let adoption = Adoption::of(Tool::Sqlx);
        let adoption = if by_lines {
            let lines = "# sqlx\n1 = create-users\n2 create orders = -\n";
            adoption.mapping(lines).unwrap()
        } else {
            adoption.map(|past| (past.id == "1").then(|| "create-users".to_owned()))
        };
        let changes = changes_called!("create-users", "create-orders");
        let runner = Runner::new(&pool).changes(changes);
        let adopted = runner.adopt(&adoption).await.unwrap();
        assert_eq!(adopted.adopted.len(), 1);
        assert_eq!(adopted.adopted[0].change_id, "create-users");
        let other = if by_lines {
            &adopted.left_out
        } else {
            &adopted.unmapped
        };
        assert_eq!(other[0].name, "2 create orders");
        assert_eq!(adopted.not_in_history, ["create-orders", "third"]);
    }
}

#[tokio::test]
async fn history_is_read_from_another_database() {
    let (audit, billing) = (Backend::fresh().await, Backend::fresh().await);
    let (pool, theirs) = (audit.pool(2).await, with_table(&billing, 2).await);
    super::super::peers::sqlx(&theirs).await;
    execute(
        &theirs,
        "CREATE TABLE moved AS SELECT * FROM _sqlx_migrations",
    )
    .await;
    let runner = Runner::new(&pool)
        .changes(changes_called!("0001_create_users", "0002_create_orders"))
        .target(flamingock::TargetSystem::sqlx("billing", &theirs));
    let adoption = Adoption::of(Tool::Sqlx).target("billing").table("moved");
    assert_eq!(runner.adopt(&adoption).await.unwrap().adopted.len(), 2);
    let error = runner.adopt(&adoption.target("biling")).await.unwrap_err();
    assert!(format!("{error:#}").contains("\"biling\""), "{error}");
}
