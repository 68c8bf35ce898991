//! Adoption counts an entry as applied exactly when the other tool does.

use flamingock::adopt::{Adopted, Adoption, Tool};
use flamingock::{ErrorKind, Runner, change, changes};
use flamingock_tests::{Backend as _, done, execute, query, strings, try_execute, with_table};
use sqlx::Pool;

use super::super::rows;
use super::{Backend, Connection, Db};

/// Changes with these ids, in this order; each records that it ran.
macro_rules! ids {
    ($($name:ident = $id:literal, $order:literal;)+) => {{
        $(
            #[change(id = $id, order = $order, register = false)]
            async fn $name(db: &mut Connection) -> Result<(), sqlx::Error> {
                query(db, concat!("INSERT INTO done VALUES ('", $id, "')")).await.map(drop)
            }
        )+
        changes![$($name),+].to_vec()
    }};
}

/// Flyway's table with a version, type, script and description for each row.
async fn flyway(pool: &Pool<Db>, rows: &[(&str, &str, &str, &str)]) {
    execute(pool, rows::FLYWAY[0]).await;
    for (rank, (version, kind, script, description)) in (1..).zip(rows) {
        let version = match *version {
            "NULL" => "NULL".to_owned(),
            version => format!("'{version}'"),
        };
        execute(
            pool,
            &format!(
                "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, installed_by, execution_time, success) \
                 VALUES ({rank}, {version}, '{description}', '{kind}', '{script}', 'ada', 0, true)"
            ),
        )
        .await;
    }
}

fn taken(adopted: &Adopted) -> Vec<&str> {
    let changes = adopted.adopted.iter();
    changes.map(|change| change.change_id.as_str()).collect()
}

#[tokio::test]
async fn versions_up_to_a_flyway_baseline_count_as_applied() {
    for (kind, script) in [
        ("BASELINE", "<< Flyway Baseline >>"),
        ("INIT", "<< Flyway Init >>"),
        ("SQL_BASELINE", "B1_9__all.sql"),
    ] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        let rows = [
            ("NULL", "SCHEMA", "\"app\"", "<< Flyway Schema Creation >>"),
            ("1.9", kind, script, "<< Flyway Baseline >>"),
            ("1.10", "SQL", "V1.10__third.sql", "third"),
        ];
        flyway(&pool, &rows).await;
        let changes = ids! {
            first = "V1__first", "001";
            second = "V1.9__second", "1.9.0";
            third = "V1.10__third", "1.10.0";
            fourth = "V1.11__fourth", "1.11.0";
        };
        let runner = || Runner::new(&pool).changes(changes.iter().copied());
        let run = runner().adopt_first(Adoption::of(Tool::Flyway).allow_unmapped());
        run.run().await.unwrap();
        assert_eq!(done(&pool).await, ["V1.11__fourth"], "{kind}");
        let reason = "SELECT reason FROM flamingock_audit WHERE change_id = 'V1__first'";
        let reason = strings(&pool, reason).await.remove(0);
        assert!(reason.contains("at or below the baseline 1.9"), "{reason}");
    }
}

#[tokio::test]
async fn history_with_only_a_baseline_is_not_empty() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    flyway(&pool, &[("1", "BASELINE", "<< Flyway Baseline >>", "x")]).await;
    let changes = ids! { second = "V2__second", "002"; };
    let run = Runner::new(&pool)
        .changes(changes)
        .adopt_first(Adoption::of(Tool::Flyway));
    run.run().await.unwrap();
    assert_eq!(done(&pool).await, ["V2__second"]);
}

#[tokio::test]
async fn deleted_and_undone_flyway_files_are_pending_and_scripts_are_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let rows = [
        ("1", "SQL", "V1__first.sql", "first"),
        ("1", "DELETE", "V1__first.sql", "first"),
        ("NULL", "SQL", "R__view.sql", "view"),
        ("NULL", "DELETE", "R__view.sql", "view"),
        ("2", "SCRIPT", "sub/V2__second.sh", "second"),
        ("NULL", "SQL", "views/R__orders_view.sql", "orders view"),
    ];
    flyway(&pool, &rows).await;
    let changes = ids! {
        first = "V1__first", "001";
        second = "V2__second", "002";
        view = "R__view", "R__view";
        orders = "R__orders_view", "R__orders_view";
    };
    let runner = || Runner::new(&pool).changes(changes.iter().copied());
    let adopted = runner().adopt(&Adoption::of(Tool::Flyway)).await.unwrap();
    assert_eq!(taken(&adopted), ["V2__second", "R__orders_view"]);
    assert!(adopted.unmapped.is_empty(), "{adopted}");
    assert_eq!(adopted.passed_over.len(), 4, "{adopted}");
    runner().run().await.unwrap();
    assert_eq!(done(&pool).await, ["R__view", "V1__first"]);
}

