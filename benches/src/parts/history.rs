//! An audit that has grown for years.

use super::Extent;
use crate::database::Database;
use crate::rounds;
use crate::stats::times;
use crate::table::{Findings, Table};
use crate::tools::{BoxError, Tool};

const NOTE: &str = "A run of a binary with one change fewer than the audit, so that its digest differs and \
    it reads the latest entry of each of 1,000 changes, in an audit of 1,000 rows and in one \
    of 500,000; and a run with the stored digest. Medians (first..third quartile).";

const COLUMNS: &str = "service, run_id, attempt, stage, change_id, change_order, author, description, target, state, \
transaction_mode, recovery, origin, digest, fencing_token, idempotency_key, started_at, finished_at, duration_us, host, pid, location";

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let (changes, copies, rounds) = match extent {
        Extent::Quick => (100, 9, 5),
        Extent::Full => (1_000, 499, 25),
    };
    let head = [
        "database",
        "same digest, few rows",
        "same digest, many rows",
        "other digest, few rows",
        "other digest, many rows",
        "many : few",
    ];
    let mut table = Table::new("An audit of 500,000 rows", NOTE, &head);
    for database in Database::ALL {
        let (few, many) = (
            database.fresh_to_read().await?,
            database.fresh_to_read().await?,
        );
        for home in [&few, &many] {
            Tool::Flamingock
                .open(database, &home.url, changes)
                .await?
                .start()
                .await?;
        }
        if database == Database::MariaDb {
            // The default of a server; the test servers have less.
            let sql = "SET GLOBAL innodb_buffer_pool_size = 134217728";
            database.rows(&many.url, sql).await?;
        }
        database.rows(&many.url, &grow(database, copies)).await?;
        let checkpoint = match database {
            Database::Sqlite => "SELECT 1",
            Database::Postgres => "VACUUM ANALYZE flamingock_audit",
            Database::MariaDb => "ANALYZE TABLE flamingock_audit",
        };
        database.rows(&many.url, checkpoint).await?;
        let rows = database
            .rows(&many.url, "SELECT count(*) FROM flamingock_audit")
            .await?;
        println!("  {}: {} rows", database.name(), rows.join(""));
        let mut starters = Vec::new();
        for (home, count) in [
            (&few, changes),
            (&many, changes),
            (&few, changes - 1),
            (&many, changes - 1),
        ] {
            starters.push(Tool::Flamingock.open(database, &home.url, count).await?);
        }
        let samples = rounds::starts(&mut starters, rounds).await?;
        let mut row = vec![database.name().to_owned()];
        row.extend(samples.iter().map(ToString::to_string));
        row.push(times(samples[3].ratio(&samples[2])));
        table.row(row);
        database.write_eagerly(&few).await?;
    }
    Ok(Findings {
        tables: vec![table],
        ..Findings::default()
    })
}

/// Repeats every row that many times.
fn grow(database: Database, copies: usize) -> String {
    let numbers = match database {
        Database::Sqlite => format!(
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies}) SELECT i FROM n)"
        ),
        Database::Postgres => format!("generate_series(1, {copies})"),
        Database::MariaDb => format!("(SELECT seq FROM seq_1_to_{copies})"),
    };
    format!(
        "INSERT INTO flamingock_audit ({COLUMNS}) SELECT {COLUMNS} FROM {numbers} AS n CROSS JOIN \
        (SELECT * FROM flamingock_audit WHERE state = 'APPLIED') AS a"
    )
}
