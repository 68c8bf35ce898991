//! Session settings: the history is read completely, or the run is refused with the name of the
//! setting.

use std::time::{Duration, SystemTime};

use flamingock::adopt::{Adoption, Tool};
use flamingock::{Runner, audit::HistoryFilter, change, changes};
use flamingock_tests::{Backend as _, audit, done, execute, query, with_table};

use super::{Backend, Connection, HARMLESS, REFUSED};

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(id = "two", order = "002", transaction = false, register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[change(id = "three", order = "003", register = false)]
async fn three(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('three')")
        .await
        .map(drop)
}

#[tokio::test]
async fn history_is_read_completely_under_any_session_setting() {
    for text in HARMLESS {
        let database = Backend::fresh().await;
        let watch = with_table(&database, 1).await;
        let pool = database.pool_with_hook(2, text).await;
        let first = || Runner::new(&pool).changes(changes![one, two]);
        let report = first()
            .run()
            .await
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(report.counts().newly_applied, 2, "{text}");
        assert!(first().run().await.unwrap().is_up_to_date(), "{text}");
        // With another digest, the entries themselves are read.
        let all = || Runner::new(&pool).changes(changes![one, two, three]);
        let report = all()
            .run()
            .await
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(report.counts().newly_applied, 1, "{text}");
        assert!(all().run().await.unwrap().is_up_to_date(), "{text}");
        assert_eq!(
            all().plan().await.unwrap().counts().already_applied,
            3,
            "{text}"
        );
        assert_eq!(done(&watch).await, ["one", "three", "two"], "{text}");
        let since = HistoryFilter::default()
            .since(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        for filter in [HistoryFilter::default(), since] {
            let applied = all().history(&filter).await.unwrap().into_iter();
            let applied = applied.filter(|entry| entry.state.as_str() == "APPLIED");
            assert_eq!(applied.count(), 3, "{text}");
        }
        assert_eq!(audit(&watch).await.len(), 4, "{text}");
        // Operations that need their own statement on every store.
        let other = Runner::new(&pool).service("other").changes(changes![three]);
        other.independent_service().run().await.unwrap();
        assert_eq!(all().services().await.unwrap().len(), 2, "{text}");
        pool.close().await;
    }
}

#[tokio::test]
async fn history_of_another_tool_is_read_completely_under_any_session_setting() {
    for text in HARMLESS {
        let database = Backend::fresh().await;
        let watch = with_table(&database, 1).await;
        execute(
            &watch,
            "CREATE TABLE seaql_migrations (version VARCHAR(255) PRIMARY KEY, applied_at BIGINT NOT NULL)",
        )
        .await;
        for version in ["one", "two", "three"] {
            let row = format!("INSERT INTO seaql_migrations VALUES ('{version}', 1)");
            execute(&watch, &row).await;
        }
        let pool = database.pool_with_hook(2, text).await;
        let runner = Runner::new(&pool).changes(changes![one, two, three]);
        let adopted = runner.adopt(&Adoption::of(Tool::SeaOrm)).await;
        let adopted = adopted.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(adopted.adopted.len(), 3, "{text}");
        let runner = Runner::new(&pool).changes(changes![one, two, three]);
        assert!(runner.run().await.unwrap().is_up_to_date(), "{text}");
        assert!(done(&watch).await.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn setting_that_would_falsify_entries_is_refused_by_name() {
    for (text, name) in REFUSED {
        for known in [false, true] {
            let database = Backend::fresh().await;
            let watch = with_table(&database, 1).await;
            if known {
                let first = Runner::new(&watch).changes(changes![one, two]);
                first.run().await.unwrap();
            }
            let before = done(&watch).await;
            let pool = database.pool_with_hook(2, text).await;
            let runner = Runner::new(&pool).changes(changes![one, two, three]);
            let began = std::time::Instant::now();
            let error = runner.run().await.unwrap_err();
            assert!(format!("{error:?}").contains(name), "{text}: {error:?}");
            assert!(format!("{error:#}").contains(name), "{text}: {error}");
            assert!(began.elapsed().as_secs() < 20, "{text}");
            pool.close().await;
            assert_eq!(done(&watch).await, before, "{text}");
            let runner = Runner::new(&watch).changes(changes![one, two, three]);
            runner.run().await.unwrap();
            assert_eq!(done(&watch).await, ["one", "three", "two"], "{text}");
        }
    }
}
