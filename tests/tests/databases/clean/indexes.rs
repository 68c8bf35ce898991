//! Invalid indexes on PostgreSQL: which change left them.

use flamingock::{Runner, change, changes};
use flamingock_tests::{
    Backend, Postgres, TestDatabase, audit, done, execute, folder, query, strings, try_execute,
    until, with_table,
};
use sqlx::{PgConnection, PgPool};

async fn fresh() -> (TestDatabase<Postgres>, PgPool) {
    let database = Postgres::fresh().await;
    let pool = with_table(&database, 3).await;
    (database, pool)
}

const INVALID: &str = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid ORDER BY 1";

async fn leave_invalid(pool: &PgPool, name: &str) {
    execute(pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let text = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON done (what)");
    assert!(try_execute(pool, &text).await.is_err());
    assert_eq!(strings(pool, INVALID).await, [name]);
}

const IF_NOT_EXISTS: &str =
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"once\" ON done (what)";

#[tokio::test]
async fn existing_invalid_index_does_not_count_as_applied() {
    let plain = "-- flamingock: transaction=false\n";
    let within = "CREATE UNIQUE INDEX IF NOT EXISTS once ON done (what)";
    let cases = [
        format!("{plain}{IF_NOT_EXISTS};\n"),
        format!(
            "{plain}SELECT 1;\ncreate index concurrently if not exists once ON public.done (what);\n"
        ),
        format!("{plain}/* a */ {within};\n"),
        format!("{within};\n"),
    ];
    for text in cases {
        let (_database, pool) = fresh().await;
        leave_invalid(&pool, "once").await;
        let files = || folder(&[("0001__script.sql", &text)]);
        let error = Runner::new(&pool).files(files()).run().await.unwrap_err();
        let said = format!("{error:?}");
        assert!(said.contains("once"), "{text}: {said}");
        assert!(said.contains("invalid"), "{text}: {said}");
        let entries = audit(&pool).await;
        assert!(
            !entries.iter().any(|entry| entry.contains("APPLIED")),
            "{text}: {entries:?}"
        );
        assert_eq!(strings(&pool, INVALID).await, ["once"], "{text}");
    }
}

#[tokio::test]
async fn retried_index_is_created_once_its_remains_are_dropped() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let text = format!("-- flamingock: transaction=false, recovery=retry\n{IF_NOT_EXISTS};\n");
    let run = || {
        Runner::new(&pool)
            .files(folder(&[("0001__script.sql", &text)]))
            .run()
    };
    for _ in 0..2 {
        let said = format!("{:?}", run().await.unwrap_err());
        assert!(said.contains("once"), "{said}");
    }
    execute(&pool, "DELETE FROM done; DROP INDEX once").await;
    run().await.unwrap();
    assert_eq!(strings(&pool, INVALID).await, Vec::<String>::new());
}

/// The file of the guide, with another table.
#[tokio::test]
async fn documented_retry_drops_the_invalid_index_of_the_attempt_before() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let guide = include_str!("../../../../flamingock/docs/files.md");
    let block = guide
        .split("```")
        .find(|block| block.contains("CREATE INDEX CONCURRENTLY"));
    let text = block.unwrap().trim_start_matches("sql\n");
    let text = text.replace(", target=billing", "").replace(
        "CREATE INDEX CONCURRENTLY orders_owner ON orders (owner)",
        "CREATE UNIQUE INDEX CONCURRENTLY orders_owner ON done (what)",
    );
    let run = || {
        Runner::new(&pool)
            .files(folder(&[("0001__script.sql", &text)]))
            .run()
    };
    for _ in 0..2 {
        run().await.unwrap_err();
        assert_eq!(strings(&pool, INVALID).await, ["orders_owner"]);
    }
    execute(&pool, "DELETE FROM done").await;
    assert_eq!(run().await.unwrap().counts().newly_applied, 1);
    assert_eq!(strings(&pool, INVALID).await, Vec::<String>::new());
    execute(&pool, "INSERT INTO done VALUES ('once')").await;
    let again = try_execute(&pool, "INSERT INTO done VALUES ('once')").await;
    assert!(again.is_err(), "the index is not there");
}

#[change(id = "swallows", order = "0001", transaction = false, register = false)]
async fn swallows(db: &mut PgConnection) {
    let _ = query(db, "CREATE UNIQUE INDEX CONCURRENTLY once ON done (what)").await;
}

#[tokio::test]
async fn function_that_leaves_an_invalid_index_is_not_applied() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let error = Runner::new(&pool).changes(changes![swallows]).run().await;
    let said = format!("{:?}", error.unwrap_err());
    assert!(said.contains("the invalid index once"), "{said}");
    assert_eq!(audit(&pool).await.last().unwrap(), "swallows 1 FAILED none");
}

#[change(
    id = "once",
    order = "0001",
    transaction = false,
    recovery = "retry",
    register = false
)]
async fn once(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, IF_NOT_EXISTS).await.map(drop)
}

