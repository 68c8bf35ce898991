//! Files of an atomic stage are sent in one message, and each has its own entry.

use std::time::{Duration, SystemTime};

use flamingock::audit::{HistoryFilter, State};
use flamingock::{Outcome, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, Recorder, done, folder, query, strings, with_table};

use super::{Backend, Connection};

/// A statement that takes the database at least a third of a second.
const SLOW: &str = match <Backend as flamingock_tests::Backend>::NAME.as_bytes() {
    b"PostgreSQL" => "SELECT pg_sleep(0.4)",
    b"SQLite" => {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000) \
         SELECT count(*) FROM n"
    }
    _ => "SELECT SLEEP(0.4)",
};

/// Less than the slow statement takes, and more than a quick one does.
const QUITE_LONG: Duration = Duration::from_millis(200);

/// A number of files for an atomic stage.
pub(super) fn files(count: usize) -> &'static flamingock::EmbeddedFolder {
    let text = "-- flamingock: stage=seed\nINSERT INTO done VALUES ('one');\nSELECT 1;\n";
    let names = (1..=count).map(|index| (&*format!("{index:04}__file_{index}.sql").leak(), text));
    folder(&names.collect::<Vec<_>>())
}

#[tokio::test]
async fn database_measures_the_duration_of_each_file() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
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
        let slow = format!("{header}\n{SLOW}");
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
    let applied = HistoryFilter::default().state(State::Applied);
    let entries = Runner::new(&pool).history(&applied).await.unwrap();
    let times: Vec<(&str, SystemTime, SystemTime)> = entries
        .iter()
        .map(|entry| {
            (
                entry.change_id.as_deref().unwrap(),
                entry.started_at,
                entry.finished_at.unwrap(),
            )
        })
        .collect();
    let long = |(_, began, ended): &&(_, SystemTime, SystemTime)| {
        ended.duration_since(*began).unwrap() > QUITE_LONG
    };
    let slow: Vec<_> = times.iter().filter(long).map(|(id, ..)| *id).collect();
    assert_eq!(slow, ["slow_seed", "slow_again"], "{times:?}");
    for entry in &entries {
        let took = entry.duration.unwrap();
        assert_eq!(
            took > QUITE_LONG,
            slow.contains(&entry.change_id.as_deref().unwrap())
        );
    }
    // The previous file has ended when the slow one begins, and the next one begins when the slow
    // one has ended.
    for three in times.chunks(3) {
        let [(_, _, before), (_, began, ended), (_, behind, _)] = three else {
            panic!("{times:?}");
        };
        let middle = *began + ended.duration_since(*began).unwrap() / 2;
        assert!(*before < middle && middle < *behind, "{three:?}");
    }
}

fn stage_is_seed(stage: &Stage) -> bool {
    format!("{stage:?}").contains("seed")
}

#[tokio::test]
async fn messages_stay_below_the_servers_limit() {
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
async fn listener_receives_the_outcome_of_every_file() {
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

#[change(id = "in-between", order = "0239.5", stage = "seed", register = false)]
async fn in_between(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('code')")
        .await
        .map(drop)
}

#[tokio::test]
async fn many_files_around_a_code_change_are_recorded_in_order() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || {
        let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
        runner.changes(changes![in_between]).files(files(260))
    };
    let report = runner().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 261);
    let expected: Vec<String> = report.changes().map(|change| change.id.clone()).collect();
    assert_eq!(expected[238..241], ["file_239", "in-between", "file_240"]);
    let recorded = "SELECT change_id FROM flamingock_audit WHERE state = 'APPLIED' ORDER BY seq";
    assert_eq!(strings(&pool, recorded).await, expected);
    assert_eq!(done(&pool).await.len(), 261);
    assert!(runner().run().await.unwrap().is_up_to_date());
}
