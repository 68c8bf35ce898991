//! Mistakes that are refused before anything is touched.

use flamingock::{ErrorKind, Runner, Stage, TargetSystem, change, changes};
use flamingock_tests::{Backend as _, try_execute};

use super::{Backend, Connection, Db};

#[derive(Debug)]
struct Mailer;

#[change(id = "mails", order = "001", register = false)]
async fn mails(_mailer: &Mailer, _optional: Option<&String>) {}

#[change(id = "elsewhere", order = "002", target = "events", register = false)]
async fn elsewhere() {}

#[change(id = "connects", order = "003", target = "bare", register = false)]
async fn connects(_db: &mut Connection) {}

#[change(id = "mails", order = "0001", register = false)]
async fn mails_again() {}

#[change(id = "staged", order = "001", stage = "late", register = false)]
async fn staged() {}

#[change(id = "both", order = "004", register = false)]
async fn both(_db: &mut Connection, _pool: &sqlx::Pool<Db>) {}

#[change(id = "shares", order = "005", register = false)]
async fn shares(_db: &Connection) {}

#[change(id = "misspells", order = "006", target = "baer", register = false)]
async fn misspells() {}

#[tokio::test]
async fn all_mistakes_are_reported_together_and_nothing_is_touched() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    let changes = changes![
        mails,
        elsewhere,
        connects,
        mails_again,
        staged,
        both,
        shares,
        misspells
    ];
    let runner = Runner::new(&pool)
        .changes(changes)
        .stage(Stage::new("default"))
        .stage(Stage::new("later").after("defualt"));
    let runner = runner
        .target(TargetSystem::new("bare"))
        .target(TargetSystem::new("bare"));
    let error = runner.service(" ").run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = format!("{error:#}");
    let expected = [
        "`mails` takes `&Mailer`, which is not provided",
        "Connection`: write `&mut ",
        "add `.target(TargetSystem::new(\"baer\"))` to the runner. Did you mean \"bare\"?",
        "the target system \"events\" of the change \"elsewhere\" is not known",
        "has no database: make it with `TargetSystem::sqlx(\"bare\", &pool)`",
        "id \"mails\" is taken by the change at",
        "order \"0001\" equals order \"001\"",
        "stage \"late\" is not declared: add `.stage(Stage::new(\"late\"))` to the runner. Did you mean \"later\"?",
        "stage \"later\" is after \"defualt\", which is not declared. Did you mean \"default\"?",
        "the target system \"bare\" is given twice",
        "service \" \"",
    ];
    for part in expected {
        assert!(text.contains(part), "{part}\nis missing in\n{text}");
    }
    let one_writer = <Backend as flamingock_tests::Backend>::NAME == "SQLite";
    assert_eq!(
        text.contains("it would wait for itself"),
        one_writer,
        "{text}"
    );
    assert_eq!(
        error.problems().len(),
        expected.len() + usize::from(one_writer),
        "{text}"
    );
    for problem in error
        .problems()
        .iter()
        .filter(|problem| problem.location.is_some())
    {
        assert!(
            problem.to_string().contains("scenarios/refused.rs:"),
            "{problem}"
        );
    }
    let placed = error
        .problems()
        .iter()
        .filter(|problem| problem.location.is_some())
        .count();
    assert_eq!(placed, 8 + usize::from(one_writer), "{text}");
    for table in ["audit", "lock", "lease"] {
        let select = format!("SELECT 1 FROM flamingock_{table}");
        assert!(try_execute(&pool, &select).await.is_err(), "{table}");
    }
}

#[change(id = "wrong-kind", order = "001", register = false)]
async fn wrong_kind(_db: &mut sqlx::SqliteConnection) {}

#[change(id = "wrong-kind", order = "001", register = false)]
async fn wrong_kind_too(_db: &mut sqlx::PgConnection) {}

#[tokio::test]
async fn connection_of_another_kind_of_database_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    let name = <Backend as flamingock_tests::Backend>::NAME;
    let change = if name == "SQLite" {
        changes![wrong_kind_too]
    } else {
        changes![wrong_kind]
    };
    let error = Runner::new(&pool).changes(change).run().await.unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error:?}");
    assert!(
        format!("{error:#}").contains("takes a connection to "),
        "{error}"
    );
}

#[change(
    id = "wide",
    order = "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
    register = false
)]
async fn wide() {}

#[tokio::test]
async fn name_that_is_too_long_for_its_column_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    let error = Runner::new(&pool)
        .changes(changes![wide])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(
        format!("{error:#}").contains("is longer than 190 characters"),
        "{error}"
    );
}
