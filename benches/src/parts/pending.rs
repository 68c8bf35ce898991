//! Everything pending, from an empty database.

use std::time::Instant;

use super::Extent;
use crate::database::Database;
use crate::stats::{Samples, times};
use crate::table::{Findings, Table};
use crate::tools::{BoxError, Tool};

const NOTE: &str = "From an empty database, on an open connection: N steps of one `INSERT` each. Medians \
    (first..third quartile); `x` is the median of the rounds' ratios to the hand-written \
    loop `begin; change; insert; commit` in the same round. All tools send the step as text; \
    the loop prepares its own `INSERT` once.";

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let (count, rounds) = match extent {
        Extent::Quick => (50, 2),
        Extent::Full => (500, 5),
    };
    let title = format!("Everything pending: N = {count}");
    let mut table = Table::new(&title, NOTE, &["tool", "SQLite", "PostgreSQL", "MariaDB"]);
    let own = [Tool::ByHand, Tool::FlamingockFiles, Tool::FlamingockAtomic];
    let tools: Vec<Tool> = own.into_iter().chain(Tool::RECORDING).collect();
    let mut rows: Vec<Vec<String>> = tools
        .iter()
        .map(|tool| vec![tool.name().to_owned()])
        .collect();
    for database in Database::ALL {
        println!("  {}", database.name());
        let mut samples = vec![Samples::default(); tools.len()];
        for round in 0..=rounds {
            for turn in 0..tools.len() {
                let index = (turn + round) % tools.len();
                let tool = tools[index];
                if !tool.knows(database) {
                    continue;
                }
                let home = database.fresh().await?;
                database.write_eagerly(&home).await?;
                let mut starter = tool.open(database, &home.url, count).await?;
                let began = Instant::now();
                starter.start().await?;
                if round > 0 {
                    samples[index].push(began.elapsed());
                }
                let done = database
                    .rows(&home.url, "SELECT count(*) FROM work")
                    .await?;
                assert_eq!(done, [count.to_string()], "{}", tool.name());
            }
        }
        for (index, own) in samples.iter().enumerate() {
            rows[index].push(if tools[index].knows(database) {
                format!("{own}, x{}", times(own.ratio(&samples[0])))
            } else {
                "-".to_owned()
            });
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