#[tokio::test]
async fn unknown_kind_of_flyway_row_is_refused() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let rows = [
        ("1", "SQL", "V1__first.sql", "first"),
        ("2", "NEW_KIND", "V2__second.sql", "second"),
    ];
    flyway(&pool, &rows).await;
    let runner = Runner::new(&pool).changes(ids! { first = "V1__first", "001"; });
    let error = runner.adopt(&Adoption::of(Tool::Flyway)).await.unwrap_err();
    let expected = "not understood here: \"V2__second\" is of the type \"NEW_KIND\"";
    assert!(format!("{error:#}").contains(expected), "{error}");
}

#[tokio::test]
async fn file_with_a_corrected_description_does_not_run_again() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    flyway(&pool, &[("2", "SQL", "V2__add_idnex.sql", "add idnex")]).await;
    super::super::peers::sqlx(&pool).await;
    let changes = ids! {
        first = "0001_create_user", "001";
        second = "002_create_ordes", "002";
        third = "V2.0__add_index", "003";
    };
    let runner = || Runner::new(&pool).changes(changes.iter().copied());
    let adopted = runner().adopt(&Adoption::of(Tool::Sqlx)).await.unwrap();
    assert_eq!(taken(&adopted), ["0001_create_user", "002_create_ordes"]);
    let adopted = runner().adopt(&Adoption::of(Tool::Flyway)).await.unwrap();
    assert_eq!(taken(&adopted), ["V2.0__add_index"]);
    assert!(runner().run().await.unwrap().is_up_to_date());
    assert!(done(&pool).await.is_empty());
}

/// refinery itself refuses to continue.
#[tokio::test]
async fn refinery_file_with_another_name_is_refused() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::peers::refinery(&database.url).await;
    let changes = ids! {
        first = "V1__create_users", "001";
        second = "V2__create_ordes", "002";
    };
    let runner = Runner::new(&pool).changes(changes);
    let error = runner
        .adopt(&Adoption::of(Tool::Refinery))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let error = format!("{error:#}");
    assert!(error.contains("one version and different names"), "{error}");
}

#[tokio::test]
async fn exact_name_wins_over_the_same_version() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sqlx(&pool).await;
    let changes = ids! {
        first = "0001_create_users", "001";
        other = "01_seed", "002";
        second = "0002_create_orders", "003";
    };
    let runner = Runner::new(&pool).changes(changes);
    let adopted = runner.adopt(&Adoption::of(Tool::Sqlx)).await.unwrap();
    assert_eq!(taken(&adopted), ["0001_create_users", "0002_create_orders"]);
    assert_eq!(adopted.not_in_history, ["01_seed"]);
}

#[tokio::test]
async fn liquibase_lock_is_found_under_any_table_name() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for statement in rows::LIQUIBASE {
        let statement = statement.replace("DATABASECHANGELOGLOCK", "app_mutex");
        execute(&pool, &statement).await;
    }
    execute(
        &pool,
        "UPDATE app_mutex SET LOCKED = true, LOCKEDBY = 'ada'",
    )
    .await;
    let runner = Runner::new(&pool).changes(ids! { first = "create-users", "001"; });
    let adoption = Adoption::of(Tool::Liquibase);
    let error = format!("{:#}", runner.adopt(&adoption).await.unwrap_err());
    assert!(error.contains("app_mutex is locked by ada"), "{error}");
    execute(&pool, "UPDATE app_mutex SET LOCKED = false").await;
    assert_eq!(
        taken(&runner.adopt(&adoption).await.unwrap()),
        ["create-users"]
    );
}

#[tokio::test]
async fn planned_adoption_gives_reasons_and_writes_nothing() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let rows = [
        ("1", "BASELINE", "<< Flyway Baseline >>", "x"),
        ("2", "SQL", "V2__add_idnex.sql", "add idnex"),
        ("3", "SQL", "V3__gone.sql", "gone"),
    ];
    flyway(&pool, &rows).await;
    let changes = ids! {
        first = "V1__first", "001";
        second = "V2__add_index", "002";
        fourth = "V4__fourth", "004";
    };
    let runner = || Runner::new(&pool).changes(changes.iter().copied());
    let adoption = Adoption::of(Tool::Flyway);
    let planned = runner().plan_adoption(&adoption).await.unwrap();
    let reasons: Vec<&str> = planned.adopted.iter().map(|one| one.why.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "its version is at or below the baseline 1",
            "the history has this version, as \"V2__add_idnex\"",
        ]
    );
    assert_eq!(planned.unmapped[0].name, "V3__gone");
    assert_eq!(planned.passed_over[0].why, "the baseline, at version 1");
    assert_eq!(planned.not_in_history, ["V4__fourth"]);
    let written = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
    assert!(written.is_err(), "a plan creates nothing");
    let adopted = runner().adopt(&adoption).await.unwrap();
    assert_eq!(taken(&adopted), taken(&planned));
    let planned = runner().plan_adoption(&adoption).await.unwrap();
    assert_eq!((planned.adopted.len(), planned.known.len()), (0, 2));
}
