//! The database of the catalogue.

use std::time::Duration;

use flamingock::BoxError;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::time::{Instant, sleep};

/// The pause between two queries.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    database: PgPool,
    wait: Duration,
}

impl Catalogue {
    pub(crate) fn new(url: &str, wait: Duration) -> Result<Catalogue, sqlx::Error> {
        // The readiness check of the target retries while the server is not there yet, not the
        // pool.
        let options = PgPoolOptions::new().acquire_timeout(Duration::from_secs(2));
        Ok(Catalogue {
            database: options.connect_lazy(url)?,
            wait,
        })
    }

    pub(crate) async fn answers(self) -> Result<(), sqlx::Error> {
        self.database.acquire().await.map(drop)
    }

    /// Returns once the schema has this version or a later one.
    ///
    /// # Errors
    ///
    /// Fails if it does not in time.
    pub(crate) async fn wait_for(&self, needed: i32) -> Result<(), BoxError> {
        let deadline = Instant::now() + self.wait;
        loop {
            let version = self.version().await?;
            if version >= needed {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let waited = self.wait.as_secs();
                return Err(format!(
                    "the catalogue's schema is {version} after {waited} s and orders needs {needed}: \
                     deploy the catalogue, then this again"
                )
                .into());
            }
            sleep(PAUSE).await;
        }
    }

    async fn version(&self) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("SELECT version FROM schema_version")
            .fetch_one(&self.database)
            .await
    }
}
