//! The marker of another run never counts as proof of a commit.

use flamingock::report::Cause;
use flamingock::{ErrorKind, Resolution, Runner, TargetSystem, change, changes};
use flamingock_tests::{
    Backend as _, TestDatabase, audit, done, execute, query, strings, with_table,
};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "first", order = "001", target = "other", register = false)]
async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

#[change(id = "marked", order = "002", target = "other", register = false)]
async fn marked(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('marked')")
        .await
        .map(drop)
}

struct Ground {
    _databases: [TestDatabase<Backend>; 2],
    pool: Pool<Db>,
    other: Pool<Db>,
}

impl Ground {
    /// A database with the audit, and one in which changes run.
    async fn new() -> Ground {
        let databases = [Backend::fresh().await, Backend::fresh().await];
        let ground = Ground {
            pool: databases[0].pool(2).await,
            other: with_table(&databases[1], 2).await,
            _databases: databases,
        };
        let runner = ground.runner().changes(changes![first]);
        assert_eq!(runner.run().await.unwrap().counts().newly_applied, 1);
        ground
    }

    fn runner(&self) -> Runner {
        Runner::new(&self.pool).target(TargetSystem::sqlx("other", &self.other))
    }

    fn both(&self) -> Runner {
        self.runner().changes(changes![first, marked])
    }

    /// Another run left this marker under the number of the next attempt.
    async fn plant(&self, kind: &str) {
        let next = "SELECT max(seq) + 1 FROM flamingock_audit";
        let next = strings(&self.pool, next).await.concat();
        self.plant_at(kind, &next, "somebody").await;
    }

    async fn plant_at(&self, kind: &str, attempt: &str, run_id: &str) {
        let now = match <Backend as flamingock_tests::Backend>::NAME {
            "SQLite" => "'2026-01-01T00:00:00Z'",
            _ => "CURRENT_TIMESTAMP",
        };
        let insert = format!(
            "INSERT INTO flamingock_marker (service, change_id, started_seq, run_id, kind, marked_at) \
             VALUES ('default', 'marked', {attempt}, '{run_id}', '{kind}', {now})"
        );
        execute(&self.other, &insert).await;
    }

    /// An interrupted attempt: it has a start and no recorded end.
    async fn began(&self) -> [String; 2] {
        self.both().run().await.unwrap();
        let ended = "DELETE FROM flamingock_audit WHERE change_id = 'marked' AND state = 'APPLIED'";
        execute(&self.pool, ended).await;
        let release = "UPDATE flamingock_lock SET pipeline_digest = NULL";
        execute(&self.pool, release).await;
        execute(&self.other, "DELETE FROM done WHERE what = 'marked'").await;
        let entry = "SELECT seq, run_id FROM flamingock_audit WHERE change_id = 'marked'";
        let entry = strings(&self.pool, entry).await.concat();
        let (seq, run_id) = entry.split_once('|').unwrap();
        [seq.to_owned(), run_id.to_owned()]
    }

    /// Needs manual resolution, and continues as the operator decides.
    async fn assert_issue(&self, case: &str) {
        let error = self.both().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "{case}: {error:?}");
        assert_eq!(done(&self.other).await, ["first"], "{case}");
        let issues = self.both().issues().await.unwrap();
        assert_eq!(issues.len(), 1, "{case}: {issues:?}");
        assert_eq!(issues[0].cause, Cause::ForeignMarkers, "{case}");
        let report = error.report().unwrap();
        let reported = report.changes().find_map(|change| change.issue.clone());
        assert_eq!(reported, Some(Cause::ForeignMarkers), "{case}");
        let resolved = self.both();
        let reason = "not ours";
        resolved
            .resolve("marked", Resolution::RolledBack, reason)
            .await
            .unwrap();
        self.both().run().await.unwrap();
        assert_eq!(done(&self.other).await, ["first", "marked"], "{case}");
        assert!(self.both().run().await.unwrap().is_up_to_date(), "{case}");
    }
}

#[tokio::test]
async fn marker_of_another_run_blocks_an_attempt_and_is_an_issue() {
    for kind in ["applied", "started", "tombstone"] {
        let ground = Ground::new().await;
        ground.plant(kind).await;
        let error = ground.both().run().await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::LeaseLost, "{kind}: {error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("marker"), "{kind}: {text}");
        assert!(text.contains("somebody"), "{kind}: {text}");
        assert_eq!(done(&ground.other).await, ["first"], "{kind}");
        let entries = audit(&ground.pool).await.join("\n");
        assert!(!entries.contains("marked 1 APPLIED"), "{kind}: {entries}");
        ground.assert_issue(kind).await;
    }
}

