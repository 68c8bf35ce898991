//! Folders of changes, run by Flamingock in one database and by the database's own client in
//! another: up, down and up again, they have the same effect.

mod masked;
mod reading;

use std::fmt;
use std::fs;
use std::path::Path;

use flamingock::EmbeddedFolder;
use flamingock::{Runner, UndoTarget};

pub use self::masked::said;
pub use self::reading::{Step, read};
use self::reading::{delimited, files};
use crate::clients::Dumped;

/// The result of a folder.
#[derive(Debug)]
pub enum Verdict {
    /// Equal after each direction: up, and down and up again if every file is reversible.
    Same {
        /// The number of SQL files that were applied.
        files: usize,
        /// Whether they were reverted and applied again.
        down: bool,
    },
    /// Both refuse it.
    BothRefuse {
        /// Flamingock's error.
        here: String,
        /// The client's error, or why the folder is invalid.
        there: String,
    },
    /// Flamingock refuses what the client runs.
    Refused(String),
    /// Flamingock runs what the client refuses.
    Accepted(String),
    /// Both ran, with different results.
    Differs {
        /// The step with the difference.
        step: &'static str,
        /// The first lines that differ.
        lines: String,
    },
}

impl Verdict {
    /// Whether the result needs no inspection.
    #[must_use]
    pub fn is_right(&self) -> bool {
        matches!(self, Verdict::Same { .. } | Verdict::BothRefuse { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Same { files, down: true } => {
                write!(f, "the same, up, down and up again ({files} files)")
            }
            Verdict::Same { files, down: false } => write!(
                f,
                "the same ({files} files; not all of them have a way down)"
            ),
            Verdict::BothRefuse { here, there } => write!(
                f,
                "refused here and there\n  here:  {here}\n  there: {there}"
            ),
            Verdict::Refused(why) => write!(f, "REFUSED here, and run by the client\n  {why}"),
            Verdict::Accepted(why) => write!(f, "RUN here, and refused by the client\n  {why}"),
            Verdict::Differs { step, lines } => write!(f, "DIFFERENT after {step}\n{lines}"),
        }
    }
}

/// Runs a folder by both. The format is that of `include_files!`, for names that fit two of them.
pub async fn compare<B: Dumped>(folder: &Path, format: Option<&'static str>) -> Verdict {
    let (ours, theirs) = (B::fresh().await, B::fresh().await);
    let (pool, other) = (ours.pool(2).await, theirs.pool(1).await);
    let embedded = match embedded(folder, format) {
        Ok(embedded) => embedded,
        Err(why) => return Verdict::Refused(why),
    };
    let runner = || -> Runner { B::runner(&pool).files(embedded) };
    let here = runner().run().await.map_err(|error| format!("{error:#}"));
    let steps = read(folder, format).map(|steps| delimited(steps, B::NAME));
    let mut there = steps.as_ref().map(|_| ()).map_err(Clone::clone);
    let steps = steps.unwrap_or_default();
    for step in &steps {
        if there.is_ok() {
            let ran = B::run(&theirs, &other, &step.up).await;
            there = ran.map_err(|why| format!("{}: {why}", step.name));
        }
    }
    match (here, there) {
        (Ok(_), Ok(())) => {}
        (Err(here), Err(there)) => return Verdict::BothRefuse { here, there },
        (Err(why), Ok(())) => return Verdict::Refused(why),
        (Ok(_), Err(why)) => return Verdict::Accepted(why),
    }
    let differ = async |step: &'static str| {
        let (here, there) = (B::dump(&ours, &[]).await, B::dump(&theirs, &[]).await);
        let lines = difference(&said(&here), &said(&there))?;
        Some(Verdict::Differs { step, lines })
    };
    if let Some(differs) = differ("up").await {
        return differs;
    }
    let downs: Option<Vec<&String>> = steps.iter().rev().map(|step| step.down.as_ref()).collect();
    let files = steps.len();
    let Some(downs) = downs.filter(|downs| !downs.is_empty()) else {
        return Verdict::Same { files, down: false };
    };
    for down in downs {
        if B::run(&theirs, &other, down).await.is_err() {
            // The folder's own mistake.
            return Verdict::Same { files, down: false };
        }
    }
    if let Err(error) = runner().undo(UndoTarget::Count(files)).await {
        return Verdict::Refused(format!("{error:#}"));
    }
    if let Some(differs) = differ("down").await {
        return differs;
    }
    for step in &steps {
        if B::run(&theirs, &other, &step.up).await.is_err() {
            return Verdict::Same { files, down: false };
        }
    }
    if let Err(error) = runner().run().await {
        return Verdict::Refused(format!("{error:#}"));
    }
    differ("up again")
        .await
        .unwrap_or(Verdict::Same { files, down: true })
}

/// The folder as part of a program: the files that `include_files!` embeds.
fn embedded(
    folder: &Path,
    format: Option<&'static str>,
) -> Result<&'static EmbeddedFolder, String> {
    let mut all: Vec<(&'static str, String)> = Vec::new();
    for file in files(folder)? {
        let path = file.strip_prefix(folder).unwrap_or(&file);
        let path = path.to_string_lossy().replace('\\', "/");
        if !EmbeddedFolder::lists(&path) {
            continue;
        }
        // A program's text is not embedded.
        let text = match EmbeddedFolder::embeds(&path) {
            true => {
                fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?
            }
            false => String::new(),
        };
        all.push((path.leak(), text));
    }
    let all: Vec<(&'static str, &str)> = all
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    Ok(match format {
        Some(format) => crate::files::folder_of(format, &all),
        None => crate::folder(&all),
    })
}

/// The first lines that differ, if any.
fn difference(here: &[String], there: &[String]) -> Option<String> {
    const SHOWN: usize = 20;
    let only = |lines: &[String], others: &[String], mark: &str| -> Vec<String> {
        let lines = lines.iter().filter(|line| !others.contains(line));
        lines.map(|line| format!("  {mark} {line}")).collect()
    };
    if here == there {
        return None;
    }
    let mut all = only(here, there, "here: ");
    all.extend(only(there, here, "there:"));
    if all.is_empty() {
        all.push("  the lines are the same, and in another order".to_owned());
    }
    all.truncate(SHOWN);
    Some(all.join("\n"))
}
