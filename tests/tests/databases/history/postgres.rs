//! PostgreSQL only: schemas on a search path, rights on schemas, row security, sequences.

use flamingock::{ErrorKind, Runner, TableNames, change, changes};
use flamingock_tests::{Backend as _, Postgres, audit, done, execute, query, strings, with_table};
use sqlx::PgConnection;
use sqlx::postgres::PgPool;

use crate::history::postgres::places::assert_refused;

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO public.done VALUES ('one')")
        .await
        .map(drop)
}

#[change(id = "two", order = "002", transaction = false, register = false)]
async fn two(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO public.done VALUES ('two')")
        .await
        .map(drop)
}

fn runner(pool: &PgPool) -> Runner {
    Runner::new(pool).changes(changes![one])
}

fn schema(name: &str) -> TableNames {
    TableNames::default().schema(name.to_owned())
}

/// A role that is dropped with its rights.
async fn role(pool: &PgPool) -> String {
    let role = format!("app_{:08x}", rand::random::<u32>());
    execute(pool, &format!("CREATE ROLE {role}")).await;
    role
}

async fn drop_role(pool: &PgPool, role: &str) {
    execute(pool, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

const SETS: [&str; 4] = [
    "SET search_path = elsewhere",
    "SET search_path = ''",
    "SET search_path = elsewhere, information_schema",
    "SET search_path = nowhere",
];

#[tokio::test]
async fn another_search_path_is_refused_with_the_schema_of_the_tables() {
    for set in SETS {
        let database = Postgres::fresh().await;
        let watch = with_table(&database, 2).await;
        execute(&watch, "CREATE SCHEMA elsewhere").await;
        runner(&watch).run().await.unwrap();
        let pool = database.pool_with_hook(2, set).await;
        assert_refused(|| runner(&pool), &["\"public\"", "search_path"], set).await;
        assert_eq!(done(&watch).await, ["one"], "{set}");
        // A configured schema is intended.
        let named = || runner(&pool).tables(schema("public"));
        assert!(named().run().await.unwrap().is_up_to_date(), "{set}");
        let own = || runner(&pool).tables(schema("app"));
        assert_eq!(own().run().await.unwrap().counts().newly_applied, 1);
        assert!(own().run().await.unwrap().is_up_to_date());
    }
}

#[change(id = "moves", order = "001", register = false)]
async fn moves(db: &mut PgConnection, database: &String) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO public.done VALUES ('moves')").await?;
    let text =
        format!("CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app, public");
    query(db, &text).await.map(drop)
}

#[change(id = "leaves", order = "001", register = false)]
async fn leaves(db: &mut PgConnection, database: &String) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO public.done VALUES ('leaves')").await?;
    let text = format!("CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app");
    query(db, &text).await.map(drop)
}

#[tokio::test]
async fn change_of_the_databases_search_path_begins_no_second_history() {
    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    let name = database.url.rsplit('/').next().unwrap().to_owned();
    let runner = |pool: &PgPool| {
        Runner::new(pool)
            .changes(changes![moves])
            .provide(name.clone())
    };
    runner(&watch).run().await.unwrap();
    let pool = database.pool(2).await;
    assert!(runner(&pool).run().await.unwrap().is_up_to_date());

    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    let name = database.url.rsplit('/').next().unwrap().to_owned();
    let runner = |pool: &PgPool| {
        Runner::new(pool)
            .changes(changes![leaves])
            .provide(name.clone())
    };
    runner(&watch).run().await.unwrap();
    let pool = database.pool(2).await;
    let error = runner(&pool).run().await.unwrap_err();
    assert!(format!("{error:?}").contains("\"public\""), "{error:?}");
    assert_eq!(done(&watch).await, ["leaves"]);
}

#[tokio::test]
async fn lost_right_on_the_schema_is_refused_with_the_schema() {
    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    let role = role(&watch).await;
    execute(
        &watch,
        &format!(
            "CREATE SCHEMA app; CREATE SCHEMA extra; GRANT ALL ON SCHEMA app, extra TO {role}; \
             GRANT ALL ON done TO {role}"
        ),
    )
    .await;
    let set = format!("SET ROLE {role}; SET search_path = app, extra");
    let pool = database.pool_with_hook(2, &set).await;
    runner(&pool).run().await.unwrap();
    execute(&watch, &format!("REVOKE ALL ON SCHEMA app FROM {role}")).await;
    assert_refused(|| runner(&pool), &["\"app\"", "USAGE"], "no right").await;
    assert_eq!(done(&watch).await, ["one"]);
    pool.close().await;
    drop_role(&watch, &role).await;
}

