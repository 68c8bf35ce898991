//! Consecutive files that share a connection, while an administrator ends every session of the
//! database again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flamingock::audit::{HistoryFilter, State};
use flamingock::events::{Event, EventKind, Listener};
use flamingock::lock::LockOptions;
use flamingock::{BoxError, ErrorKind, Runner};
use flamingock_tests::{Backend as _, PlainSql as _, execute, folder, strings, with_table};
use sqlx::Pool;

use super::{Backend, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// More than as many as get a connection each before the next ones share one.
const FILES: usize = 40;

/// Ends all other sessions of the database each time so many files have begun.
struct Ending {
    pool: Pool<Db>,
    every: usize,
    begun: AtomicUsize,
    ended: Arc<AtomicUsize>,
}

#[async_trait]
impl Listener for Ending {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        if let EventKind::ChangeStarted { .. } = event.kind {
            let begun = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            if begun.is_multiple_of(self.every) {
                let ended = end_other_sessions(&self.pool).await;
                self.ended.fetch_add(ended, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Returns the number of sessions that were ended.
async fn end_other_sessions(pool: &Pool<Db>) -> usize {
    if NAME == "PostgreSQL" {
        let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid() \
                   AND backend_type = 'client backend'";
        return strings(pool, end).await.len();
    }
    let others = "SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST \
                  WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
    let mut ended = 0;
    for id in strings(pool, others).await {
        let mut connection = pool.acquire().await.unwrap();
        // Without success if it has ended by itself.
        let killed = Db::rows(&mut connection, &format!("KILL {id}")).await;
        ended += usize::from(killed.is_ok());
    }
    ended
}

#[tokio::test]
async fn file_is_applied_once_however_often_its_session_is_ended() {
    for every in [2, 3, 7] {
        let database = Backend::fresh().await;
        let watch = with_table(&database, 1).await;
        execute(&watch, "CREATE TABLE filler (n INT)").await;
        let texts: Vec<String> = (0..FILES)
            .map(|number| format!("INSERT INTO filler VALUES ({number})"))
            .collect();
        let names = (1..=FILES).map(|number| &*format!("{number:04}__file_{number}.sql").leak());
        let files: Vec<(&'static str, &str)> =
            names.zip(texts.iter().map(String::as_str)).collect();
        let files = folder(&files);
        let pool = database.pool(3).await;
        let lock = LockOptions::default().lease(Duration::from_secs(2));
        let runner = || {
            Runner::new(&pool)
                .lock(lock.wait(Duration::from_secs(60)))
                .files(files)
        };
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let ending = Ending {
                pool: watch.clone(),
                every,
                begun: AtomicUsize::new(0),
                ended: Arc::clone(&ended),
            };
            match runner().listener(ending).run().await {
                Ok(_) => break,
                Err(error) => {
                    // A transaction leaves nothing behind, so no operator is needed.
                    assert_ne!(error.kind(), ErrorKind::Issues, "{error:#}");
                }
            }
        }
        runner()
            .run()
            .await
            .unwrap_or_else(|error| panic!("every {every}: {error:#}"));
        let rows = strings(&watch, "SELECT CAST(n AS CHAR(9)) FROM filler").await;
        let mut rows: Vec<usize> = rows.iter().map(|row| row.trim().parse().unwrap()).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..FILES).collect::<Vec<_>>(), "every {every}");
        assert!(
            ended.load(Ordering::Relaxed) > 3,
            "every {every}: {ended:?}"
        );
        let applied = HistoryFilter::default().state(State::Applied);
        let applied = runner().history(&applied).await.unwrap();
        assert_eq!(applied.len(), FILES, "every {every}");
    }
}