#[tokio::test]
async fn retried_function_is_not_applied_over_an_invalid_index_of_its_attempt() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let older = "CREATE UNIQUE INDEX CONCURRENTLY older ON done (what)";
    assert!(try_execute(&pool, older).await.is_err());
    let run = || Runner::new(&pool).changes(changes![once]).run();
    for _ in 0..3 {
        let said = format!("{:?}", run().await.unwrap_err());
        assert!(said.contains("the invalid index once"), "{said}");
        assert!(!said.contains("older"), "{said}");
        assert_eq!(strings(&pool, INVALID).await, ["older", "once"]);
        execute(&pool, "DELETE FROM done").await;
    }
    execute(&pool, "REINDEX INDEX CONCURRENTLY once").await;
    run().await.unwrap();
    assert_eq!(strings(&pool, INVALID).await, ["older"]);
}

#[change(id = "checked", order = "0001", transaction = false, register = false)]
async fn checked(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, IF_NOT_EXISTS).await.map(drop)
}

#[flamingock::verify(checked)]
async fn index_is_there(db: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let there = query(db, "SELECT 1 FROM pg_class WHERE relname = 'once'").await?;
    Ok(!there.is_empty())
}

#[tokio::test]
async fn verify_function_does_not_make_an_invalid_index_applied() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let run = || Runner::new(&pool).changes(changes![checked]).run();
    for _ in 0..2 {
        let said = format!("{:?}", run().await.unwrap_err());
        assert!(said.contains("the invalid index once"), "{said}");
    }
    let entries = audit(&pool).await;
    assert!(
        !entries.iter().any(|entry| entry.contains("APPLIED")),
        "{entries:?}"
    );
}

#[tokio::test]
async fn retry_ignores_an_index_that_was_invalid_before_the_first_attempt() {
    let (_database, pool) = fresh().await;
    leave_invalid(&pool, "older").await;
    let text = "-- flamingock: transaction=false, recovery=retry\nINSERT INTO later VALUES (1);\n";
    let run = || {
        Runner::new(&pool)
            .files(folder(&[("0001__later.sql", text)]))
            .run()
    };
    run().await.unwrap_err();
    execute(&pool, "CREATE TABLE later (id int)").await;
    run().await.unwrap();
    assert_eq!(strings(&pool, INVALID).await, ["older"]);
}

#[tokio::test]
async fn retry_in_another_database_than_the_audits_counts_every_invalid_index() {
    let (_audit, audit_pool) = fresh().await;
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let run = || {
        Runner::new(&audit_pool)
            .target(flamingock::TargetSystem::sqlx("other", &pool))
            .changes(changes![elsewhere])
            .run()
    };
    for _ in 0..2 {
        let said = format!("{:?}", run().await.unwrap_err());
        assert!(said.contains("the invalid index once"), "{said}");
        execute(&pool, "DELETE FROM done").await;
    }
    execute(&pool, "DROP INDEX once").await;
    run().await.unwrap();
}

#[change(
    id = "elsewhere",
    order = "0001",
    transaction = false,
    recovery = "retry",
    target = "other",
    register = false
)]
async fn elsewhere(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, IF_NOT_EXISTS).await.map(drop)
}

#[tokio::test]
async fn earlier_invalid_index_is_not_named_as_the_cause() {
    let (_database, pool) = fresh().await;
    leave_invalid(&pool, "older").await;
    let plain = "-- flamingock: transaction=false\n";
    let text = format!("{plain}SELECT * FROM nowhere;\n");
    let files = folder(&[("0001__script.sql", &text)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains("nowhere"), "{said}");
    assert!(!said.contains("older"), "{said}");
    let text = format!("{plain}INSERT INTO done VALUES ('other');\n");
    let files = folder(&[("0001__other.sql", &text)]);
    let runner = Runner::new(&pool).service("other").independent_service();
    runner.files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["other", "twice", "twice"]);
}

/// An index that another session builds while the change runs.
#[derive(Clone, Debug)]
struct Other(PgPool);

const BUILT: &str = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY built%' AND wait_event_type = 'Lock' AND datname = current_database()";

#[change(id = "fails", order = "0001", transaction = false, register = false)]
async fn fails(db: &mut PgConnection, Other(pool): &Other) -> Result<(), sqlx::Error> {
    query(db, "SELECT 1").await?;
    // The index build waits for this transaction as long as it is open.
    let mut open = pool.begin().await?;
    query(&mut *open, "INSERT INTO done VALUES ('open')").await?;
    std::mem::forget(open);
    let builder = pool.clone();
    tokio::spawn(async move {
        execute(&builder, "CREATE INDEX CONCURRENTLY built ON done (what)").await;
    });
    until("the index is being built", async || {
        !strings(pool, BUILT).await.is_empty()
            && strings(pool, INVALID).await.contains(&"built".to_owned())
    })
    .await;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[tokio::test]
async fn index_built_by_another_session_is_not_named_as_the_cause() {
    let (database, pool) = fresh().await;
    let other = database.pool(5).await;
    let runner = Runner::new(&pool)
        .changes(changes![fails])
        .provide(Other(other));
    let said = format!("{:?}", runner.run().await.unwrap_err());
    assert!(said.contains("nowhere"), "{said}");
    assert!(!said.contains("built"), "{said}");
}
