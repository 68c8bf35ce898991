//! The memory of a run.

use std::time::Duration;

use flamingock_tests::Driver;

use super::Extent;
use crate::database::Database;
use crate::table::{Findings, Table};
use crate::tools::{BoxError, Tool};

const NOTE: &str = "The peak resident memory of a process that connects, reads one row and ends, and of one \
    that also runs that many changes of its registry, all applied. The definitions of the \
    changes are included. `other digest`: the run reads the latest entry of each change. \
    Medians of the processes.";

pub(crate) async fn measure(extent: Extent) -> Result<Findings, BoxError> {
    let (count, rounds) = match extent {
        Extent::Quick => (500, 1),
        Extent::Full => (10_000, 5),
    };
    let title = format!("Memory with {count} changes");
    let head = [
        "database",
        "without",
        "same digest",
        "other digest",
        "above without",
    ];
    let mut table = Table::new(&title, NOTE, &head);
    for database in Database::ALL {
        let home = database.fresh_to_read().await?;
        Tool::Flamingock
            .open(database, &home.url, count)
            .await?
            .start()
            .await?;
        let mut peaks = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (peaks, changes) in peaks.iter_mut().zip([0, count, count - 1]) {
                peaks.push(peak(database, &home.url, changes).await?);
            }
        }
        database.write_eagerly(&home).await?;
        let medians = peaks.map(|mut peaks| {
            peaks.sort_unstable();
            peaks[peaks.len() / 2]
        });
        let mib = |kib: u64| format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024);
        let mut row = vec![database.name().to_owned()];
        row.extend(medians.iter().map(|kib| mib(*kib)));
        row.push(mib(medians[2].saturating_sub(medians[0])));
        table.row(row);
    }
    Ok(Findings {
        tables: vec![table],
        ..Findings::default()
    })
}

async fn peak(database: Database, url: &str, count: usize) -> Result<u64, BoxError> {
    let program = std::env::current_exe()?;
    let count = count.to_string();
    let arguments = ["memory-of", database.name(), url, &count];
    let child = Driver::start(&program.to_string_lossy(), arguments)?;
    let finished = child.finish(Duration::from_secs(60)).await?;
    if !finished.status.success() {
        return Err(finished.stderr.into());
    }
    Ok(finished.stdout.trim().parse()?)
}

/// One of those processes: prints its largest resident memory, in KiB.
pub(crate) async fn child(arguments: &[String]) -> Result<(), BoxError> {
    let [database, url, count] = arguments else {
        return Err("memory-of <database> <url> <count>".into());
    };
    let database = Database::named(database).ok_or("no such database")?;
    Tool::OneRow.open(database, url, 0).await?.start().await?;
    let count: usize = count.parse()?;
    if count > 0 {
        Tool::Flamingock
            .open(database, url, count)
            .await?
            .start()
            .await?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.ok_or("the system does not tell the memory of a process")?;
    println!("{}", peak.trim().trim_end_matches(" kB"));
    Ok(())
}
