//! The cost of Flamingock, measured next to other tools: `benches/run`.

mod database;
mod document;
mod parts;
mod plot;
mod rounds;
mod stats;
mod table;
mod tools;

use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

use crate::database::Database;
use crate::parts::Extent;
use crate::stats::Samples;
use crate::tools::{BoxError, Tool};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((word, rest)) if word == "child" => parts::together::child(rest).await,
        Some((word, rest)) if word == "memory-of" => parts::memory::child(rest).await,
        Some((word, rest)) if word == "once" => once(rest).await,
        Some((word, rest)) if word == "quick" => measure(rest, Extent::Quick).await,
        Some((word, [])) if word == "write" => document::write().await,
        Some((word, rest)) if word == "part" => measure(rest, Extent::Full).await,
        Some((word, _)) => Err(format!(
            "\"{word}\" is nothing that can be measured; usage: benches/run [quick [part..] | part <part>.. | write | once <tool> <database> <steps> <starts>]"
        )
        .into()),
        None => {
            measure(&[], Extent::Full).await?;
            document::write().await
        }
    }
}

async fn measure(parts: &[String], extent: Extent) -> Result<(), BoxError> {
    let all: Vec<String> = parts::ALL.iter().map(ToString::to_string).collect();
    for part in if parts.is_empty() { &all } else { parts } {
        println!("{part}");
        let before = load()?;
        let mut findings = parts::measure(part, extent).await?;
        findings.load = format!("{before}, then {}", load()?);
        // Results of a quick run are only printed.
        if extent == Extent::Full {
            findings.save(part)?;
        }
    }
    Ok(())
}

/// The load average of the last minute.
fn load() -> io::Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().to_owned())
}

/// A single tool, for a profiler: everything pending, then runs with nothing pending.
async fn once(arguments: &[String]) -> Result<(), BoxError> {
    let [tool, database, steps, starts] = arguments else {
        return Err("once <tool> <database> <steps> <starts>".into());
    };
    let tool = Tool::named(tool).ok_or("no such tool")?;
    let database = Database::named(database).ok_or("no such database")?;
    let home = database.fresh().await?;
    let mut starter = tool.open(database, &home.url, steps.parse()?).await?;
    let (mut pending, mut nothing) = (Samples::default(), Samples::default());
    let began = Instant::now();
    starter.start().await?;
    pending.push(began.elapsed());
    for _ in 0..starts.parse()? {
        let began = Instant::now();
        starter.start().await?;
        nothing.push(began.elapsed());
    }
    println!("everything pending: {pending}; nothing pending: {nothing}");
    Ok(())
}
