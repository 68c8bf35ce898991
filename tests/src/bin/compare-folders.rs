//! Compares the effects of folders by Flamingock and by the databases' own clients:
//! `tests/run folders DIR..`.
//!
//! `--database sqlite`, `postgres` or `mariadb` tries one database; the default is all of them.
//! `--format sqlx` names the tool, for file names that fit two of them.

use std::path::Path;
use std::process::ExitCode;

use flamingock_tests::clients::Dumped;
use flamingock_tests::folders::{Verdict, compare};
use flamingock_tests::{MariaDb, Postgres, Sqlite};

#[tokio::main]
async fn main() -> ExitCode {
    let mut folders = Vec::new();
    let (mut database, mut format) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--database" => database = arguments.next(),
            "--format" => format = arguments.next().map(|format| &*format.leak()),
            _ => folders.push(argument),
        }
    }
    let known = ["sqlite", "postgres", "mariadb"];
    let is_known = database
        .as_deref()
        .is_none_or(|database| known.contains(&database));
    if folders.is_empty() || !is_known {
        eprintln!(
            "usage: compare-folders [--database sqlite|postgres|mariadb] [--format FORMAT] DIR.."
        );
        return ExitCode::from(2);
    }
    let mut wrong = 0;
    for folder in &folders {
        for name in known {
            if database.as_deref().is_some_and(|database| database != name) {
                continue;
            }
            let folder = Path::new(folder);
            let verdict = match name {
                "sqlite" => told::<Sqlite>(folder, format).await,
                "postgres" => told::<Postgres>(folder, format).await,
                _ => told::<MariaDb>(folder, format).await,
            };
            wrong += usize::from(!verdict.is_right());
        }
    }
    println!("{} folders, {wrong} to inspect", folders.len());
    ExitCode::from(u8::from(wrong > 0))
}

async fn told<B: Dumped>(folder: &Path, format: Option<&'static str>) -> Verdict {
    let verdict = compare::<B>(folder, format).await;
    println!("{} on {}: {verdict}", folder.display(), B::NAME);
    verdict
}