#[tokio::test]
async fn marker_of_another_run_for_an_interrupted_attempt_is_an_issue() {
    for kind in ["applied", "started"] {
        let ground = Ground::new().await;
        let [seq, _] = ground.began().await;
        ground.plant_at(kind, &seq, "somebody").await;
        let error = ground.both().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "{kind}: {error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("marker"), "{kind}: {text}");
        ground.assert_issue(kind).await;
    }
}

#[tokio::test]
async fn marker_of_the_interrupted_attempt_proves_its_commit() {
    let ground = Ground::new().await;
    let [seq, run_id] = ground.began().await;
    ground.plant_at("applied", &seq, &run_id).await;
    let report = ground.both().run().await.unwrap();
    assert_eq!(report.counts().already_applied, 2);
    assert_eq!(done(&ground.other).await, ["first"]);
    let ground = Ground::new().await;
    ground.began().await;
    // Neither marker nor effect exists, so it runs again, once.
    assert_eq!(ground.both().run().await.unwrap().counts().newly_applied, 1);
    assert_eq!(done(&ground.other).await, ["first", "marked"]);
}

/// The database committed a part of the attempt, like MariaDB at DDL: the list agrees with the run.
#[tokio::test]
async fn partly_committed_attempt_is_an_issue_in_the_list_too() {
    let ground = Ground::new().await;
    let [seq, run_id] = ground.began().await;
    ground.plant_at("started", &seq, &run_id).await;
    for nth in 1..=2 {
        let error = ground.both().run().await.unwrap_err();
        let report = error.report().unwrap();
        let reported = report.changes().find_map(|change| change.issue.clone());
        assert_eq!(reported, Some(Cause::Interrupted), "run {nth}");
        let issues = ground.both().issues().await.unwrap();
        let listed: Vec<_> = issues.iter().map(|issue| &issue.cause).collect();
        assert_eq!(listed, [&Cause::Interrupted], "run {nth}");
    }
    assert_eq!(done(&ground.other).await, ["first"]);
}

/// Commands without the application's code list it like the application does.
#[tokio::test]
async fn attempt_with_an_open_transaction_is_an_issue_of_its_service() {
    let ground = Ground::new().await;
    ground.began().await;
    assert!(ground.both().issues().await.unwrap().is_empty());
    let told = "UPDATE flamingock_audit SET error = '[\"the transaction of an interrupted attempt is still open\"]'
        WHERE change_id = 'marked'";
    execute(&ground.pool, told).await;
    let issues = ground.both().issues().await.unwrap();
    let causes: Vec<_> = issues.iter().map(|issue| &issue.cause).collect();
    assert_eq!(causes, [&Cause::StillOpen]);
    let services = ground.both().services().await.unwrap();
    assert_eq!((services[0].issues, services[0].failed), (1, 0));
}

/// The entry of the attempt's start is missing; the next one holds the finding of a run. The marker
/// has the number of the first one.
#[tokio::test]
async fn attempt_without_its_first_entry_is_an_issue() {
    let ground = Ground::new().await;
    let [seq, run_id] = ground.began().await;
    let before = seq.parse::<i64>().unwrap() - 1;
    ground
        .plant_at("applied", &before.to_string(), &run_id)
        .await;
    let told = "UPDATE flamingock_audit SET error = '[\"the transaction of an interrupted attempt is still open\"]'
        WHERE change_id = 'marked'";
    execute(&ground.pool, told).await;
    for nth in 1..=2 {
        let error = ground.both().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues, "run {nth}: {error:?}");
        let report = error.report().unwrap();
        let reported = report.changes().find_map(|change| change.issue.clone());
        assert_eq!(reported, Some(Cause::IncompleteHistory), "run {nth}");
        let issues = ground.both().issues().await.unwrap();
        let listed: Vec<_> = issues.iter().map(|issue| &issue.cause).collect();
        assert_eq!(listed, [&Cause::IncompleteHistory], "run {nth}");
    }
    assert_eq!(done(&ground.other).await, ["first"]);
    let runner = ground.both();
    runner
        .resolve("marked", Resolution::Applied, "its rows are there")
        .await
        .unwrap();
    assert!(ground.both().run().await.is_ok());
    assert_eq!(done(&ground.other).await, ["first"]);
}

/// The markers table is created before an attempt begins: without it this is another database, or
/// an earlier state of it.
#[tokio::test]
async fn interrupted_attempt_at_a_target_without_markers_is_an_issue() {
    let ground = Ground::new().await;
    ground.began().await;
    execute(&ground.other, "DROP TABLE flamingock_marker").await;
    let error = ground.both().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
    assert!(
        format!("{error:?}").contains("flamingock_marker"),
        "{error:?}"
    );
    ground.assert_issue("no markers").await;
}
