//! The tables, written into the documentation between two marks.

use std::fmt::Write as _;
use std::fs;

use crate::database::Database;
use crate::parts;
use crate::plot;
use crate::table::{Findings, root};
use crate::tools::BoxError;

const BEGIN: &str = "<!-- measured: benches/run writes from here -->";
const END: &str = "<!-- measured: to here -->";

/// Writes the results of all parts.
pub(crate) async fn write() -> Result<(), BoxError> {
    let mut text = format!(
        "{BEGIN}\n\n{}\n\n![Duration of a run with nothing pending](performance.svg)\n",
        machine().await?
    );
    let mut lines = Vec::new();
    let mut loads = Vec::new();
    for part in parts::ALL {
        let findings = Findings::load(part)
            .map_err(|error| format!("the part {part} has not been measured: {error}"))?;
        loads.push(format!("{part} {}", findings.load));
        for table in &findings.tables {
            text.push('\n');
            text.push_str(&table.text());
        }
        lines.extend(findings.lines);
    }
    let loads = loads.join("; ");
    let _ = write!(
        text,
        "\nLoad of the machine (processes that want to run) before and after each part: {loads}.\n\n"
    );
    let page = root().join("flamingock/docs/performance.md");
    let old = fs::read_to_string(&page)?;
    let (before, rest) = old
        .split_once(BEGIN)
        .ok_or("flamingock/docs/performance.md has lost its first mark")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("flamingock/docs/performance.md has lost its second mark")?;
    fs::write(page, format!("{before}{text}{END}{after}"))?;
    plot::draw(&root().join("flamingock/docs/performance.svg"), &lines)
}

/// The machine and the versions, in one paragraph.
async fn machine() -> Result<String, BoxError> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |name| {
        name.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism()?;
    let mut versions = Vec::new();
    for database in Database::ALL {
        versions.push(database.version().await?);
    }
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    for name in ["sqlx", "diesel_migrations", "refinery", "sea-orm-migration"] {
        let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
        let version = entry.and_then(|(_, rest)| rest.split('"').next());
        versions.push(format!("{name} {}", version.unwrap_or("?")));
    }
    let rustc = std::process::Command::new("rustc")
        .arg("--version")
        .output()?;
    versions.push(String::from_utf8(rustc.stdout)?.trim().to_owned());
    Ok(format!(
        "Measured with `benches/run` on {cores} cores ({model}). \
         The servers are private ones with their own settings, on the same machine. {}.",
        versions.join(", ")
    ))
}
