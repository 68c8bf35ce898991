//! Several processes that start together.

use std::time::{Duration, Instant};

use flamingock_tests::Driver;

use super::Extent;
use crate::database::Database;
use crate::stats::{Samples, times};
use crate::table::{Findings, Table};
use crate::tools::{BoxError, Tool};

const COUNT: usize = 100;
const PROCESSES: usize = 8;
const LIMIT: Duration = Duration::from_secs(120);

const NOTE: &str = "Connected processes that start their runs together, until the last run has ended. Cold: \
    100 steps pending; warm: nothing pending. `x` is the median of the rounds' ratios to one \
    process. `failed` counts the processes, of all rounds, whose run ended with an error.";

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let rounds = if extent == Extent::Full { 25 } else { 2 };
    let mut findings = Findings::default();
    for database in Database::ALL {
        println!("  {}", database.name());
        let title = format!("{PROCESSES} processes at once: {}", database.name());
        let head = [
            "tool",
            "one, cold",
            "eight, cold",
            "one, warm",
            "eight, warm",
            "failed",
        ];
        let mut table = Table::new(&title, NOTE, &head);
        let tools = Tool::RECORDING
            .into_iter()
            .filter(|tool| tool.knows(database));
        let tools: Vec<Tool> = tools.collect();
        let mut all = vec![Times::default(); tools.len()];
        for round in 0..rounds {
            for turn in 0..tools.len() {
                let index = (turn + round) % tools.len();
                round_of(tools[index], database, &mut all[index]).await?;
            }
        }
        for (tool, times_of) in tools.iter().zip(&all) {
            let Times {
                one_cold,
                cold,
                one_warm,
                warm,
                failed,
            } = times_of;
            table.row(vec![
                tool.name().to_owned(),
                one_cold.to_string(),
                format!("{cold}, x{}", times(cold.ratio(one_cold))),
                one_warm.to_string(),
                format!("{warm}, x{}", times(warm.ratio(one_warm))),
                format!("{failed} of {}", rounds * PROCESSES * 2),
            ]);
        }
        findings.tables.push(table);
    }
    Ok(findings)
}

#[derive(Debug, Default, Clone)]
struct Times {
    one_cold: Samples,
    cold: Samples,
    one_warm: Samples,
    warm: Samples,
    failed: usize,
}

async fn round_of(tool: Tool, database: Database, times: &mut Times) -> Result<(), BoxError> {
    let alone = database.fresh().await?;
    database.write_eagerly(&alone).await?;
    let (time, _) = start(tool, database, &alone.url, 1).await?;
    times.one_cold.push(time);
    let (time, _) = start(tool, database, &alone.url, 1).await?;
    times.one_warm.push(time);
    let shared = database.fresh().await?;
    let (time, failed) = start(tool, database, &shared.url, PROCESSES).await?;
    times.cold.push(time);
    times.failed += failed;
    // The warm case needs every change applied, whatever the result of the cold case.
    let (time, failed) = start(tool, database, &alone.url, PROCESSES).await?;
    times.warm.push(time);
    times.failed += failed;
    Ok(())
}

/// The time until the last one has ended, and the number of failures.
async fn start(
    tool: Tool,
    database: Database,
    url: &str,
    processes: usize,
) -> Result<(Duration, usize), BoxError> {
    let gate = tempfile::tempdir()?;
    let gate = gate.path().join("gate");
    let program = std::env::current_exe()?;
    let (program, gate_text) = (program.to_string_lossy(), gate.to_string_lossy());
    let arguments = ["child", tool.name(), database.name(), url, &gate_text];
    let mut children = Vec::new();
    for _ in 0..processes {
        children.push(Driver::start(&program, arguments)?);
    }
    for child in &mut children {
        child.line("ready", LIMIT).await?;
    }
    let began = Instant::now();
    std::fs::write(&gate, "")?;
    let mut failed = 0;
    for child in &mut children {
        let line = child.line("ended", LIMIT).await?;
        if line.contains("error") {
            println!("    {} on {}: {line}", tool.name(), database.name());
            failed += 1;
        }
    }
    let time = began.elapsed();
    for child in children {
        child.finish(LIMIT).await?;
    }
    Ok((time, failed))
}

/// One of those processes.
pub(crate) async fn child(arguments: &[String]) -> Result<(), BoxError> {
    let [tool, database, url, gate] = arguments else {
        return Err("child <tool> <database> <url> <gate>".into());
    };
    let tool = Tool::named(tool).ok_or("no such tool")?;
    let database = Database::named(database).ok_or("no such database")?;
    let mut starter = tool.open(database, url, COUNT).await?;
    println!("ready");
    while !std::path::Path::new(gate).exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    match starter.start().await {
        Ok(()) => println!("ended well"),
        Err(error) => println!("ended with an error: {error}"),
    }
    Ok(())
}
