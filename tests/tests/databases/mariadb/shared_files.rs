//! Files that change only rows and share a connection: they have no witness.

use flamingock::{Outcome, Runner, TargetSystem};
use flamingock_tests::{
    Backend as _, MariaDb, Proxy, audit, behind_fillers, count, done, execute, folder, query,
    strings, until, with_table,
};
use sqlx::{Connection as _, MySqlConnection, MySqlPool};

use super::fresh;

/// The last entries of the audit, without those of the files before.
async fn last_entries(pool: &MySqlPool) -> Vec<String> {
    let mut entries = audit(pool).await;
    entries.retain(|entry| !entry.starts_with("filler"));
    entries
}

#[tokio::test]
async fn rows_that_stay_after_the_rollback_are_an_issue() {
    for before in [0, 6] {
        let (_database, pool) = fresh().await;
        execute(&pool, "CREATE TABLE plain (what VARCHAR(20)) ENGINE=MyISAM").await;
        let text = "INSERT INTO plain VALUES ('stays'); INSERT INTO nowhere VALUES (1)";
        let files = behind_fillers(before, &[("0100__script.sql", text)]);
        let runner = || Runner::new(&pool).files(files);
        let error = runner().run().await.unwrap_err();
        assert!(format!("{error:?}").contains("MyISAM"), "{error:?}");
        assert_eq!(last_entries(&pool).await, ["script 1 FAILED none"]);
        runner().run().await.unwrap_err();
        assert_eq!(last_entries(&pool).await, ["script 1 FAILED none"]);
        assert_eq!(count(&pool, "SELECT count(*) FROM plain").await, 1);
    }
}

#[tokio::test]
async fn deadlock_is_retried_and_the_file_is_applied_once() {
    for before in [0, 6] {
        let (database, pool) = fresh().await;
        execute(
            &pool,
            "INSERT INTO done VALUES ('a'), ('b'); CREATE TABLE heavy (n INT)",
        )
        .await;
        let mut other = MySqlConnection::connect(&database.url).await.unwrap();
        // The server rolls back the transaction that wrote less.
        query(&mut other, "BEGIN").await.unwrap();
        let many = "INSERT INTO heavy WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i FROM n";
        query(&mut other, many).await.unwrap();
        let update = "UPDATE done SET what = what WHERE what = 'b' LIMIT 1";
        execute(&pool, "ALTER TABLE done ADD PRIMARY KEY (what)").await;
        query(&mut other, update).await.unwrap();
        let text = "UPDATE done SET what = 'A' WHERE what = 'a';\nUPDATE done SET what = 'B' WHERE what = 'b'";
        let files = behind_fillers(before, &[("0100__script.sql", text)]);
        let run = tokio::spawn(Runner::new(&pool).files(files).run());
        let watcher = database.pool(1).await;
        until("the file waits for the row", async || {
            let waits =
                "SELECT count(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'";
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            count(&watcher, waits).await > 0
        })
        .await;
        let crossing = "UPDATE done SET what = what WHERE what = 'a'";
        query(&mut other, crossing).await.unwrap();
        query(&mut other, "COMMIT").await.unwrap();
        run.await.unwrap().unwrap();
        assert_eq!(done(&pool).await, ["A", "B"]);
        assert_eq!(last_entries(&pool).await, ["script 1 APPLIED shared"]);
    }
}

#[tokio::test]
async fn file_with_ddl_is_recorded_as_without_transaction() {
    for before in [0, 6] {
        let (_database, pool) = fresh().await;
        let text = "INSERT INTO done VALUES ('before');\nCREATE TABLE made (n INT);\nINSERT INTO nowhere VALUES (1)";
        let rows = ("0099__rows.sql", "INSERT INTO done VALUES ('rows')");
        let files = behind_fillers(before, &[rows, ("0100__script.sql", text)]);
        Runner::new(&pool).files(files).run().await.unwrap_err();
        let entries = last_entries(&pool).await;
        let expected = ["rows 1 APPLIED shared", "script 1 FAILED none"];
        assert_eq!(entries, expected, "after {before} files");
        assert_eq!(done(&pool).await, ["before", "rows"]);
    }
}

/// The mark is a lock of the server, which only one of the two connections gets.
#[tokio::test]
async fn two_targets_on_one_server_apply_each_file_once() {
    let databases = [MariaDb::fresh().await, MariaDb::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let proxy = Proxy::in_front_of(&databases[1].url).unwrap();
    let other = with_table(&databases[1], 1).await;
    let through: MySqlPool = proxy.pool(&databases[1].url, 2).await;
    let names = (0..24).map(|number| &*format!("{number:04}__file_{number}.sql").leak());
    let texts = (0..24).map(|number| {
        let target = if number < 12 { "default" } else { "other" };
        &*format!("-- flamingock: target={target}\nINSERT INTO done VALUES ('{number:02}')").leak()
    });
    let files: Vec<(&str, &str)> = names.zip(texts).collect();
    let runner = || {
        Runner::new(&pool)
            .target(TargetSystem::sqlx("other", &through))
            .files(folder(&files))
    };
    // Its answer is lost.
    proxy.cut_after("VALUES ('20')", 1);
    let first = runner().run().await;
    let report = match first {
        Ok(report) => report,
        Err(_) => runner().run().await.unwrap(),
    };
    assert!(
        report
            .changes()
            .all(|change| change.outcome != Outcome::Failed)
    );
    let numbers = |range: std::ops::Range<u32>| -> Vec<String> {
        range.map(|number| format!("{number:02}")).collect()
    };
    assert_eq!(done(&pool).await, numbers(0..12));
    assert_eq!(done(&other).await, numbers(12..24));
    assert!(runner().run().await.unwrap().is_up_to_date());
}

/// An owner that is gone may have written any run id. The server refuses lock names of more than 64
/// characters, and empty ones.
#[tokio::test]
async fn takeover_succeeds_after_runs_with_unusual_ids() {
    let (_database, pool) = fresh().await;
    let first = behind_fillers(7, &[]);
    Runner::new(&pool).files(first).run().await.unwrap();
    let ids = [
        "''",
        "REPEAT('x', 64)",
        "REPEAT('\u{e4}', 64)",
        "REPEAT('x', 50)",
        "'it''s \\\\ %'",
    ];
    for (seq, id) in (1..).zip(ids) {
        let text = format!("UPDATE flamingock_audit SET run_id = {id} WHERE seq = {seq}");
        execute(&pool, &text).await;
    }
    assert_eq!(
        strings(
            &pool,
            "SELECT run_id FROM flamingock_audit WHERE run_id = ''"
        )
        .await
        .len(),
        1
    );
    let gone = "UPDATE flamingock_lock SET run_id = 'gone', pipeline_digest = NULL;
         UPDATE flamingock_lease SET run_id = 'gone', expires_at = '2000-01-01'";
    execute(&pool, gone).await;
    let second = behind_fillers(7, &[("0100__script.sql", "INSERT INTO done VALUES ('a')")]);
    Runner::new(&pool).files(second).run().await.unwrap();
    assert_eq!(done(&pool).await, ["a"]);
}