#[tokio::test]
async fn row_security_hides_no_history() {
    for table in ["audit", "lock", "lease"] {
        let database = Postgres::fresh().await;
        let watch = with_table(&database, 2).await;
        let role = role(&watch).await;
        execute(
            &watch,
            &format!("GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON done TO {role}"),
        )
        .await;
        runner(&watch).run().await.unwrap();
        let tables = "flamingock_audit, flamingock_lock, flamingock_lease";
        execute(
            &watch,
            &format!(
                "GRANT ALL ON {tables} TO {role}; \
                 ALTER TABLE flamingock_{table} ENABLE ROW LEVEL SECURITY"
            ),
        )
        .await;
        let pool = database
            .pool_with_hook(2, &format!("SET ROLE {role}"))
            .await;
        let runner = || Runner::new(&pool).changes(changes![one, two]);
        let words = [format!("flamingock_{table}"), "row".to_owned()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_refused(runner, &words, table).await;
        assert_eq!(done(&watch).await, ["one"], "{table}");
        pool.close().await;
        drop_role(&watch, &role).await;
    }
}

#[tokio::test]
async fn tables_in_two_schemas_are_those_of_the_search_path() {
    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    runner(&watch).run().await.unwrap();
    let own = || runner(&watch).tables(schema("app"));
    own().run().await.unwrap();
    assert!(runner(&watch).run().await.unwrap().is_up_to_date());
    assert!(own().run().await.unwrap().is_up_to_date());
    // A service that is new in one of them, and known in the other.
    let first = Runner::new(&watch).service("orders").changes(changes![two]);
    first.run().await.unwrap();
    let pool = database
        .pool_with_hook(2, "SET search_path = app, public")
        .await;
    let moved = Runner::new(&pool).service("orders").changes(changes![two]);
    let error = moved.run().await.unwrap_err();
    assert!(format!("{error:?}").contains("\"public\""), "{error:?}");
}

/// As after a restore of data alone.
async fn let_the_sequence_lag(pool: &PgPool) -> String {
    let sequence = "pg_get_serial_sequence('flamingock_audit', 'seq')";
    execute(pool, &format!("SELECT setval({sequence}, 1, false)")).await;
    strings(pool, &format!("SELECT {sequence}")).await.concat()
}

#[tokio::test]
async fn lagging_sequence_is_named_with_its_repair() {
    for next in changes![two, shared] {
        let database = Postgres::fresh().await;
        let pool = with_table(&database, 2).await;
        runner(&pool).run().await.unwrap();
        for service in ["a", "b"] {
            let other = runner(&pool).service(service).independent_service();
            other.run().await.unwrap();
        }
        let before = done(&pool).await;
        let sequence = let_the_sequence_lag(&pool).await;
        let (_, sequence) = sequence.split_once('.').unwrap();
        let all = || Runner::new(&pool).changes([changes![one][0], next]);
        // There is nothing to write.
        assert!(runner(&pool).run().await.unwrap().is_up_to_date());
        for _ in 0..2 {
            let error = all().run().await.unwrap_err();
            assert_ne!(error.kind(), ErrorKind::LeaseLost, "{error:?}");
            let text = format!("{error:#}");
            assert!(text.contains(sequence), "{text}");
            assert!(text.contains("setval"), "{text}");
            assert_eq!(done(&pool).await, before);
        }
        let error = all().baseline(next.id, "why").await.unwrap_err();
        assert!(format!("{error:#}").contains("setval"), "{error}");
        // The statement that the error gives.
        let text = format!("{error:#}");
        let statement = text.split('`').find(|part| part.starts_with("SELECT "));
        execute(&pool, statement.unwrap()).await;
        assert_eq!(all().run().await.unwrap().counts().newly_applied, 1);
        let entries = audit(&pool).await.join("\n");
        assert!(!entries.contains("FAILED"), "{entries}");
    }
}

/// Without the right to read the sequence, the insert detects it.
#[tokio::test]
async fn lagging_sequence_that_cannot_be_read_is_named_by_the_insert() {
    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    runner(&watch).run().await.unwrap();
    let role = role(&watch).await;
    let tables = "flamingock_audit, flamingock_lock, flamingock_lease, done";
    execute(
        &watch,
        &format!("GRANT USAGE ON SCHEMA public TO {role}; GRANT ALL ON {tables} TO {role}"),
    )
    .await;
    let pool = database
        .pool_with_hook(2, &format!("SET ROLE {role}"))
        .await;
    for next in changes![two, shared] {
        let_the_sequence_lag(&watch).await;
        let all = Runner::new(&pool).changes([changes![one][0], next]);
        let error = all.run().await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::LeaseLost, "{error:?}");
        assert!(format!("{error:?}").contains("setval"), "{error:?}");
    }
    assert_eq!(done(&watch).await, ["one"]);
    pool.close().await;
    drop_role(&watch, &role).await;
}

#[change(id = "shared", order = "003", register = false)]
async fn shared(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO public.done VALUES ('shared')")
        .await
        .map(drop)
}

#[tokio::test]
async fn schema_with_a_quote_in_its_name_is_found() {
    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    execute(&watch, "CREATE SCHEMA \"o'br\\ien\"\"s\"").await;
    let pool = database
        .pool_with_hook(2, "SET search_path = \"o'br\\ien\"\"s\", public")
        .await;
    let all = |changes: Vec<_>| Runner::new(&pool).changes(changes);
    let [first, second] = changes![one, two];
    all(vec![first]).run().await.unwrap();
    for _ in 0..2 {
        all(vec![first, second]).run().await.unwrap();
    }
    assert_eq!(done(&watch).await, ["one", "two"]);
}
