//! A run with nothing to do.

use std::time::Duration;

use flamingock_tests::Proxy;
use rustix::time::{ClockId, clock_gettime};

use super::Extent;
use crate::database::Database;
use crate::rounds;
use crate::stats::{Samples, times};
use crate::table::{Findings, Line, Table};
use crate::tools::{BoxError, Tool};

const NOTE: &str = "N steps, all applied, on connections that are open and warm. Medians (first..third \
    quartile); `x` is the median of the rounds' ratios to one row that an application reads \
    by its key, with a prepared statement and a connection of its pool.";

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let (counts, rounds): (&[usize], _) = match extent {
        Extent::Quick => (&[10, 100], 5),
        Extent::Full => (&[10, 100, 1_000, 10_000], 25),
    };
    let mut findings = Findings::default();
    for database in Database::ALL {
        let mut head = vec!["tool".to_owned()];
        head.extend(counts.iter().map(|count| format!("N = {count}")));
        let title = format!("Nothing pending: {}", database.name());
        let mut table = Table::new(&title, NOTE, &[]);
        table.head = head;
        let tools: Vec<Tool> = [Tool::OneRowOfPool, Tool::OneRow]
            .into_iter()
            .chain(Tool::RECORDING)
            .filter(|tool| tool.knows(database))
            .collect();
        let mut cells = vec![Vec::new(); tools.len()];
        let mut points = vec![Vec::new(); tools.len()];
        for &count in counts {
            println!("  {} with {count} applied", database.name());
            let rounds = if count > 1_000 {
                rounds.min(10)
            } else {
                rounds
            };
            // Each has its own database.
            let mut homes = Vec::new();
            let mut starters = Vec::new();
            for tool in &tools {
                let home = database.fresh_to_read().await?;
                tool.open(database, &home.url, count).await?.start().await?;
                starters.push(tool.open(database, &home.url, count).await?);
                homes.push(home);
            }
            let samples = rounds::starts(&mut starters, rounds).await?;
            for (index, own) in samples.iter().enumerate() {
                let ratio = own.ratio(&samples[0]);
                cells[index].push(format!("{own}, x{}", times(ratio)));
                #[expect(clippy::cast_precision_loss, reason = "a point of a plot")]
                points[index].push((count as f64, own.median()));
            }
            for home in &homes {
                database.write_eagerly(home).await?;
            }
        }
        for ((tool, cells), points) in tools.iter().zip(cells).zip(points) {
            let mut row = vec![tool.name().to_owned()];
            row.extend(cells);
            table.row(row);
            findings.lines.push(Line {
                panel: database.name().to_owned(),
                name: tool.name().to_owned(),
                points,
            });
        }
        findings.tables.push(table);
    }
    findings.tables.push(trips().await?);
    findings.tables.push(engine(extent).await?);
    Ok(findings)
}

/// The statements of a run with nothing pending.
async fn trips() -> Result<Table, BoxError> {
    let note = "A run with 100 applied steps on an open connection, counted by a proxy: statements \
        that the server executed, and round trips, including those of preparing and of the \
        pool's ping: before a statement, or when the connection is returned.";
    let head = ["tool", "PostgreSQL", "MariaDB"];
    let mut table = Table::new("Nothing pending: statements and round trips", note, &head);
    let rows = [Tool::OneRowOfPool, Tool::OneRow];
    for tool in rows.into_iter().chain(Tool::RECORDING) {
        let mut row = vec![tool.name().to_owned()];
        for database in [Database::Postgres, Database::MariaDb] {
            if !tool.knows(database) {
                row.push("-".to_owned());
                continue;
            }
            let home = database.fresh().await?;
            let proxy = Proxy::in_front_of(&home.url)?;
            let mut starter = tool.open(database, &proxy.url(&home.url), 100).await?;
            starter.start().await?;
            // Statements that are prepared once are prepared now.
            starter.start().await?;
            // The driver checks a connection when it is returned.
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.forget();
            starter.start().await?;
            row.push(format!("{} in {}", proxy.statements(), proxy.round_trips()));
        }
        table.row(row);
    }
    Ok(table)
}

/// The work of the engine itself, without a database.
async fn engine(extent: Extent) -> Result<Table, BoxError> {
    let note = "Processor time of the whole process on a store in memory: a run with nothing pending \
        (checking the changes, their digest, the report), and a plan, which copies and \
        evaluates the latest entry of every change. Medians (first..third quartile).";
    let head = ["changes", "a run", "a plan"];
    let mut table = Table::new("The engine alone", note, &head);
    let rounds = if extent == Extent::Full { 51 } else { 5 };
    for count in [10, 100, 1_000, 10_000] {
        let store = flamingock::MemoryStore::new();
        let runner = crate::tools::run_on_memory(&store, count).await?;
        let (mut starts, mut plans) = (Samples::default(), Samples::default());
        for _ in 0..rounds {
            let began = processor_time();
            runner().run().await?;
            starts.push(processor_time().saturating_sub(began));
            let began = processor_time();
            runner().plan().await?;
            plans.push(processor_time().saturating_sub(began));
        }
        table.row(vec![
            count.to_string(),
            starts.to_string(),
            plans.to_string(),
        ]);
    }
    Ok(table)
}

/// The CPU time of this process so far, on all its threads.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}
