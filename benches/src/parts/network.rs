//! Servers across a network: the number of round trips decides.

use std::time::{Duration, Instant};

use flamingock_tests::Proxy;

use super::Extent;
use crate::database::{Database, Fresh};
use crate::rounds;
use crate::stats::{Samples, times};
use crate::table::{Findings, Table};
use crate::tools::{BoxError, Tool};

const STEPS: usize = 100;

const ONE_WAY: Duration = Duration::from_millis(1);

const NOTE: &str = "The same through a proxy with a delay of a millisecond in each direction, like between a \
    service and a database in another zone: 100 steps applied, or pending. Medians \
    (first..third quartile); `x` is the median of the rounds' ratios: of a run with nothing \
    pending to one row that is read from the pool, of a run with pending steps to the loop.";

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let rounds = if extent == Extent::Full { 5 } else { 1 };
    let servers = [Database::Postgres, Database::MariaDb];
    let mut table = Table::new("Over a network", NOTE, &["tool"]);
    for database in servers {
        for what in ["nothing pending", "100 pending"] {
            table.head.push(format!("{}, {what}", database.name()));
        }
    }
    let own = [Tool::FlamingockFiles, Tool::FlamingockAtomic];
    let recording = || Tool::RECORDING.into_iter().chain(own);
    let read: Vec<Tool> = [Tool::OneRowOfPool]
        .into_iter()
        .chain(recording())
        .collect();
    let applied: Vec<Tool> = [Tool::ByHand].into_iter().chain(recording()).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for database in servers {
        println!("  {}", database.name());
        let starts = starts(database, &read, rounds * 5).await?;
        let pending = pending(database, &applied, rounds).await?;
        for (index, (start, pending)) in starts.into_iter().zip(pending).enumerate() {
            if rows.len() <= index {
                let name = match index {
                    0 => "one row from the pool; loop by hand",
                    _ => read[index].name(),
                };
                rows.push(vec![name.to_owned()]);
            }
            rows[index].extend([start, pending]);
        }
    }
    for row in rows {
        table.row(row);
    }
    Ok(Findings {
        tables: vec![table],
        ..Findings::default()
    })
}

/// An empty database, reached through a slow proxy.
async fn far(database: Database) -> Result<(Fresh, Proxy, String), BoxError> {
    let home = database.fresh().await?;
    database.write_eagerly(&home).await?;
    let proxy = Proxy::in_front_of(&home.url)?;
    proxy.delay(ONE_WAY);
    let url = proxy.url(&home.url);
    Ok((home, proxy, url))
}

async fn starts(
    database: Database,
    tools: &[Tool],
    rounds: usize,
) -> Result<Vec<String>, BoxError> {
    let (mut ways, mut starters) = (Vec::new(), Vec::new());
    for tool in tools.iter().filter(|tool| tool.knows(database)) {
        let (home, proxy, url) = far(database).await?;
        let mut near = tool.open(database, &home.url, STEPS).await?;
        near.start().await?;
        starters.push(tool.open(database, &url, STEPS).await?);
        ways.push((home, proxy));
    }
    let samples = rounds::starts(&mut starters, rounds).await?;
    Ok(cells(database, tools, samples))
}

async fn pending(
    database: Database,
    tools: &[Tool],
    rounds: usize,
) -> Result<Vec<String>, BoxError> {
    let known: Vec<Tool> = tools
        .iter()
        .copied()
        .filter(|tool| tool.knows(database))
        .collect();
    let mut samples = vec![Samples::default(); known.len()];
    for round in 0..rounds {
        for turn in 0..known.len() {
            let index = (turn + round) % known.len();
            let (_home, _proxy, url) = far(database).await?;
            let mut starter = known[index].open(database, &url, STEPS).await?;
            let began = Instant::now();
            starter.start().await?;
            samples[index].push(began.elapsed());
        }
    }
    Ok(cells(database, tools, samples))
}

/// A cell for each tool, including those that do not support the database.
fn cells(database: Database, tools: &[Tool], samples: Vec<Samples>) -> Vec<String> {
    let base = samples.first().cloned().unwrap_or_default();
    let mut samples = samples.into_iter();
    let cell = |tool: &Tool| match tool.knows(database).then(|| samples.next()).flatten() {
        Some(own) => format!("{own}, x{}", times(own.ratio(&base))),
        None => "-".to_owned(),
    };
    tools.iter().map(cell).collect()
}
