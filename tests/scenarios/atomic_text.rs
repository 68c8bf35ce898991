//! Files of an atomic stage go in one text. On the databases that are servers.

use flamingock::{Outcome, Runner, Stage};
use flamingock_tests::{Backend as _, Proxy, Recorder, done, folder, strings, with_table};

use super::{Backend, Db};

const POSTGRES: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"PostgreSQL"
);

/// Files of an atomic stage, as many as are asked for.
fn files(count: usize) -> &'static flamingock::__private::EmbeddedFolder {
    let text = "-- flamingock: stage=seed\nINSERT INTO done VALUES ('one');\nSELECT 1;\n";
    let names = (1..=count).map(|index| (&*format!("{index:04}__file_{index}.sql").leak(), text));
    folder(&names.collect::<Vec<_>>())
}

#[tokio::test]
async fn thirty_files_cost_as_many_round_trips_as_three() {
    let mut trips = Vec::new();
    for count in [3, 30] {
        let database = Backend::fresh().await;
        let direct = with_table(&database, 1).await;
        let proxy = Proxy::in_front_of(&database.url).unwrap();
        let options = sqlx::pool::PoolOptions::<Db>::new().max_connections(2);
        let pool = options.connect(&proxy.url(&database.url)).await.unwrap();
        proxy.forget();
        let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
        let report = runner.files(files(count)).run().await.unwrap();
        assert_eq!(report.counts().newly_applied, count);
        assert_eq!(done(&direct).await.len(), count);
        let sent = proxy.sent();
        trips.push(sent.iter().filter(|text| text.len() > 10).count());
        let with_files = sent.iter().filter(|text| text.contains("INTO done"));
        assert_eq!(with_files.count(), 1, "{sent:#?}");
    }
    assert_eq!(trips[0], trips[1]);
}

#[tokio::test]
async fn the_server_measures_each_file() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let sleep = if POSTGRES {
        "SELECT pg_sleep(0.3)"
    } else {
        "SELECT SLEEP(0.3)"
    };
    for stage in [Stage::new("seed").atomic(), Stage::new("again")] {
        let header = format!(
            "-- flamingock: stage={}",
            if stage_is_seed(&stage) {
                "seed"
            } else {
                "again"
            }
        );
        let quick = format!("{header}\nSELECT 1");
        let slow = format!("{header}\n{sleep}");
        let name = if stage_is_seed(&stage) {
            "seed"
        } else {
            "again"
        };
        let named = |order: u32, what: &str| -> &'static str {
            format!("{order:04}__{what}_{name}.sql").leak()
        };
        let folder = folder(&[
            (named(1, "quick"), quick.as_str()),
            (named(2, "slow"), slow.as_str()),
            (named(3, "after"), quick.as_str()),
        ]);
        Runner::new(&pool)
            .stage(stage)
            .files(folder)
            .run()
            .await
            .unwrap();
    }
    let longer = "SELECT change_id FROM flamingock_audit WHERE state = 'APPLIED' AND duration_us >= 300000 ORDER BY seq";
    assert_eq!(strings(&pool, longer).await, ["slow_seed", "slow_again"]);
}

fn stage_is_seed(stage: &Stage) -> bool {
    format!("{stage:?}").contains("seed")
}

#[tokio::test]
async fn texts_are_no_longer_than_a_server_takes() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let filler = "x".repeat(300 * 1024);
    let text = format!("-- flamingock: stage=seed\nINSERT INTO done VALUES ('one'); -- {filler}\n");
    let names = (1..=10).map(|index| {
        (
            &*format!("{index:04}__file_{index}.sql").leak(),
            text.as_str(),
        )
    });
    let folder = folder(&names.collect::<Vec<_>>());
    let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
    let report = runner.files(folder).run().await.unwrap();
    assert!(
        report
            .changes()
            .all(|change| change.outcome == Outcome::NewlyApplied)
    );
    assert_eq!(done(&pool).await.len(), 10);
}

#[tokio::test]
async fn a_listener_hears_the_end_of_every_file_that_was_sent() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let header = "-- flamingock: stage=seed\n";
    let good = format!("{header}INSERT INTO done VALUES ('one')");
    let bad = format!("{header}INSERT INTO nowhere VALUES (1)");
    let files = folder(&[
        ("0001__one.sql", good.as_str()),
        ("0002__bad.sql", bad.as_str()),
        ("0003__three.sql", good.as_str()),
    ]);
    let recorder = Recorder::default();
    let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
    let runner = runner.files(files).listener(recorder.listener());
    runner.run().await.unwrap_err();
    let told = recorder.lines();
    for id in ["one", "bad", "three"] {
        let about = told
            .iter()
            .filter(|line| line.starts_with(&format!("{id} 1 ")));
        assert_eq!(about.count(), 2, "{id}: {told:#?}");
    }
}
