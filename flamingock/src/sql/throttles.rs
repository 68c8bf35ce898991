//! Throttles that ask a database whether it has time for the next batch.

#[cfg(feature = "postgres")]
pub use self::of_postgres::{PostgresAutovacuum, PostgresReplicaLag};

#[cfg(feature = "mysql")]
pub use self::of_mysql::{MariaDbReplicaLag, MariaDbThreadsRunning};

#[cfg(feature = "postgres")]
mod of_postgres {
    use std::time::Duration;

    use async_trait::async_trait;
    use sqlx::PgPool;

    use crate::change::pace::Throttle;
    use crate::util::boxed::BoxError;

    const RIGHTS: &str = "this user cannot see what other sessions do: GRANT pg_monitor TO it";

    /// Lets the next batch wait while a replica of PostgreSQL lags behind its primary.
    ///
    /// It asks the primary for `replay_lag` in `pg_stat_replication`, and how long ago a replica that
    /// lacks something has answered. That needs the rights of `pg_monitor`. A primary without
    /// replicas lets every batch begin.
    #[derive(Clone, Debug)]
    pub struct PostgresReplicaLag {
        primary: PgPool,
        most: Duration,
    }

    impl PostgresReplicaLag {
        /// A batch may begin while no replica lags by more than this.
        pub fn new(primary: &PgPool, most: Duration) -> PostgresReplicaLag {
            PostgresReplicaLag {
                primary: primary.clone(),
                most,
            }
        }
    }

    #[async_trait]
    impl Throttle for PostgresReplicaLag {
        async fn reason_to_wait(&self) -> Result<Option<String>, BoxError> {
            // Without the rights, the row of a replica is there, and all but its process is NULL.
            // A replica that does not answer keeps the lag that was measured last.
            let text = "SELECT coalesce(bool_or(state IS NULL), false), max(extract(epoch FROM greatest(replay_lag,
                CASE WHEN replay_lsn < pg_catalog.pg_current_wal_lsn()
                THEN pg_catalog.clock_timestamp() - reply_time END)))::float8
                FROM pg_catalog.pg_stat_replication";
            let (hidden, lag): (bool, Option<f64>) =
                sqlx::query_as(text).fetch_one(&self.primary).await?;
            if hidden {
                return Err(RIGHTS.into());
            }
            let lag = lag.unwrap_or(0.0);
            Ok(
                (lag > self.most.as_secs_f64())
                    .then(|| format!("a replica lags {lag:.1} s behind")),
            )
        }
    }

    /// Lets the next batch wait while autovacuum works on a table of PostgreSQL.
    ///
    /// It asks for `pg_stat_progress_vacuum`, which needs the rights of `pg_monitor`.
    #[derive(Clone, Debug)]
    pub struct PostgresAutovacuum {
        database: PgPool,
        table: String,
    }

    impl PostgresAutovacuum {
        /// A batch may begin while autovacuum does not work on this table, whose name can have a
        /// schema, and is written as in SQL.
        pub fn new(database: &PgPool, table: impl Into<String>) -> PostgresAutovacuum {
            PostgresAutovacuum {
                database: database.clone(),
                table: table.into(),
            }
        }
    }

    #[async_trait]
    impl Throttle for PostgresAutovacuum {
        async fn reason_to_wait(&self) -> Result<Option<String>, BoxError> {
            let text = "SELECT to_regclass($1) IS NULL, coalesce(bool_or(p.relid IS NULL), false),
                coalesce(bool_or(p.relid = to_regclass($1) AND a.backend_type = 'autovacuum worker'), false)
                FROM pg_catalog.pg_stat_progress_vacuum p
                LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid";
            let (missing, hidden, works): (bool, bool, bool) = sqlx::query_as(text)
                .bind(&self.table)
                .fetch_one(&self.database)
                .await?;
            if missing {
                return Err(format!("there is no table {}", self.table).into());
            }
            if hidden {
                return Err(RIGHTS.into());
            }
            Ok(works.then(|| format!("autovacuum works on {}", self.table)))
        }
    }
}

#[cfg(feature = "mysql")]
mod of_mysql {
    use std::time::Duration;

    use async_trait::async_trait;
    use sqlx::{MySqlPool, Row};

    use crate::change::pace::Throttle;
    use crate::util::boxed::BoxError;

    /// Lets the next batch wait while a server of MariaDB or MySQL is busy: while `Threads_running`
    /// is above a limit.
    #[derive(Clone, Debug)]
    pub struct MariaDbThreadsRunning {
        server: MySqlPool,
        most: u64,
    }

    impl MariaDbThreadsRunning {
        /// A batch may begin while at most so many threads run. The one that asks counts, too.
        pub fn new(server: &MySqlPool, most: u64) -> MariaDbThreadsRunning {
            MariaDbThreadsRunning {
                server: server.clone(),
                most,
            }
        }
    }

    #[async_trait]
    impl Throttle for MariaDbThreadsRunning {
        async fn reason_to_wait(&self) -> Result<Option<String>, BoxError> {
            let text = "SHOW GLOBAL STATUS LIKE 'Threads_running'";
            let row = sqlx::raw_sql(text).fetch_one(&self.server).await?;
            let running: u64 = row.try_get::<String, _>(1)?.parse()?;
            Ok((running > self.most).then(|| format!("{running} threads run")))
        }
    }

    /// Lets the next batch wait while a replica of MariaDB or MySQL lags behind.
    ///
    /// It asks the replica for `SHOW SLAVE STATUS`, which needs the right `REPLICATION CLIENT`, on
    /// MariaDB `REPLICA MONITOR`. A replica whose replication does not run lets nothing begin.
    #[derive(Clone, Debug)]
    pub struct MariaDbReplicaLag {
        replica: MySqlPool,
        most: Duration,
    }

    impl MariaDbReplicaLag {
        /// A batch may begin while this replica lags by at most this, in whole seconds.
        pub fn new(replica: &MySqlPool, most: Duration) -> MariaDbReplicaLag {
            MariaDbReplicaLag {
                replica: replica.clone(),
                most,
            }
        }
    }

    #[async_trait]
    impl Throttle for MariaDbReplicaLag {
        async fn reason_to_wait(&self) -> Result<Option<String>, BoxError> {
            let text = "SHOW SLAVE STATUS";
            let row = sqlx::raw_sql(text).fetch_optional(&self.replica).await?;
            let Some(row) = row else {
                return Err("this server is no replica".into());
            };
            let lag: Option<u64> = row.try_get_unchecked("Seconds_Behind_Master")?;
            Ok(match lag {
                None => Some("the replication does not run".to_owned()),
                Some(lag) if lag > self.most.as_secs() => {
                    Some(format!("the replica lags {lag} s behind"))
                }
                Some(_) => None,
            })
        }
    }
}
