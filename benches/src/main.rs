//! What Flamingock costs, measured beside other tools: `benches/run`.

mod database;
mod document;
mod parts;
mod plot;
mod rounds;
mod stats;
mod table;
mod tools;

use std::process::ExitCode;

use crate::parts::Extent;
use crate::tools::BoxError;

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
        Some((word, rest)) if word == "quick" => measure(rest, Extent::Quick).await,
        Some((word, [])) if word == "write" => document::write().await,
        Some((word, rest)) if word == "part" => measure(rest, Extent::Full).await,
        Some((word, _)) => Err(format!(
            "\"{word}\" is nothing that can be measured; usage: benches/run [quick [part..] | part <part>.. | write]"
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
        let findings = parts::measure(part, extent).await?;
        // What is measured quickly is only shown.
        if extent == Extent::Full {
            findings.save(part)?;
        }
    }
    Ok(())
}
